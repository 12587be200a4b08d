//! How a worker is brought to its end, rung by rung, and what its end is called.

use crate::signal::Signal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{DeadlineKind, LinkState, Rung, UNKILLABLE_AFTER, Worker, WorkerAction, WorkerState};
use crate::config::{ListenMode, Protocol};
use crate::machine::deadlines::after;
use crate::machine::exit::{Exit, ExitReason, ExitStatus, KillCause, SpawnStep, Usage};
use crate::machine::phase::Phase;
use crate::machine::restart::is_success;

/// How long an end by force waits for a process that is being created; that takes a millisecond, or hangs.
const CREATION_WHEN_HURRIED: Duration = Duration::from_secs(1);

/// Of a worker whose start is over. That it has connected without a word, nobody knows to be its doing.
const NEVER_CONNECTED: &str = "it never connected to DROVER_SOCKET with a Hello; a program that does not speak the protocol needs \
                               the protocol \"none\" or \"notify\"";

impl Worker {
    /// A graceful end: Stop, drain, Quit for a protocol worker that is ready; without the drain for one that is not;
    /// the stop signal for a worker without the protocol. One that is ready serves on for the pre-stop delay first,
    /// and until nothing waits in its queues.
    pub(super) fn shutdown_asked(&mut self, now: Instant, by: Arc<str>, out: &mut Vec<WorkerAction>) {
        self.asked_by.get_or_insert(by);
        match self.state {
            WorkerState::Initialized { doomed } => {
                self.state = WorkerState::Initialized { doomed: doomed.max(Some(Rung::Asked)) };
            }
            WorkerState::Started => self.cease(now, out),
            WorkerState::Starting | WorkerState::Checking | WorkerState::Stopped | WorkerState::Resuming => {
                self.ask_to_leave(now, out)
            }
            WorkerState::Lingering
            | WorkerState::Stopping
            | WorkerState::ShuttingDown { .. }
            | WorkerState::Exited { .. } => {}
        }
    }

    /// One that is ready is to take no work any more: at once, or after the pre-stop delay.
    pub(super) fn cease(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        if self.spec.stop.pre_delay.is_zero() {
            return self.empty_queue(now, out);
        }
        self.enter(WorkerState::Lingering, out);
        self.set_deadline(DeadlineKind::PreStop, after(now, self.spec.stop.pre_delay));
    }

    /// Has a worker that is ready take what waits for it alone, before it is told to take nothing more.
    fn empty_queue(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        // Whether connections wait for each of them in queues of its own.
        if !self.spec.listeners.iter().any(|listener| listener.mode == ListenMode::Reuseport) {
            return self.stop(now, out);
        }
        self.enter(WorkerState::Lingering, out);
        self.set_deadline(DeadlineKind::Queue, after(now, self.spec.stop.drain_timeout));
        out.push(WorkerAction::EmptyQueue);
    }

    pub(super) fn queue_emptied(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        if matches!((&self.state, self.deadline), (WorkerState::Lingering, Some((DeadlineKind::Queue, _)))) {
            self.stop(now, out);
        }
    }

    /// Tells a worker that is ready to drain; without the protocol, or its connection, the first rung is all there is.
    fn stop(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        if !self.speaks() {
            return self.ask_to_leave(now, out);
        }
        self.enter(WorkerState::Stopping, out);
        let until = after(now, self.spec.stop.drain_timeout);
        self.set_deadline(DeadlineKind::Drain, until);
        self.drained_by = Some(until);
        self.extendable_until = after(now, self.spec.stop.max_timeout);
        out.push(WorkerAction::SendStop { deadline: self.spec.stop.drain_timeout });
    }

