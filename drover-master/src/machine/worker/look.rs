//! What can be seen of a worker.

use std::sync::Arc;
use std::time::Instant;

use super::{DeadlineKind, Identity, Rung, Worker, WorkerGauges, WorkerState};
use crate::config::AppSpec;
use crate::machine::exit::Exit;
use crate::machine::phase::Phase;

impl Worker {
    /// How it ended, once it has, and whether as wished.
    pub fn into_exit(self) -> Option<(Exit, bool)> {
        match self.state {
            WorkerState::Exited { exit, as_wished } => Some((exit, as_wished)),
            WorkerState::Initialized { .. }
            | WorkerState::Starting
            | WorkerState::Checking
            | WorkerState::Started
            | WorkerState::Lingering
            | WorkerState::Stopping
            | WorkerState::Stopped
            | WorkerState::Resuming
            | WorkerState::ShuttingDown { .. } => None,
        }
    }

    /// Lives by other policies from its next step on. A deadline that runs stays as it is.
    pub(in crate::machine) fn adjust(&mut self, spec: Arc<AppSpec>) {
        self.spec = spec;
    }

    /// What it lives by.
    pub fn spec(&self) -> &AppSpec {
        &self.spec
    }

    /// Which worker it is.
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// The state with its data.
    pub const fn state(&self) -> &WorkerState {
        &self.state
    }

    /// The state without its data.
    pub const fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// Its process, once there is one.
    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Since when the process exists.
    pub const fn spawned_at(&self) -> Option<Instant> {
        self.spawned
    }

    /// Since when it is ready.
    pub const fn started_at(&self) -> Option<Instant> {
        self.started
    }

    /// When it has to be told that a deadline passed.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.map(|(_, at)| at).into_iter().chain(self.watchdog.due()).min()
    }

    /// Until when the master waits for what it is to do next. Not for what limits nothing: the next ping, a pause before its stop,
    /// the uptime that makes it ready.
    pub fn waited_for_until(&self) -> Option<Instant> {
        self.deadline.and_then(|(kind, at)| match kind {
            DeadlineKind::Heartbeat | DeadlineKind::PreStop => None,
            DeadlineKind::MinUptime => self.unready.is_some().then_some(self.extendable_until),
            DeadlineKind::Create
            | DeadlineKind::Start
            | DeadlineKind::Queue
            | DeadlineKind::Drain
            | DeadlineKind::Quit
            | DeadlineKind::Term
            | DeadlineKind::Kill
            | DeadlineKind::Reload
            | DeadlineKind::Reconnect => Some(at),
        })
    }

    /// What it last said of itself, and how much it has in flight.
    pub fn said_status(&self) -> (&str, Option<u64>) {
        (&self.status_text, self.in_flight)
    }

    /// What it last measured of itself.
    pub const fn said_gauges(&self) -> &WorkerGauges {
        &self.gauges
    }

    /// How many requests it has answered since its process began, as it said.
    pub const fn said_requests(&self) -> u64 {
        self.requests
    }

    /// Whether its process is still there long after SIGKILL.
    pub fn is_unkillable(&self) -> bool {
        matches!(self.state, WorkerState::ShuttingDown { rung: Rung::Killed })
            && self.deadline.is_none()
            && !self.is_dead
    }

    /// Whether its process has ended, and only the evidence is missing.
    pub const fn is_dead(&self) -> bool {
        self.is_dead
    }

    /// Whether its end was asked for or decided by the master.
    pub fn is_ending(&self) -> bool {
        self.asked_by.is_some() || self.intent.cause.is_some()
    }
}
