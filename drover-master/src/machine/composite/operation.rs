//! What somebody asks of one app while the others go on.
//!
//! ```text
//!             start    stop     restart
//! gone        accept   ignore   accept      a restart of what does not run is a start
//! held        accept   ignore   accept
//! waiting     join     held     join        a stop beats a start
//! starting    join     accept   join        what starts is as new as a restart would make it
//! started     pass     accept   pass        the app's master knows its workers, and joins what is equal
//! stopping    deny     join     deny        a harder stop is passed on
//! leaving     deny     pass     deny        a stop does not wait for those that depend on it
//! at the end  refuse   join     refuse
//! ```
//!
//! A removal is told in `leaving`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{AppIndex, AppOperation, AppState, AppVerdict, Cause, Composite, CompositeAction, Next};
use crate::ids::TicketId;
use crate::machine::gate::{DenyReason, Request};

impl Composite {
    pub(super) fn operation_requested(
        &mut self,
        ticket: TicketId,
        app: AppIndex,
        operation: AppOperation,
        by: Arc<str>,
    ) {
        if !self.apps.contains(app) {
            return self.answer(ticket, AppVerdict::Unknown);
        }
        match operation {
            AppOperation::Remove => self.removal_requested(ticket, app, by),
            AppOperation::Stop(how) => self.stop_requested(ticket, app, how, &by),
            AppOperation::Start | AppOperation::Restart => self.start_requested(ticket, app, operation, by),
        }
        if let Some(pid) = self.apps[app].stuck {
            self.app_unkillable(app, pid);
        }
    }

    /// A restart of an app that does not run is a start.
    fn start_requested(&mut self, ticket: TicketId, app: AppIndex, operation: AppOperation, by: Arc<str>) {
        let runs = self.apps[app].state == AppState::Started && self.apps[app].next == Next::Judge;
        if self.is_ending() {
            self.answer(ticket, AppVerdict::Ending);
        } else if runs {
            // It keeps its listeners open, and those that depend on it need not know.
            self.apps[app].passed.push(ticket);
            self.actions.push(CompositeAction::OperateApp { ticket, app, operation, by });
        } else if let Some(app) = self.needs(app).into_iter().find(|app| self.is_leaving(*app)) {
            self.answer(ticket, AppVerdict::Denied { app, reason: DenyReason::ShuttingDown });
        } else {
            self.actions.push(CompositeAction::Admit { ticket });
            self.apps[app].starts.push(ticket);
            self.wake(app);
        }
    }

    /// What was passed on to masters and is not answered yet.
    pub fn passed_on(&self) -> Vec<(AppIndex, TicketId)> {
        let all = self.apps.iter();
        all.flat_map(|(index, app)| app.passed.iter().map(move |ticket| (index, *ticket))).collect()
    }

    pub(super) fn app_operated(&mut self, ticket: TicketId, app: AppIndex, is_done: bool) {
        let waiting = self.apps[app].passed.len();
        self.apps[app].passed.retain(|other| *other != ticket);
        // Otherwise it was interrupted here before the master said so.
        if self.apps[app].passed.len() < waiting {
            self.answer(ticket, if is_done { AppVerdict::Done } else { AppVerdict::NotDone });
        }
    }

    fn stop_requested(&mut self, ticket: TicketId, app: AppIndex, how: Request, by: &Arc<str>) {
        self.actions.push(CompositeAction::Admit { ticket });
        let how = if how == Request::Start { Request::Shutdown } else { how };
        let was = self.apps[app].state;
        match was {
            AppState::Starting | AppState::Started | AppState::Stopping => {
                self.apps[app].ends.push(ticket);
                if was != AppState::Stopping || how != Request::Shutdown {
                    self.end_app(app, how, by);
                }
                if !self.is_ending() && self.apps[app].next != Next::Leave {
                    self.apps[app].next = Next::Hold;
                }
            }
            // A stop beats a start that is to come.
            AppState::Waiting | AppState::Ended(_) if self.apps[app].is_coming() => {
                self.apps[app].state = AppState::Held;
                self.apps[app].next = Next::Judge;
                self.answer(ticket, AppVerdict::Done);
            }
            AppState::Idle | AppState::Waiting | AppState::Held | AppState::Ended(_) => {
                self.answer(ticket, AppVerdict::Done);
                return;
            }
        }
        let interrupted = AppVerdict::Interrupted { by: Arc::clone(by) };
        self.answer_starts(app, &interrupted);
        self.interrupt_dependents(app, &interrupted);
    }

    /// Whoever waits for the start of an app that needs this one would wait for ever.
    fn interrupt_dependents(&mut self, app: AppIndex, interrupted: &AppVerdict) {
        for other in self.plan.dependents(app).to_vec() {
            if !self.apps[other].is_coming() || !self.needs(other).contains(&app) {
                continue;
            }
            self.answer_starts(other, interrupted);
            let other = &mut self.apps[other];
            // Started for the whole, it comes as soon as it can; started by request, that request is void.
            if other.state == AppState::Waiting && other.next == Next::Judge && other.is_by_request() {
                other.state = AppState::Held;
            }
        }
    }

    /// Whether it is on its way to where it is not started from.
    pub(super) fn is_leaving(&self, app: AppIndex) -> bool {
        match self.apps[app].next {
            Next::Hold => self.apps[app].state == AppState::Stopping,
            Next::Leave => true,
            Next::Judge | Next::Recycle => false,
        }
    }

    /// Has an app started, and what it needs.
    pub(super) fn wake(&mut self, app: AppIndex) {
        for needed in self.needs(app) {
            let is_done = needed != app && self.apps[needed].is_there();
            let needed = &mut self.apps[needed];
            let rests = matches!(needed.state, AppState::Idle | AppState::Held | AppState::Ended(_));
            if rests && needed.next == Next::Judge && !is_done {
                needed.state = AppState::Waiting;
                needed.cause = Cause::Start;
            }
        }
    }

    /// The app and all that it waits for, directly or by others; not what those need that are there.
    pub(super) fn needs(&self, app: AppIndex) -> Vec<AppIndex> {
        let mut needed = BTreeSet::from([app]);
        for &other in self.plan.order().iter().rev() {
            if needed.contains(&other) && (other == app || !self.apps[other].is_there()) {
                needed.extend(self.plan.dependencies(other).iter().map(|(dependency, _)| *dependency));
            }
        }
        self.plan.order().iter().copied().filter(|app| needed.contains(app)).collect()
    }
}
