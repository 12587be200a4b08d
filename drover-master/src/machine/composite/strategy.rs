//! What follows when an app fails for good.

use std::sync::Arc;
use std::time::Instant;

use super::{AppIndex, AppState, Cause, Composite, End, Fate, Next};
use crate::config::Strategy;
use crate::machine::gate::Request;

/// Whoever asks for the end when the strategy has been used too often.
const LIMIT: &str = "the limit of the strategy";

impl Composite {
    /// An app that ran has failed for good, or one that the strategy had started again.
    pub(super) fn use_strategy(&mut self, now: Instant, app: AppIndex) {
        let Some(intensity) = self.rules.strategy.intensity() else { return };
        let is_past = |failure: &Instant| now.saturating_duration_since(*failure) > intensity.period;
        while self.failures.front().is_some_and(is_past) {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        let name = Arc::clone(self.plan.name(app));
        if self.failures.len() > intensity.count as usize {
            let (count, period) = (self.failures.len(), intensity.period);
            let why = format!(
                "app {name} failed for good, {count} such failures within {period:?}; the strategy bears {}",
                intensity.count
            );
            self.end_all(now, Request::Shutdown, &LIMIT.into(), End::Failed, why);
            return;
        }
        self.recycled_by = format!("the failure of {name}").into();
        let place = self.plan.order().iter().position(|other| *other == app).unwrap_or(0);
        let group = match self.rules.strategy {
            Strategy::None => return,
            Strategy::OneForOne(_) => vec![app],
            Strategy::OneForAll(_) => self.plan.order().to_vec(),
            Strategy::RestForOne(_) => self.plan.order()[place..].to_vec(),
        };
        for app in group {
            self.mark(app);
        }
    }

    /// Marks an app to be started again with its group; not one that somebody has stopped.
    fn mark(&mut self, app: AppIndex) {
        let app = &mut self.apps[app];
        let is_stopped =
            matches!(app.state, AppState::Idle | AppState::Held | AppState::Ended(Fate::ShutDown));
        if !is_stopped && !matches!(app.next, Next::Hold | Next::Leave) {
            app.next = Next::Recycle;
        }
    }

    /// Ends what is recycled, dependents first; when all of it is gone, has it started again.
    pub(super) fn recycle(&mut self) {
        let is_marked = |composite: &Self, app: AppIndex| composite.apps[app].next == Next::Recycle;
        let group: Vec<AppIndex> =
            self.plan.order().iter().copied().filter(|app| is_marked(self, *app)).collect();
        if self.is_ending() || group.is_empty() {
            return;
        }
        let by = Arc::clone(&self.recycled_by);
        for &app in group.iter().rev() {
            let runs = matches!(self.apps[app].state, AppState::Starting | AppState::Started);
            if runs && !self.has_living_dependents(app) {
                self.end_app(app, Request::Shutdown, &by);
            }
        }
        if group.iter().any(|app| self.apps[*app].is_alive()) {
            return;
        }
        for app in group {
            let app = &mut self.apps[app];
            (app.state, app.next, app.cause) = (AppState::Waiting, Next::Judge, Cause::Strategy);
        }
    }
}
