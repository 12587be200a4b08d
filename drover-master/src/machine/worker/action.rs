//! What a worker's machine wants done: imperatives.

use crate::signal::Signal;
use std::primitive::str as Text;
use std::sync::Arc;
use std::time::Duration;

use super::Question;
use crate::machine::phase::Phase;

/// One thing to be done for a worker.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum WorkerAction {
    /// Ask it from outside, again and again, until it answers or leaves.
    StartProbe,
    /// Look whether its process is stopped by a signal, and tell at once.
    LookWhetherStopped,
    /// Tell what keeps it from being ready.
    ReportNotReady {
        /// Why.
        why: Arc<str>,
    },
    /// Ask it about its health, once, and tell with this number.
    Ask {
        /// What.
        question: Question,
        /// The number of the try.
        number: u64,
    },
    /// Lead new connections away from it, wait until none waits in its queues, and tell.
    EmptyQueue,
    /// Send Stop.
    SendStop {
        /// What is left until the master stops waiting.
        deadline: Duration,
    },
    /// Send Resume.
    SendResume {
        /// What is left until the master stops waiting.
        deadline: Duration,
    },
    /// Send Quit.
    SendQuit {
        /// What is left until SIGTERM.
        deadline: Duration,
    },
    /// Send Ping.
    SendPing,
    /// Answer a message that has no place in this state, with an Error BAD_STATE.
    RefuseMessage {
        /// The message's name.
        #[serde(with = "crate::written")]
        said: &'static Text,
        /// The number of its frame; 0 if it had none.
        seq: u64,
        /// The worker's phase.
        during: Phase,
    },
    /// Signal the main process alone, as the first rung of its ending.
    SignalMain {
        /// The signal's number.
        signal: Signal,
    },
    /// The process itself is gone: let what it left behind be, and take its end as it is.
    AbandonRest,
    /// Signal the process and its tree.
    Signal {
        /// The signal's number.
        signal: Signal,
    },
    /// Send a signal that somebody asked for to the process alone. It is not a rung of its ending.
    Deliver {
        /// The signal's number.
        signal: Signal,
    },
    /// Tell that it is in another phase now. Not for the end, which its exit tells.
    ReportPhase {
        /// The old phase.
        from: Phase,
        /// The new one.
        to: Phase,
    },
    /// Tell that it has read its configuration again, as far as can be known.
    ReportReloaded,
    /// Tell that it was asked to, and did not.
    ReportNotReloaded {
        /// Why.
        #[serde(with = "crate::written")]
        why: &'static Text,
    },
    /// Tell that it said something that has no place, without an answer.
    ReportOutOfOrder {
        /// What.
        #[serde(with = "crate::written")]
        said: &'static Text,
        /// The worker's phase.
        during: Phase,
    },
    /// Tell that it can't do what it was asked.
    ReportRefused {
        /// Why, in its words.
        why: Arc<str>,
    },
    /// Tell that it can't take work for now, though it is started.
    ReportUnready {
        /// Why.
        reason: Arc<str>,
    },
    /// Tell that it can take work again.
    ReportReadyAgain,
    /// Close the connection.
    CloseLink,
    /// Tell that SIGKILL had no effect.
    ReportUnkillable,
    /// Tell that a deadline passed.
    ReportDeadline {
        /// What the worker did not do in time.
        #[serde(with = "crate::written")]
        missed: &'static Text,
    },
}
