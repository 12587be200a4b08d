//! What has happened to an app, for whoever watches.

use crate::signal::Signal;
use std::primitive::str as Text;
use std::sync::Arc;
use std::time::Duration;

use super::{NotReloaded, Outcome, RecycleReason, ReloadFailure, SkipReason, SocketRenewal, StartFailure};
use crate::ids::{Generation, WorkerId};
use crate::machine::exit::Exit;
use crate::machine::phase::Phase;
use crate::machine::restart::LeaveReason;
use crate::machine::worker::Identity;

/// Something that happened, without number and time.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FleetEvent {
    /// The worker it happened to and its process; none for the app as a whole.
    pub worker: Option<(Identity, Option<u32>)>,
    /// The phase after it.
    pub phase: Phase,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum EventKind {
    /// The app begins to start.
    AppStarting,
    /// Every worker of the app is ready.
    AppStarted,
    /// The app begins to end.
    AppStopping {
        /// Who asked.
        by: Arc<str>,
    },
    /// The app has ended.
    AppEnded {
        /// How.
        outcome: Box<Outcome>,
    },
    /// A worker's process exists.
    Spawned,
    /// A worker's connection stands.
    Handshaken,
    /// A worker entered its phase.
    Entered {
        /// The phase before.
        from: Phase,
    },
    /// A worker's connection is gone though its process is not.
    Disconnected,
    /// A worker was turned away in the handshake.
    HandshakeRefused {
        /// Why.
        trouble: Arc<str>,
    },
    /// A worker sent what can't be understood.
    ProtocolBroken {
        /// What was wrong.
        trouble: Arc<str>,
    },
    /// A worker said something that has no place in its state.
    OutOfOrder {
        /// What.
        #[serde(with = "crate::written")]
        said: &'static Text,
    },
    /// A worker answered that it can't do what it was asked.
    Refused {
        /// Why, in its words.
        why: Arc<str>,
    },
    /// What happened to a worker again and again, and no event of its own tells.
    Repeated {
        /// The name of those events.
        #[serde(with = "crate::written")]
        what: &'static Text,
        /// How many.
        times: u64,
    },
    /// Connections of strangers were refused: processes that are no worker of the app, as far as can be known.
    StrangersRefused {
        /// Why the last one was.
        trouble: Arc<str>,
        /// How many.
        times: u64,
    },
    /// A worker missed a deadline.
    DeadlineMissed {
        /// What it did not do in time.
        #[serde(with = "crate::written")]
        missed: &'static Text,
    },
    /// Something keeps a worker from being ready.
    NotReady {
        /// What.
        why: Arc<str>,
    },
    /// The app is to have another number of workers.
    Scaling {
        /// How many it had.
        from: u32,
        /// How many it will have.
        to: u32,
        /// Who asked.
        by: Arc<str>,
    },
    /// It has that number of workers, all ready.
    Scaled {
        /// How many it had.
        from: u32,
        /// How many it has.
        to: u32,
    },
    /// It has the number of workers that it had before, because of one that failed.
    RolledBack {
        /// How many it has again.
        to: u32,
        /// Who failed, and how.
        failure: Box<StartFailure>,
    },
    /// Workers of another generation begin to replace those there are.
    ReloadStarted {
        /// The generation so far.
        from: Generation,
        /// The new one.
        to: Generation,
        /// Who asked.
        by: Arc<str>,
    },
    /// Workers are told by a signal, one after the other, to read their configuration again.
    SelfReloadStarted {
        /// The signal's number.
        signal: Signal,
        /// Who asked.
        by: Arc<str>,
    },
    /// A worker has read its configuration again, as far as can be known.
    Reloaded,
    /// Every worker has.
    SelfReloaded,
    /// One has not; those after it keep the configuration they have.
    SelfReloadFailed {
        /// Which one, and why.
        failure: Box<NotReloaded>,
    },
    /// What came as a worker's notification was not taken.
    NotifyRefused {
        /// Why.
        trouble: Arc<str>,
    },
    /// A worker has served enough, and another is to take its place.
    Recycling {
        /// Why.
        why: RecycleReason,
    },
    /// The one that was to take its place did not come to it; the worker stays.
    RecyclingFailed {
        /// Why.
        failure: Box<ReloadFailure>,
        /// None is replaced until this much later.
        pause: Duration,
    },
    /// A worker is over its limit of memory so soon after it was ready that another in its place will be too.
    RecyclingInVain {
        /// What it uses.
        why: RecycleReason,
        /// How long it has served.
        served: Duration,
        /// None is replaced for its memory until this much later.
        pause: Duration,
    },
    /// A worker has taken its slot over.
    Replaced {
        /// From whom, with its process, if one was there.
        old: Option<(WorkerId, u32)>,
    },
    /// This many new workers stand, and nothing more happens until somebody promotes or aborts the reload.
    CanaryReady {
        /// How many.
        workers: u32,
    },
    /// A rollout that was held goes on.
    Promoted {
        /// Who asked.
        by: Arc<str>,
    },
    /// A rollout failed and stays as it is, until somebody promotes or aborts it.
    ReloadPaused {
        /// Why.
        failure: Box<ReloadFailure>,
    },
    /// A rollout failed; what it has replaced is replaced back.
    RollingBack {
        /// Why.
        failure: Box<ReloadFailure>,
    },
    /// Every worker is of the generation before the rollout again.
    ReloadRolledBack {
        /// Which one.
        to: Generation,
        /// Why.
        failure: Box<ReloadFailure>,
    },
    /// Every worker is of the new generation. Old ones may still drain.
    Committed {
        /// Which one.
        generation: Generation,
    },
    /// A worker is to take no work, and to stay.
    Suspended {
        /// Who asked.
        by: Arc<str>,
    },
    /// A worker is to take work again.
    Resumed {
        /// Who asked.
        by: Arc<str>,
    },
    /// A worker that is started fails its readiness. It is left alive and does not count as ready, until it is
    /// [ready again](Self::ReadyAgain) or leaves its phase.
    Unready {
        /// Why.
        reason: Arc<str>,
    },
    /// A worker that was unready passes its readiness.
    ReadyAgain,
    /// A worker has sent a message to the program, which shows it.
    Message {
        /// What it is about.
        topic: Arc<str>,
        /// What it says, or how it begins.
        text: Arc<str>,
        /// How many came before it that are not shown.
        missed: u64,
    },
    /// A socket of the app was lost while it runs, and made again if that was possible.
    SocketRenewed {
        /// Which one, and how.
        renewal: Box<SocketRenewal>,
    },
    /// A run of an app that runs by a schedule begins.
    RunStarted {
        /// Counts them, from 1.
        number: u64,
        /// When it was due, for people; none: somebody asked for it.
        due: Option<Arc<str>>,
        /// How late it is, if that is worth a word.
        late: Option<Duration>,
    },
    /// One or more runs were due and did not begin.
    RunSkipped {
        /// When the last of them was due, for people.
        due: Arc<str>,
        /// Why.
        reason: SkipReason,
        /// How many.
        count: u64,
    },
    /// The wall clock was set back. What was due in the meantime is not due again, unless that was more than three hours.
    ClockSetBack {
        /// By how much.
        by: Duration,
    },
    /// Files of the app have changed, and it is restarted or reloaded.
    WatchFired {
        /// The first one, as seen from the app's directory.
        file: Arc<str>,
        /// Whether others have changed, too.
        has_more: bool,
        /// What follows: `restart` or `reload`.
        #[serde(with = "crate::written")]
        action: &'static Text,
    },
    /// Files of the app are not watched, though they should be. It runs on.
    WatchFailed {
        /// Why, and what to do.
        trouble: Arc<str>,
    },
    /// Apps are reloaded whose file differs from what runs, or is invalid.
    FileDiffers {
        /// What is different, and what to do.
        told: Arc<str>,
    },
    /// Another master goes on in the place of one that has crashed.
    MasterReplaced {
        /// Which one, and how the one before ended.
        told: Arc<str>,
    },
    /// A worker was sent a signal by request.
    Signalled {
        /// The signal's number.
        signal: Signal,
        /// Who asked.
        by: Arc<str>,
    },
    /// What failed before was forgotten by request.
    Reset {
        /// Who asked.
        by: Arc<str>,
    },
    /// A process is still there long after SIGKILL.
    Unkillable,
    /// A worker ended.
    Exited {
        /// How.
        exit: Arc<Exit>,
    },
    /// A slot will be tried again.
    RestartScheduled {
        /// After this pause.
        after: Duration,
        /// The number of this try since the last healthy time, from 1.
        attempt: u32,
    },
    /// A slot is not tried again.
    GaveUp {
        /// Why.
        reason: LeaveReason,
    },
}

