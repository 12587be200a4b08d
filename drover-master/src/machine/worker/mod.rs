//! The life of one worker process.
//!
//! ```text
//!              Spawned               SaidStarted            ShutdownAsked         SaidStopped
//! Initialized ─────────► Starting ───────────────► Started ──────────────► Stopping ──────────► Stopped
//!                           │    (or MinUptime due)   │                       │                     │
//!                           │                         │                       │                     │ Quit is sent
//!                           └─────────────┬───────────┴───────────┬───────────┘                     │
//!                             asked       │ Drain, Start,         │ Hurried,                        ▼
//!                             before      │ Reconnect due         │ KillAsked              ShuttingDown(Asked)
//!                             ready       ▼                       ▼                                 │ Quit due, Hurried
//!                               ShuttingDown(Terminated) ──────► ShuttingDown(Killed) ◄─────────────┘ (by way of
//!                                            Term due, Hurried                                         Terminated)
//!
//! from every state:  Exited, SpawnFailed ──► Exited(exit): ShutDown or Failed
//! ```
//!
//! Three rungs of ending, each taken once: *ask* (Stop and Quit over the protocol, or the stop signal for a worker
//! without it), *SIGTERM* to the tree, *SIGKILL* to the tree. Every transitional state has exactly one deadline. A
//! worker may extend those of starting, stopping and asked shutting down, within a maximum. A passed deadline is a
//! failure and leads to the next rung.
//!
//! Between Starting and Started comes Checking, where readiness is asked about from outside: see `health.rs`.
//!
//! News of the process and of its connection come by different ways, so a worker may be connected, and ready, before it
//! is known to be spawned; it is started once it is.
//!
//! The exit of the process is valid in every state and always the last word; what the socket said counts less.

use crate::signal::Signal;
mod action;
mod away;
mod ending;
mod gauges;
mod health;
mod heartbeat;
mod input;
mod look;
mod notified;
mod reloading;
mod remains;
mod replaced;
mod starting;
mod state;
mod suspending;
#[cfg(test)]
mod tests;
mod watchdog;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use action::WorkerAction;
pub use gauges::WorkerGauges;
use health::Health;
pub use health::Question;
pub use input::{Notice, WorkerInput, WorkerReport};
use notified::Evidence;
use reloading::Reloading;
pub use state::{DeadlineKind, LinkState, Rung, WorkerState};
use suspending::Wish;
use watchdog::Watchdog;

use super::deadlines::after;
use super::exit::Intent;
use super::phase::Phase;
use crate::config::{AppSpec, Protocol};
use crate::ids::{Generation, SlotIndex, WorkerId};

/// How long a worker that closed its connection may take to come back with its token. Shorter ends a worker that
/// reconnects slowly; longer leaves one running that the master can neither ask to stop nor see ready.
pub const RECONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How long after SIGKILL a process is called unkillable (it waits in the kernel, for a dead disk perhaps).
pub const UNKILLABLE_AFTER: Duration = Duration::from_secs(10);

/// Which worker it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// Its place.
    pub slot: SlotIndex,
    /// The reload it belongs to.
    pub generation: Generation,
    /// Its number.
    pub id: WorkerId,
}

