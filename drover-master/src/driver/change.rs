//! The driver's dealings with changes of the app as a whole: everything that can fail is done before anything changes.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::edition::Edition;
use super::{Driver, Waiter};
use crate::config::keys::take_live;
use crate::config::{AppSpec, ConfigError};
use crate::handle::change::{ChangeRequest, Reload};
use crate::handle::error::OperateError;
use crate::handle::ticket::Reply;
use crate::machine::fleet::{FleetInput, Release, Target};
use crate::machine::gate::Doing;

impl Driver {
    pub(super) fn change(
        &mut self,
        now: Instant,
        change: ChangeRequest,
        by: Arc<str>,
        reply: Reply<OperateError>,
    ) -> Option<oneshot::Sender<()>> {
        let prepared = match change {
            ChangeRequest::Reload(reload) => self.prepare_reload(reload),
            ChangeRequest::Adjust(spec) => self.adjusted(*spec).map(Prepared::Adjustment),
            ChangeRequest::Renew(target) => Ok(Prepared::Renewal(target)),
            ChangeRequest::Promote => Ok(Prepared::Promotion),
            ChangeRequest::Abort => Ok(Prepared::Abort),
        };
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                reply.refuse(error);
                return None;
            }
        };
        let Reply { verdict, gate } = reply;
        let ticket = self.wait(Waiter::Operation(verdict));
        let input = match prepared {
            Prepared::Reload(reload) => FleetInput::ReloadRequested { ticket, reload, by },
            Prepared::Renewal(target) => FleetInput::RenewalRequested { ticket, target, by },
            Prepared::Promotion => FleetInput::PromotionRequested { ticket, by },
            Prepared::Abort => FleetInput::AbortRequested { ticket, by },
            Prepared::Adjustment(release) => FleetInput::AdjustmentRequested { ticket, release },
        };
        self.feed(now, input);
        gate
    }

    /// Everything that can fail is done before anything changes.
    fn prepare_reload(&mut self, reload: Reload) -> Result<Prepared, OperateError> {
        let Reload { spec, policy, canary } = reload;
        let is_new = spec.is_some();
        let current = self.current_spec();
        let spec = match spec {
            Some(spec) => Arc::new(self.resolved(*spec)?),
            None => current,
        };
        let generation = self.fleet.coming_generation();
        let mut edition = Edition::closed(Arc::clone(&spec), generation, self.holds.clone());
        edition.follows = !is_new;
        // One that ends refuses it, and may have closed what it listens on.
        if matches!(self.fleet.doing(), Doing::Starting | Doing::Started) {
            let opened = edition.open(&mut self.listeners, &self.pool, &self.link_sender, &self.teller);
            // Whatever it will be by when its turn comes is open then; so is its socket, if any may need one.
            let may_speak = !is_new && self.editions.values().any(|edition| edition.link.is_some());
            let opened = opened.and_then(|()| {
                if may_speak { edition.speak(&self.link_sender, &self.teller) } else { Ok(()) }
            });
            if let Err(error) = opened {
                self.keep_listeners();
                return Err(OperateError::opening(Arc::clone(&self.app), error));
            }
        }
        let generation = self.fleet.next_generation();
        self.editions.insert(generation, edition);
        self.remember_edition(generation);
        let release = Release { generation, spec };
        Ok(Prepared::Reload(Box::new(crate::machine::fleet::ReloadPlan { release, policy, canary, is_new })))
    }

    fn resolved(&self, mut spec: AppSpec) -> Result<AppSpec, ConfigError> {
        spec.resolve()?;
        if *spec.name != *self.app {
            return Err(ConfigError::OtherName { app: self.app.to_string(), got: spec.name });
        }
        Ok(spec)
    }

    /// The description that there is, with what of another needs no new worker.
    fn adjusted(&mut self, spec: AppSpec) -> Result<Release, OperateError> {
        let spec = self.resolved(spec)?;
        let mut merged = (*self.current_spec()).clone();
        take_live(&mut merged, &spec);
        let generation = self.fleet.generation();
        let merged = Arc::new(merged);
        if self.fleet.may_adjust() {
            if let Some(edition) = self.editions.get_mut(&generation) {
                edition.spec = Arc::clone(&merged);
            }
            self.remember_edition(generation);
            self.show_edition();
        }
        Ok(Release { generation, spec: merged })
    }

    fn current_spec(&self) -> Arc<AppSpec> {
        Arc::clone(&self.editions[&self.fleet.generation()].spec)
    }
}

/// A change that has been checked.
#[derive(Debug)]
enum Prepared {
    Reload(Box<crate::machine::fleet::ReloadPlan>),
    Renewal(Target),
    Promotion,
    Abort,
    Adjustment(Release),
}