impl EventKind {
    /// The event's name in JSON, such as `restart_scheduled`. `phase` is the phase after it.
    pub const fn name(&self, phase: Phase) -> &'static str {
        match self {
            Self::AppStarting => "app_starting",
            Self::AppStarted => "app_started",
            Self::AppStopping { .. } => "app_stopping",
            Self::AppEnded { .. } => "app_ended",
            Self::Spawned => "spawned",
            Self::Handshaken => "handshaken",
            Self::Entered { .. } => phase.name(),
            Self::Disconnected => "disconnected",
            Self::HandshakeRefused { .. } => "handshake_refused",
            Self::ProtocolBroken { .. } => "protocol_broken",
            Self::OutOfOrder { .. } => "out_of_order",
            Self::Refused { .. } => "refused",
            Self::Repeated { .. } => "repeated",
            Self::StrangersRefused { .. } => "strangers_refused",
            Self::DeadlineMissed { .. } => "deadline_missed",
            Self::NotReady { .. } => "not_ready",
            Self::Scaling { .. } => "scaling",
            Self::Scaled { .. } => "scaled",
            Self::RolledBack { .. } => "rolled_back",
            Self::ReloadStarted { .. } => "reload_started",
            Self::SelfReloadStarted { .. } => "reloading",
            Self::Reloaded | Self::SelfReloaded => "reloaded",
            Self::SelfReloadFailed { .. } => "reload_failed",
            Self::NotifyRefused { .. } => "notify_refused",
            Self::Recycling { .. } => "recycling",
            Self::RecyclingFailed { .. } => "recycling_failed",
            Self::RecyclingInVain { .. } => "recycling_in_vain",
            Self::Replaced { .. } => "replaced",
            Self::CanaryReady { .. } => "canary_ready",
            Self::Promoted { .. } => "promoted",
            Self::ReloadPaused { .. } => "reload_paused",
            Self::RollingBack { .. } => "rolling_back",
            Self::ReloadRolledBack { .. } => "rolled_back",
            Self::Committed { .. } => "committed",
            Self::Suspended { .. } => "suspended",
            Self::Resumed { .. } => "resumed",
            Self::Unready { .. } => "unready",
            Self::ReadyAgain => "ready_again",
            Self::Message { .. } => "message",
            Self::SocketRenewed { renewal } if renewal.fault.is_some() => "socket_lost",
            Self::SocketRenewed { .. } => "socket_renewed",
            Self::RunStarted { .. } => "run_started",
            Self::RunSkipped { .. } => "run_skipped",
            Self::ClockSetBack { .. } => "clock_set_back",
            Self::WatchFired { .. } => "watch_fired",
            Self::WatchFailed { .. } => "watch_failed",
            Self::FileDiffers { .. } => "file_differs",
            Self::MasterReplaced { .. } => "master_replaced",
            Self::Signalled { .. } => "signalled",
            Self::Reset { .. } => "reset",
            Self::Unkillable => "unkillable",
            Self::Exited { .. } => "exited",
            Self::RestartScheduled { .. } => "restart_scheduled",
            Self::GaveUp { .. } => "gave_up",
        }
    }
}