/// One worker.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Worker {
    identity: Identity,
    /// What all workers of the app have in common.
    #[serde(with = "crate::written")]
    spec: Arc<AppSpec>,
    state: WorkerState,
    link: LinkState,
    /// It was ready before the news of its process came: the two come by different ways.
    early: bool,
    /// It is connected again and may say once more that it has started: who heard it first may not have written it down.
    #[serde(default)]
    may_repeat: bool,
    pid: Option<u32>,
    #[serde(with = "crate::written")]
    created: Instant,
    #[serde(default, with = "crate::written")]
    spawned: Option<Instant>,
    #[serde(default, with = "crate::written")]
    started: Option<Instant>,
    #[serde(default, with = "crate::written")]
    deadline: Option<(DeadlineKind, Instant)>,
    /// How far the deadline may be extended.
    #[serde(with = "crate::written")]
    extendable_until: Instant,
    intent: Intent,
    /// Whoever wants it to leave.
    asked_by: Option<Arc<str>>,
    wish: Wish,
    /// It said that it can take work again after it has drained.
    can_resume: bool,
    /// Why the connection was refused or broken, to be shown with the exit.
    trouble: Option<Arc<str>>,
    /// Why it was not ready when it was asked from outside last.
    unready: Option<Arc<str>>,
    status_text: String,
    in_flight: Option<u64>,
    gauges: WorkerGauges,
    /// How many requests it has answered, as it said.
    requests: u64,
    /// Its process has ended; what it said before may still come, and its exit will. If it was on its way out, the state tells
    /// how hard what it left behind was told to leave.
    is_dead: bool,
    /// The phase in which its process ended.
    died_during: Option<Phase>,
    /// The signals beside those, and on what occasion it was last sent each.
    delivered: Vec<(Signal, Arc<str>)>,
    /// What its whole tree was told.
    told_tree: Vec<Signal>,
    /// When the time to drain is over, also for what its process leaves behind.
    #[serde(default, with = "crate::written")]
    drained_by: Option<Instant>,
    /// Pings since it last said something.
    unanswered: u32,
    watchdog: Watchdog,
    reloading: Option<Reloading>,
    evidence: Evidence,
    health: Health,
}

impl Worker {
    /// A worker whose process has just been asked for. `chance` draws when it is asked about its health.
    pub fn new(identity: Identity, spec: Arc<AppSpec>, now: Instant, chance: fastrand::Rng) -> Self {
        let created_by = after(now, spec.start.timeout);
        let watchdog = Watchdog::every(spec.watchdog);
        Self {
            identity,
            spec,
            state: WorkerState::Initialized { doomed: None },
            link: LinkState::Never,
            early: false,
            may_repeat: false,
            pid: None,
            created: now,
            spawned: None,
            started: None,
            deadline: Some((DeadlineKind::Create, created_by)),
            extendable_until: now,
            intent: Intent::default(),
            asked_by: None,
            wish: Wish::Serve,
            can_resume: false,
            trouble: None,
            unready: None,
            status_text: String::new(),
            in_flight: None,
            gauges: WorkerGauges::default(),
            requests: 0,
            is_dead: false,
            died_during: None,
            delivered: Vec::new(),
            told_tree: Vec::new(),
            drained_by: None,
            unanswered: 0,
            watchdog,
            reloading: None,
            evidence: Evidence::default(),
            health: Health::new(chance),
        }
    }

    /// Takes one input; what is to be done is added to `out`.
    pub fn handle(&mut self, now: Instant, input: WorkerInput, out: &mut Vec<WorkerAction>) {
        if matches!(self.state, WorkerState::Exited { .. }) {
            return;
        }
        // What it said before it died may still make it ready, and changes nothing about what it left behind.
        let rest = self.deadline.filter(|_| self.is_dead && input != WorkerInput::DeadlinePassed);
        self.take(now, input, out);
        if self.deadline.is_none() && !matches!(self.state, WorkerState::Exited { .. }) {
            self.deadline = rest;
        }
        self.follow_health(now);
    }