    /// The first rung.
    pub(super) fn ask_to_leave(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        let stop = &self.spec.stop;
        self.extendable_until = after(now, stop.max_timeout);
        if self.speaks() {
            let deadline = stop.quit_timeout;
            let until = after(now, deadline);
            self.set_deadline(DeadlineKind::Quit, until);
            self.drained_by = Some(self.drained_by.map_or(until, |by| by.max(until)));
            self.enter(WorkerState::ShuttingDown { rung: Rung::Asked }, out);
            out.push(WorkerAction::SendQuit { deadline });
        } else if self.spec.protocol != Protocol::Drover {
            // Its stop signal is its drain, so the time to drain is what it gets.
            let signal = stop.signal;
            let until = after(now, stop.drain_timeout);
            self.set_deadline(DeadlineKind::Drain, until);
            self.drained_by = Some(until);
            self.enter(WorkerState::ShuttingDown { rung: Rung::Asked }, out);
            self.intent.cause.get_or_insert(KillCause::StopSignal);
            self.signal_first(signal, out);
        } else {
            self.intent.cause.get_or_insert(KillCause::StopSignal);
            self.terminate(now, out);
        }
    }

    pub(super) fn hurried(&mut self, now: Instant, by: Arc<str>, out: &mut Vec<WorkerAction>) {
        self.asked_by.get_or_insert(by);
        if let WorkerState::Initialized { doomed } = self.state {
            self.state = WorkerState::Initialized { doomed: doomed.max(Some(Rung::Terminated)) };
            self.hurry_creation(now);
        }
        self.blame(KillCause::Hurried);
        match self.state {
            WorkerState::Initialized { .. }
            | WorkerState::ShuttingDown { rung: Rung::Killed }
            | WorkerState::Exited { .. } => {}
            WorkerState::ShuttingDown { rung: Rung::Terminated } => self.kill(now, out),
            // It has had SIGTERM, alone, and who hurries knows that it has not helped.
            WorkerState::ShuttingDown { rung: Rung::Asked }
                if !self.is_dead && self.intent.sent.contains(&Signal::TERM) =>
            {
                self.kill(now, out);
            }
            WorkerState::Starting
            | WorkerState::Checking
            | WorkerState::Started
            | WorkerState::Lingering
            | WorkerState::Stopping
            | WorkerState::Stopped
            | WorkerState::Resuming
            | WorkerState::ShuttingDown { rung: Rung::Asked } => self.terminate(now, out),
        }
    }

    pub(super) fn kill_asked(&mut self, now: Instant, by: Arc<str>, out: &mut Vec<WorkerAction>) {
        self.asked_by.get_or_insert(by);
        match self.state {
            WorkerState::ShuttingDown { rung: Rung::Killed } | WorkerState::Exited { .. } => {}
            WorkerState::Initialized { .. } => {
                self.blame(KillCause::HardShutdown);
                self.state = WorkerState::Initialized { doomed: Some(Rung::Killed) };
                self.hurry_creation(now);
            }
            WorkerState::Starting
            | WorkerState::Checking
            | WorkerState::Started
            | WorkerState::Lingering
            | WorkerState::Stopping
            | WorkerState::Stopped
            | WorkerState::Resuming
            | WorkerState::ShuttingDown { .. } => {
                self.blame(KillCause::HardShutdown);
                self.kill(now, out);
            }
        }
    }

    pub(super) fn protocol_broken(&mut self, now: Instant, trouble: Arc<str>, out: &mut Vec<WorkerAction>) {
        self.trouble = Some(trouble);
        self.link = LinkState::Lost;
        out.push(WorkerAction::CloseLink);
        match self.state {
            // Half a frame is what a process leaves that dies in the middle of it.
            _ if self.is_dead => {}
            WorkerState::Starting
            | WorkerState::Checking
            | WorkerState::Started
            | WorkerState::Lingering
            | WorkerState::Stopping
            | WorkerState::Stopped
            | WorkerState::Resuming => {
                self.blame(KillCause::ProtocolError);
                self.terminate(now, out);
            }
            WorkerState::Initialized { .. }
            | WorkerState::ShuttingDown { .. }
            | WorkerState::Exited { .. } => {}
        }
    }

    /// It can't do what it was asked, so there is nothing to wait for: the next rung, as when the time for it is over.
    pub(super) fn refused_to(&mut self, now: Instant, why: Arc<str>, out: &mut Vec<WorkerAction>) {
        out.push(WorkerAction::ReportRefused { why: Arc::clone(&why) });
        self.trouble = Some(why);
        self.blame(KillCause::Refused);
        self.terminate(now, out);
    }

