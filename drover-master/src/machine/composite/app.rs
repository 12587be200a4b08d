//! One app, as the composite sees it.

use super::{Fate, Missing};
use crate::ids::TicketId;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct App {
    pub(super) state: AppState,
    pub(super) next: Next,
    /// Why it is, or was last, started.
    pub(super) cause: Cause,
    /// Whoever waits for it to be started.
    pub(super) starts: Vec<TicketId>,
    /// Whoever waits for what was passed on to its master while it runs.
    pub(super) passed: Vec<TicketId>,
    /// Whoever waits for its end.
    pub(super) ends: Vec<TicketId>,
    /// Its last start was asked for and failed. As with a held one, the whole lives on, so that it can be asked for again.
    pub(super) is_kept: bool,
    /// A process of it that does not end, even by SIGKILL.
    pub(super) stuck: Option<u32>,
    /// Why it was not started.
    pub(super) missing: Option<Missing>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum AppState {
    /// Nobody has asked for it.
    Idle,
    /// To be started once what it depends on is there.
    Waiting,
    Starting,
    Started,
    /// Asked to end.
    Stopping,
    /// Stopped by request; it stays so until somebody starts it.
    Held,
    Ended(Fate),
}

/// What follows the end of an app, or has followed: of one that is gone, only [`Recycle`](Self::Recycle) and
/// [`Leave`](Self::Leave) say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Next {
    /// What its outcome means.
    Judge,
    /// It is held.
    Hold,
    /// It is started again once all that are recycled with it are gone.
    Recycle,
    /// It is forgotten, once all that depend on it are.
    Leave,
}

/// Why an app is started. It says what a failure of that start means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Cause {
    /// The start of the whole.
    First,
    /// The strategy: one more failure.
    Strategy,
    /// Somebody started it: whoever did is told, and that is all.
    Start,
}

impl App {
    pub(super) const fn new() -> Self {
        Self {
            state: AppState::Idle,
            next: Next::Judge,
            cause: Cause::First,
            starts: Vec::new(),
            passed: Vec::new(),
            ends: Vec::new(),
            is_kept: false,
            stuck: None,
            missing: None,
        }
    }

    /// Whether its master is at work.
    pub(super) const fn is_alive(&self) -> bool {
        matches!(self.state, AppState::Starting | AppState::Started | AppState::Stopping)
    }

    /// Whether it runs, or will, without anything more being started for it; or has done its work.
    pub(super) fn is_there(&self) -> bool {
        let state =
            matches!(self.state, AppState::Starting | AppState::Started | AppState::Ended(Fate::Completed));
        state && self.next == Next::Judge
    }

    /// Whether its start is one that somebody asked for.
    pub(super) const fn is_by_request(&self) -> bool {
        matches!(self.cause, Cause::Start)
    }

    /// Whether it is about to be started, or started again.
    pub(super) fn is_coming(&self) -> bool {
        matches!(self.state, AppState::Waiting | AppState::Starting) || self.next == Next::Recycle
    }
}