    fn take(&mut self, now: Instant, input: WorkerInput, out: &mut Vec<WorkerAction>) {
        match input {
            // The dead miss no deadline, pass no probe, and need not be asked to leave.
            WorkerInput::Died { status } => self.died(now, status, out),
            WorkerInput::RestFound { pids } => self.rest_found(now, &pids, out),
            WorkerInput::RestSurvived { pids } => self.rest_survived(&pids),
            WorkerInput::ProbePassed
            | WorkerInput::Looked { .. }
            | WorkerInput::ProbeFailed { .. }
            | WorkerInput::TryDue
            | WorkerInput::Answered { .. }
            | WorkerInput::SuspendAsked
            | WorkerInput::ResumeAsked
            | WorkerInput::QueueEmptied
            | WorkerInput::ReloadAsked
            | WorkerInput::ShutdownAsked { .. }
                if self.is_dead => {}
            // What a crash left behind has been killed.
            WorkerInput::Hurried { .. } | WorkerInput::KillAsked { .. }
                if self.is_dead && !matches!(self.state, WorkerState::ShuttingDown { .. }) => {}
            WorkerInput::Spawned { pid } => self.spawned(now, pid, out),
            WorkerInput::SpawnFailed { step, errno, detail } => self.spawn_failed(now, step, errno, detail),
            // Only those without a connection reload on their own.
            WorkerInput::Connected | WorkerInput::Disconnected if self.reloading.is_some() => {}
            WorkerInput::Connected => self.connected(now, out),
            WorkerInput::ProbePassed => {
                if self.state == WorkerState::Starting {
                    out.push(WorkerAction::LookWhetherStopped);
                }
            }
            WorkerInput::Looked { stopped_by } => self.looked(now, stopped_by, out),
            // Evidence only: its start deadline decides.
            WorkerInput::ProbeFailed { reason } => {
                if self.state == WorkerState::Starting {
                    self.unready = Some(reason);
                }
            }
            WorkerInput::TryDue => self.try_due(now, out),
            WorkerInput::Answered { question, number, fault } => {
                self.answered(now, (question, number), fault, out);
            }
            WorkerInput::QueueEmptied => self.queue_emptied(now, out),
            WorkerInput::Disconnected => self.disconnected(now),
            WorkerInput::Said { said, seq } => self.said(now, said, seq, out),
            WorkerInput::Notified(notice) => self.notified(now, notice, out),
            WorkerInput::NoticeRefused { .. } => {}
            WorkerInput::ReloadAsked => self.reload_asked(now, out),
            WorkerInput::ProtocolBroken { trouble } => self.protocol_broken(now, trouble, out),
            // Of a worker that is connected, it is the second connection that was refused; of one that the master is
            // ending, that is why its handshake came to nothing. Neither explains its end.
            WorkerInput::HandshakeRefused { .. } if self.link == LinkState::Up || self.is_ending() => {}
            WorkerInput::HandshakeRefused { trouble } => self.trouble = Some(trouble),
            WorkerInput::SaidCapable { resume } => self.can_resume = resume,
            WorkerInput::SuspendAsked => self.suspend_asked(now, out),
            WorkerInput::ResumeAsked => self.resume_asked(now, out),
            WorkerInput::ShutdownAsked { by } => self.shutdown_asked(now, by, out),
            WorkerInput::Hurried { by } => self.hurried(now, by, out),
            WorkerInput::KillAsked { by } => self.kill_asked(now, by, out),
            WorkerInput::DeadlinePassed => self.deadline_passed(now, out),
            WorkerInput::MasterWasAway { by } => self.master_was_away(by),
            WorkerInput::MasterReplaced { by } => self.master_replaced(now, by, out),
            WorkerInput::Exited { status, usage, stderr_tail } => {
                self.exited(now, status, usage, stderr_tail)
            }
        }
    }

    fn connected(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        self.may_repeat = self.link != LinkState::Never;
        self.link = LinkState::Up;
        // It was refused before, and then it was not.
        self.trouble = None;
        match self.state {
            WorkerState::Started => {
                self.deadline = None;
                self.heard();
                self.arm_heartbeat(now);
            }
            // It may have missed what was asked while it was away.
            WorkerState::Stopped => self.deadline = None,
            WorkerState::Resuming => out.push(WorkerAction::SendResume { deadline: self.time_left(now) }),
            WorkerState::Stopping => out.push(WorkerAction::SendStop { deadline: self.time_left(now) }),
            WorkerState::ShuttingDown { rung: Rung::Asked } if self.spec.protocol == Protocol::Drover => {
                out.push(WorkerAction::SendQuit { deadline: self.time_left(now) });
            }
            _ => {}
        }
    }

    fn disconnected(&mut self, now: Instant) {
        if self.link == LinkState::Up {
            self.link = LinkState::Lost;
            if matches!(self.state, WorkerState::Started | WorkerState::Stopped) {
                self.set_deadline(DeadlineKind::Reconnect, now + RECONNECT_WITHIN);
            }
        }
    }

