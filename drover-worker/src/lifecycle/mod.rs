//! What a worker may say when: a pure machine, without I/O and without time.
//!
//! ```text
//!            started()           Stop             stopped()           Quit               shut_down()
//!  Connected ────────► Started ────────► Stopping ────────► Stopped ────────► ShuttingDown ────────► ShutDown
//!      │                                     ▲
//!      └──────────────── Stop ───────────────┘
//!
//!  Stopped               Resume ─────────────────────────► Connected; Started answers it
//!  before ShuttingDown   Quit ───────────────────────────► ShuttingDown; a Stop is implied
//!  before Stopping       the master is gone, a signal ───► Stopping
//!  Stopping by a signal  stopped() ──────────────────────► ShuttingDown; a Stop or Quit that comes now is answered late
//!  Stopping, no master   stopped() ──────────────────────► ShuttingDown; nobody is left to say Quit
//!  Stopped               the master is gone ─────────────► ShuttingDown
//! ```
//!
//! A message that crosses a request on the wire is not misuse: the worker could not know. It is taken, and kept
//! quiet if the master waits for it no longer: Started after a Stop, Stopped after a Quit without a Stop.

pub(crate) mod in_flight;
pub(crate) mod orphan;
pub(crate) mod request;

use drover_proto::latest::{ShutDown, Started, Stopped, worker_frame};

use crate::error::SendError;

/// A message by which the worker moves on, in the order in which they are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Announcement {
    Nothing,
    Started,
    Stopped,
    ShutDown,
}

impl Announcement {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Started => "Started",
            Self::Stopped => "Stopped",
            Self::ShutDown => "ShutDown",
        }
    }

    /// What is sent to say it.
    pub(crate) const fn body(self) -> Option<worker_frame::Body> {
        match self {
            Self::Nothing => None,
            Self::Started => Some(worker_frame::Body::Started(Started {})),
            Self::Stopped => Some(worker_frame::Body::Stopped(Stopped {})),
            Self::ShutDown => Some(worker_frame::Body::ShutDown(ShutDown {})),
        }
    }
}

/// Whether and how something was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Demand {
    No,
    /// By what happened: a signal, the end of the master, a Quit that implies a Stop.
    Implied,
    /// By a frame of the master; its `seq`, to be answered.
    ByFrame(u64),
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Master {
    Present,
    Gone,
    Never,
}

/// What is to be done with a message that may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Utterance {
    /// Send it, with this `reply_to`.
    Send { reply_to: u64 },
    /// Send nothing: nobody is there or nobody waits for it.
    Quiet,
}

/// A request of the master that does not fit the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadState;

/// Where the worker stands, without data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Connected,
    Started,
    Stopping,
    Stopped,
    ShuttingDown,
    ShutDown,
}

/// The worker's side of its life.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Lifecycle {
    said: Announcement,
    stop: Demand,
    /// Until it is answered, or until nobody waits for the answer.
    resume: Demand,
    quit: Demand,
    master: Master,
    /// A signal asked under a master that has not asked yet: as a rule both come at once, when everything ends.
    signalled: bool,
}

impl Lifecycle {
    /// A worker that has just been welcomed.
    pub(crate) const fn under_master() -> Self {
        Self {
            said: Announcement::Nothing,
            stop: Demand::No,
            resume: Demand::No,
            quit: Demand::No,
            master: Master::Present,
            signalled: false,
        }
    }

    /// A worker without a master.
    pub(crate) const fn standalone() -> Self {
        Self { master: Master::Never, ..Self::under_master() }
    }

    /// The worker says a message.
    pub(crate) fn say(&mut self, message: Announcement) -> Result<Utterance, SendError> {
        if self.said >= message {
            return Err(SendError::TooLate { message: message.name(), said: self.said.name() });
        }
        let utterance = match message {
            Announcement::Nothing => Utterance::Quiet,
            Announcement::Started => match (self.stop, self.resume) {
                (Demand::No, Demand::ByFrame(seq)) => Utterance::Send { reply_to: seq },
                (Demand::No, _) => Utterance::Send { reply_to: 0 },
                (Demand::Implied | Demand::ByFrame(_), _) => Utterance::Quiet,
            },
            Announcement::Stopped => answer(message, "Stop", self.stop)?,
            Announcement::ShutDown => answer(message, "Quit", self.quit)?,
        };
        self.said = message;
        self.resume = Demand::No;
        if self.master != Master::Present || self.signalled {
            self.quit_if_drained();
        }
        Ok(if self.master == Master::Present { utterance } else { Utterance::Quiet })
    }

