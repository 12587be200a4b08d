//! What only a name server or a user database knows is asked before a request is let in, by a thread that may wait for it. While one
//! request waits, the next ones do, in their order; exits, frames and deadlines are heard.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Driver;
use crate::config::{AppSpec, ConfigError};
use crate::handle::DriverRequest;
use crate::handle::change::{ChangeRequest, Reload};
use crate::listener::Hosts;
use crate::machine::gate::Doing;

/// How long all names of a request may take. Whoever waits for the request waits for it, so not longer than for a bad resolver; a
/// database of users that does not answer does not answer after that either.
const WITHIN: Duration = Duration::from_secs(10);

/// A request whose names are being looked up.
#[derive(Debug)]
pub(super) struct Lookup {
    request: DriverRequest,
    answer: JoinHandle<FoundNames>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct FoundNames {
    pub(super) hosts: Hosts,
    /// The description of the request, with who its user is; or why there is none.
    spec: Option<Result<AppSpec, ConfigError>>,
}

impl Driver {
    /// Gives a request back that can be let in at once.
    pub(super) fn look_up_first(&mut self, request: DriverRequest) -> Option<DriverRequest> {
        let spec = match &request {
            DriverRequest::Change {
                change: ChangeRequest::Reload(Reload { spec: Some(spec), .. }) | ChangeRequest::Adjust(spec),
                ..
            } => Some((**spec).clone())
                .filter(|spec| spec.command.user.is_some() || spec.command.group.is_some()),
            _ => None,
        };
        let hosts = self.hosts_of(&request);
        if hosts.is_empty() && spec.is_none() {
            return Some(request);
        }
        let silent = Hosts::silent(&hosts, WITHIN);
        let looked_up = tokio::task::spawn_blocking(move || {
            let spec = spec.map(|mut spec| spec.look_up_account().map(|()| spec));
            FoundNames { hosts: Hosts::look_up(hosts), spec }
        });
        let answer = tokio::spawn(async move {
            match timeout(WITHIN, looked_up).await {
                Ok(Ok(found)) => found,
                // A user that is not known yet is looked up where it is needed.
                Ok(Err(_)) | Err(_) => FoundNames { hosts: silent, spec: None },
            }
        });
        self.lookup = Some(Lookup { request, answer });
        None
    }

    /// The hosts of the listeners that this request opens.
    fn hosts_of(&self, request: &DriverRequest) -> Vec<String> {
        let current = || self.editions.get(&self.fleet.generation()).map(|edition| Arc::clone(&edition.spec));
        let is_idle = self.fleet.doing() == Doing::Idle;
        let spec = match request {
            DriverRequest::Start { .. } if is_idle => current(),
            DriverRequest::Change { change: ChangeRequest::Reload(reload), .. } if !is_idle => {
                reload.spec.as_ref().map(|spec| Arc::new((**spec).clone())).or_else(current)
            }
            _ => None,
        };
        let listeners = spec.iter().flat_map(|spec| &spec.listeners);
        let new = listeners.filter(|listener| !self.listeners.is_open(listener));
        new.filter_map(|listener| listener.addr.host()).collect()
    }
}

impl Lookup {
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub(super) async fn found(lookup: &mut Option<Self>) -> (DriverRequest, FoundNames) {
        let Some(waiting) = lookup else { return std::future::pending().await };
        // It can't panic; without its answer names are looked up where they are needed.
        let found = (&mut waiting.answer).await.unwrap_or_default();
        match lookup.take() {
            Some(Self { request, .. }) => (request, found),
            None => std::future::pending().await,
        }
    }
}

impl FoundNames {
    /// Fills in what was looked up.
    pub(super) fn complete(&mut self, request: &mut DriverRequest) -> Result<(), ConfigError> {
        let Some(found) = self.spec.take().transpose()? else { return Ok(()) };
        if let DriverRequest::Change {
            change: ChangeRequest::Reload(Reload { spec: Some(spec), .. }) | ChangeRequest::Adjust(spec),
            ..
        } = request
        {
            **spec = found;
        }
        Ok(())
    }
}