    /// The thread that makes processes has not answered: it hangs in the file system of a program or a directory. Should the
    /// process come to be after all, the driver knows it no more and lets it go, which kills it.
    fn not_created(&mut self, now: Instant) {
        let sentence = "its process could not be created in time; the file system of a program or a working directory may hang";
        self.spawn_failed(now, SpawnStep::Prepare, libc::ETIMEDOUT, Some(sentence.into()));
    }

    /// A hurried stop does not wait long for a process that may never exist.
    fn hurry_creation(&mut self, now: Instant) {
        let soon = after(now, CREATION_WHEN_HURRIED);
        let at = self.deadline().map_or(soon, |at| at.min(soon));
        self.set_deadline(DeadlineKind::Create, at);
    }

    pub(super) fn deadline_passed(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        if self.watchdog_passed(now, out) {
            return;
        }
        let Some((kind, at)) = self.deadline else { return };
        if at > now {
            return;
        }
        self.deadline = None;
        let (cause, missed) = match kind {
            DeadlineKind::Create => return self.not_created(now),
            DeadlineKind::MinUptime => return out.push(WorkerAction::LookWhetherStopped),
            DeadlineKind::PreStop => return self.empty_queue(now, out),
            DeadlineKind::Queue => {
                // What waits is for the slot's next worker.
                out.push(WorkerAction::ReportDeadline {
                    missed: "it did not take in time the connections that wait for it",
                });
                return self.stop(now, out);
            }
            DeadlineKind::Heartbeat => return self.heartbeat_due(now, out),
            DeadlineKind::Reload => return self.reload_overdue(out),
            DeadlineKind::Kill if self.is_dead => return out.push(WorkerAction::AbandonRest),
            DeadlineKind::Kill => return out.push(WorkerAction::ReportUnkillable),
            DeadlineKind::Term => (None, "it did not leave in time after SIGTERM"),
            DeadlineKind::Start => return self.start_overdue(now, out),
            DeadlineKind::Drain => (Some(KillCause::StopDeadline), "it did not drain in time"),
            DeadlineKind::Quit => (Some(KillCause::QuitDeadline), "it did not leave in time"),
            DeadlineKind::Reconnect => {
                (Some(KillCause::Disconnected), "it did not come back to its connection")
            }
        };
        out.push(WorkerAction::ReportDeadline { missed });
        match cause {
            Some(cause) => {
                self.blame(cause);
                self.terminate(now, out);
            }
            None => {
                // A worker that was asked by SIGTERM alone had the time to drain; it ran out.
                if self.intent.cause == Some(KillCause::StopSignal) {
                    self.blame(KillCause::StopDeadline);
                }
                self.kill(now, out);
            }
        }
    }

    /// Whether it may be a program that knows nothing of the protocol.
    fn has_never_connected(&self) -> bool {
        self.spec.protocol == Protocol::Drover && self.link == LinkState::Never
    }

    /// It is not ready in time.
    pub(super) fn start_overdue(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        let unsaid = self.has_never_connected().then(|| NEVER_CONNECTED.into());
        self.trouble = self.unready.take().or(self.trouble.take()).or(unsaid);
        out.push(WorkerAction::ReportDeadline { missed: "it was not ready in time" });
        self.blame(KillCause::StartDeadline);
        self.terminate(now, out);
    }

    /// The second rung; the third, if SIGTERM was what its whole tree was asked by.
    pub(super) fn terminate(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        if self.told_tree.contains(&Signal::TERM) {
            return self.kill(now, out);
        }
        self.enter(WorkerState::ShuttingDown { rung: Rung::Terminated }, out);
        self.set_deadline(DeadlineKind::Term, after(now, self.spec.stop.term_timeout));
        self.signal(Signal::TERM, out);
    }