    fn said(&mut self, now: Instant, said: WorkerReport, seq: u64, out: &mut Vec<WorkerAction>) {
        self.heard();
        match (said, &self.state) {
            (WorkerReport::Pong, _) => {}
            (WorkerReport::Progress, _) => self.arm_watchdog(now),
            // Not refused: an answer is never answered.
            (said @ WorkerReport::Stray, _) => {
                let (said, during) = (said.name(), self.phase());
                out.push(WorkerAction::ReportOutOfOrder { said, during });
            }
            (WorkerReport::Started, WorkerState::Initialized { .. }) if self.link == LinkState::Up => {
                self.early = true
            }
            (WorkerReport::Started, WorkerState::Starting) if self.link == LinkState::Up => {
                self.come_up(now, out)
            }
            (WorkerReport::Stopped, WorkerState::Stopping) => {
                if self.asked_by.is_none() {
                    return self.suspended(now, out);
                }
                self.enter(WorkerState::Stopped, out);
                self.ask_to_leave(now, out);
            }
            (WorkerReport::Started, WorkerState::Resuming) => self.serve_again(now, out),
            (WorkerReport::Started, WorkerState::Checking | WorkerState::Started) if self.may_repeat => {
                self.may_repeat = false;
            }
            (WorkerReport::Failed { why, .. }, WorkerState::Stopping | WorkerState::Resuming)
            | (WorkerReport::Failed { why, .. }, WorkerState::ShuttingDown { rung: Rung::Asked }) => {
                self.refused_to(now, why, out);
            }
            // It is beyond what it was asked then.
            (WorkerReport::Failed { .. }, _) => {}
            (WorkerReport::ShutDown, WorkerState::ShuttingDown { .. }) => {}
            // They crossed with the master's own word on the way; that is nobody's mistake.
            (
                WorkerReport::Started,
                WorkerState::Lingering | WorkerState::Stopping | WorkerState::ShuttingDown { .. },
            )
            | (WorkerReport::Stopped, WorkerState::ShuttingDown { .. }) => {}
            (
                WorkerReport::Extend { by },
                WorkerState::Starting
                | WorkerState::Checking
                | WorkerState::Stopping
                | WorkerState::Resuming
                | WorkerState::ShuttingDown { rung: Rung::Asked },
            ) => self.extend(now, by),
            (WorkerReport::Status { text, in_flight, requests, gauges }, _) => {
                self.status_text = text;
                self.in_flight = Some(in_flight);
                self.requests = requests;
                self.gauges = gauges;
            }
            (said, _) => {
                let (said, during) = (said.name(), self.phase());
                out.push(WorkerAction::RefuseMessage { said, seq, during });
            }
        }
    }

    fn become_started(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        self.enter(WorkerState::Started, out);
        self.started = Some(now);
        self.unready = None;
        self.serve_again(now, out);
        self.wait_for_reconnect(now);
    }

    fn extend(&mut self, now: Instant, by: Duration) {
        if let Some((kind, at)) = self.deadline {
            let wanted = after(now, by).min(self.extendable_until);
            self.deadline = Some((kind, wanted.max(at)));
        }
    }

    fn enter(&mut self, state: WorkerState, out: &mut Vec<WorkerAction>) {
        let (from, to) = (self.phase(), state.phase());
        if state != WorkerState::Started {
            self.watchdog.disarm();
            self.reloading = None;
        }
        self.state = state;
        if from != to {
            out.push(WorkerAction::ReportPhase { from, to });
        }
    }

    fn set_deadline(&mut self, kind: DeadlineKind, at: Instant) {
        // What is left of a tree has deadlines of ending, and no others.
        if self.is_dead && !matches!(kind, DeadlineKind::Drain | DeadlineKind::Term | DeadlineKind::Kill) {
            return;
        }
        self.deadline = Some((kind, at));
    }

    fn time_left(&self, now: Instant) -> Duration {
        self.deadline.map_or(Duration::ZERO, |(_, at)| at.saturating_duration_since(now))
    }
}
