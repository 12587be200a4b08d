//! How the set of apps changes while they run: new ones come, old ones go.
//!
//! ```text
//!            Reconfigured              start
//!  (unknown) ────────────► Idle ─────────────────► as any other
//!
//!            remove                    nobody that depends on it lives         it is gone, and so are those
//!   any ──────────────────► leaving ───────────────────────────────► Stopping ────────────────────────────► (forgotten)
//! ```
//!
//! Remove the dependents first: an app that one depends on which stays is refused, and one that becomes needed stays. At the end of the whole nobody is
//! forgotten any more: it ends with the others.

use std::sync::Arc;

use super::{AppIndex, AppState, AppVerdict, Composite, CompositeAction, CompositeRules, Next, Plan};
use crate::ids::TicketId;
use crate::machine::gate::Request;

impl Composite {
    pub(super) fn reconfigured(&mut self, plan: Plan, rules: CompositeRules) {
        for &app in plan.order() {
            self.apps.add(app);
        }
        self.plan = plan;
        self.rules = rules;
        for app in self.plan.order().to_vec() {
            if self.apps[app].next == Next::Leave
                && let Some(needed_by) = self.who_stays_with(app)
            {
                self.stay(app, needed_by);
            }
        }
        for app in self.plan.order().to_vec() {
            if self.apps[app].state == AppState::Waiting && !self.apps[app].starts.is_empty() {
                self.wait_anew(app);
            }
        }
    }

    /// Somebody waits for the start of an app, and what that needs may be others by now.
    fn wait_anew(&mut self, app: AppIndex) {
        match self.needs(app).into_iter().find(|other| self.is_leaving(*other)) {
            None => self.wake(app),
            Some(other) => {
                let by = format!("the end of {}, which it depends on by now", self.plan.name(other)).into();
                self.answer_starts(app, &AppVerdict::Interrupted { by });
                if self.apps[app].is_by_request() {
                    self.apps[app].state = AppState::Held;
                }
            }
        }
    }

    /// One that depends on an app and is not to go.
    fn who_stays_with(&self, app: AppIndex) -> Option<AppIndex> {
        self.plan.dependents(app).iter().copied().find(|other| self.apps[*other].next != Next::Leave)
    }

    /// An app that was to go is needed by now. What is being ended already is held then.
    fn stay(&mut self, app: AppIndex, needed_by: AppIndex) {
        let is_stopping = self.apps[app].state == AppState::Stopping;
        self.apps[app].next = if is_stopping { Next::Hold } else { Next::Judge };
        let by = format!("{}, which depends on it", self.plan.name(needed_by)).into();
        self.answer_ends(app, &AppVerdict::Interrupted { by });
    }

    pub(super) fn removal_requested(&mut self, ticket: TicketId, app: AppIndex, by: Arc<str>) {
        if self.is_ending() {
            self.answer(ticket, AppVerdict::Ending);
        } else if let Some(by) = self.who_stays_with(app) {
            self.answer(ticket, AppVerdict::Needed { by });
        } else {
            self.actions.push(CompositeAction::Admit { ticket });
            self.answer_starts(app, &AppVerdict::Interrupted { by: Arc::clone(&by) });
            self.removed_by = by;
            let app = &mut self.apps[app];
            app.ends.push(ticket);
            app.next = Next::Leave;
            if app.state == AppState::Waiting {
                app.state = AppState::Idle;
            }
        }
    }

    /// Ends what is to go, dependents first, and forgets what is gone.
    pub(super) fn let_go(&mut self) {
        if self.is_ending() {
            return;
        }
        let by = Arc::clone(&self.removed_by);
        // Dependents first, so that those that are not alive are forgotten in one go.
        let order: Vec<AppIndex> = self.plan.order().iter().rev().copied().collect();
        for app in order.into_iter().filter(|app| self.apps[*app].next == Next::Leave).collect::<Vec<_>>() {
            let runs = matches!(self.apps[app].state, AppState::Starting | AppState::Started);
            if runs && !self.has_living_dependents(app) {
                self.end_app(app, Request::Shutdown, &by);
            } else if !self.apps[app].is_alive() && self.plan.dependents(app).is_empty() {
                self.forget(app);
            }
        }
    }

    fn forget(&mut self, app: AppIndex) {
        self.plan.remove(app);
        for other in self.apps.values_mut() {
            other.missing = other.missing.filter(|missing| missing.dependency != app);
        }
        self.actions.push(CompositeAction::Forget(app));
        self.answer_ends(app, &AppVerdict::Done);
        self.apps.remove(app);
    }
}