    /// The third rung.
    pub(super) fn kill(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        self.enter(WorkerState::ShuttingDown { rung: Rung::Killed }, out);
        if self.is_dead {
            return self.kill_rest(now, out);
        }
        self.set_deadline(DeadlineKind::Kill, now + UNKILLABLE_AFTER);
        self.signal(Signal::KILL, out);
    }

    pub(super) fn spawn_failed(
        &mut self,
        now: Instant,
        step: SpawnStep,
        errno: i32,
        detail: Option<Arc<str>>,
    ) {
        self.trouble = detail;
        self.end(now, ExitReason::SpawnFailed { step, errno }, Usage::default(), Vec::new());
    }

    pub(super) fn exited(
        &mut self,
        now: Instant,
        status: ExitStatus,
        usage: Usage,
        stderr_tail: Vec<String>,
    ) {
        let reason = ExitReason::classify(status, &self.intent);
        self.end(now, reason, usage, stderr_tail);
    }

    fn end(&mut self, now: Instant, reason: ExitReason, usage: Usage, stderr_tail: Vec<String>) {
        let exit = Exit {
            reason,
            during: self.died_during.unwrap_or_else(|| self.phase()),
            at: now,
            uptime: now.saturating_duration_since(self.spawned.unwrap_or(self.created)),
            usage,
            stderr_tail,
            asked_by: self.asked_by.clone(),
            sent: reason.signal().and_then(|signal| self.occasion_of(signal)),
            detail: self.trouble.take().or_else(|| self.evidence.sentence()),
        };
        let as_wished = self.ended_as_wished(reason);
        self.deadline = None;
        self.watchdog.disarm();
        self.reloading = None;
        self.link = LinkState::Lost;
        self.state = WorkerState::Exited { exit, as_wished };
    }

    /// As asked, or a success under the policy. A protocol worker that leaves before it was ready is none, whatever
    /// its code: it never did what it is for.
    fn ended_as_wished(&self, reason: ExitReason) -> bool {
        if let ExitReason::KilledByMaster { cause, .. } = reason {
            return matches!(cause, KillCause::StopSignal | KillCause::Hurried | KillCause::HardShutdown);
        }
        let asked = self.asked_by.is_some();
        if reason == ExitReason::StatusTaken {
            // It did what it was asked to do, as far as anybody can tell.
            return asked;
        }
        // What a shell, or a runtime that traps its stop signal, makes of it.
        let by_stop_signal =
            self.intent.sent.iter().any(|signal| reason.code() == Some(128 + signal.number()));
        let too_early = match self.spec.protocol {
            Protocol::None => false,
            Protocol::Drover => self.died_during.unwrap_or_else(|| self.phase()) == Phase::Starting,
            // It may have said that it leaves before it was ready.
            Protocol::Notify => self.started.is_none(),
        };
        asked && by_stop_signal || is_success(&self.spec.restart, reason) && (asked || !too_early)
    }

    /// A later cause replaces the harmless one, never a serious one: the first thing that went wrong is the reason.
    pub(super) fn blame(&mut self, cause: KillCause) {
        if matches!(self.intent.cause, None | Some(KillCause::StopSignal)) {
            self.intent.cause = Some(cause);
        }
    }

    pub(super) fn signal(&mut self, signal: Signal, out: &mut Vec<WorkerAction>) {
        self.told_tree.push(signal);
        // What the rest is told has not ended the process itself.
        if !self.is_dead {
            self.intent.sent.push(signal);
        }
        out.push(WorkerAction::Signal { signal });
    }

    /// It is sent a signal that is not a rung of its ending, and that may end it all the same.
    pub fn delivered(&mut self, signal: Signal, occasion: Arc<str>) {
        // One for each signal there is.
        self.delivered.retain(|(known, _)| *known != signal);
        self.delivered.push((signal, occasion));
    }

    fn occasion_of(&self, signal: Signal) -> Option<Arc<str>> {
        self.delivered.iter().find(|(known, _)| *known == signal).map(|(_, occasion)| Arc::clone(occasion))
    }

    /// Whether it can be asked over the protocol.
    fn speaks(&self) -> bool {
        self.spec.protocol == Protocol::Drover && self.link == LinkState::Up
    }
}