    /// Whether a deadline runs that may be extended, and a master is there to do it.
    pub(crate) fn extend(&self) -> Result<Utterance, SendError> {
        match (self.phase(), self.master) {
            (Phase::Started | Phase::Stopped | Phase::ShutDown, _) => Err(SendError::NoDeadline),
            // The master knows of no deadline.
            (_, Master::Present) if self.signalled => Ok(Utterance::Quiet),
            (_, Master::Present) => Ok(Utterance::Send { reply_to: 0 }),
            (_, Master::Gone) => Err(SendError::MasterGone),
            (_, Master::Never) => Ok(Utterance::Quiet),
        }
    }

    /// The master says Stop. Tells what answers it at once: what was said already, and kept quiet.
    pub(crate) fn stop_received(&mut self, seq: u64) -> Result<Option<Announcement>, BadState> {
        if self.stop != Demand::No && !(self.signalled && self.stop == Demand::Implied) {
            return Err(BadState);
        }
        self.stop = Demand::ByFrame(seq);
        self.resume = Demand::No;
        if self.said >= Announcement::Stopped {
            return Ok(Some(Announcement::Stopped));
        }
        // From here on it is as if only the master had asked.
        self.signalled = false;
        Ok(None)
    }

    /// The master says Resume: the worker stands where it stood before it was started.
    pub(crate) fn resume_received(&mut self, seq: u64) -> Result<(), BadState> {
        if self.phase() != Phase::Stopped {
            return Err(BadState);
        }
        self.said = Announcement::Nothing;
        self.stop = Demand::No;
        self.resume = Demand::ByFrame(seq);
        Ok(())
    }

    /// The master says Quit. Tells what answers it at once, as [`stop_received`](Self::stop_received).
    pub(crate) fn quit_received(&mut self, seq: u64) -> Result<Option<Announcement>, BadState> {
        if self.quit != Demand::No && !(self.signalled && self.quit == Demand::Implied) {
            return Err(BadState);
        }
        self.quit = Demand::ByFrame(seq);
        self.imply_stop();
        self.signalled = false;
        Ok((self.said == Announcement::ShutDown).then_some(Announcement::ShutDown))
    }

    /// A signal asks the worker to leave: one without a master, or one whose master did not send it. A worker that is to stop already knows.
    pub(crate) fn signalled(&mut self) {
        self.signalled |= self.stop == Demand::No && self.master == Master::Present;
        self.imply_stop();
    }

    /// The connection to the master ended. After ShutDown that is how it has to be.
    pub(crate) fn master_gone(&mut self) {
        self.master = Master::Gone;
        self.signalled = false;
        if self.said != Announcement::ShutDown {
            self.imply_stop();
            self.quit_if_drained();
        }
    }

    pub(crate) fn stop_asked(&self) -> bool {
        self.stop != Demand::No
    }

    pub(crate) fn quit_asked(&self) -> bool {
        self.quit != Demand::No
    }

    pub(crate) fn phase(&self) -> Phase {
        match (self.said, self.stop_asked(), self.quit_asked()) {
            (Announcement::ShutDown, _, _) => Phase::ShutDown,
            (_, _, true) => Phase::ShuttingDown,
            (Announcement::Stopped, _, _) => Phase::Stopped,
            (_, true, _) => Phase::Stopping,
            (Announcement::Started, _, _) => Phase::Started,
            (Announcement::Nothing, _, _) => Phase::Connected,
        }
    }

    fn imply_stop(&mut self) {
        if self.stop == Demand::No {
            self.stop = Demand::Implied;
        }
        self.resume = Demand::No;
    }

    /// Without a master nobody says Quit, so the end of the drain does.
    fn quit_if_drained(&mut self) {
        if self.said == Announcement::Stopped && self.quit == Demand::No {
            self.quit = Demand::Implied;
        }
    }
}

/// A message that answers a request: sent if a frame asked for it.
fn answer(message: Announcement, request: &'static str, asked: Demand) -> Result<Utterance, SendError> {
    match asked {
        Demand::No => Err(SendError::NotAsked { message: message.name(), request }),
        Demand::Implied => Ok(Utterance::Quiet),
        Demand::ByFrame(seq) => Ok(Utterance::Send { reply_to: seq }),
    }
}

#[cfg(test)]
mod tests;
