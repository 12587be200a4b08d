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
//!  any                   the connection is lost ─────────► the same: what was asked will be asked again, on the next one
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
    /// A Resume that is answered: it began this round.
    Answered,
    /// By a frame of a connection that is lost. Unless its answer was read, it comes again, under another `seq`.
    Lost,
}

impl Demand {
    fn lose(&mut self) {
        if matches!(self, Self::ByFrame(_) | Self::Answered) {
            *self = Self::Lost;
        }
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Master {
    Present,
    /// The connection is lost, and there may be another.
    Away,
    Gone,
    Never,
}

/// What is to be done with a message that may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Utterance {
    /// Send it, with this `reply_to`.
    Send { reply_to: u64 },
    /// Send it with the first words on the next connection.
    Keep,
    /// Send nothing: nobody is there or nobody waits for it.
    Quiet,
}

/// What a Resume means to the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// A new round begins.
    Anew,
    /// It has come again, and is still to be answered.
    Again,
    /// It has come again, and was answered by this: say it once more.
    Answered(Announcement),
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
                // It answers a Resume that comes again.
                (Demand::No, Demand::Lost) => Utterance::Quiet,
                (Demand::No, _) => Utterance::Send { reply_to: 0 },
                _ => Utterance::Quiet,
            },
            Announcement::Stopped => answer(message, "Stop", self.stop)?,
            Announcement::ShutDown => answer(message, "Quit", self.quit)?,
        };
        self.said = message;
        if matches!(self.resume, Demand::ByFrame(_)) {
            self.resume = Demand::Answered;
        }
        if matches!(self.master, Master::Gone | Master::Never) || self.signalled {
            self.quit_if_drained();
        }
        Ok(if self.master == Master::Present { utterance } else { Utterance::Quiet })
    }

    /// Whether a deadline runs that may be extended, and a master is there to do it.
    pub(crate) fn extend(&self) -> Result<Utterance, SendError> {
        match (self.phase(), self.master) {
            (Phase::Started | Phase::Stopped | Phase::ShutDown, _) => Err(SendError::NoDeadline),
            // The master knows of no deadline.
            (_, Master::Present | Master::Away) if self.signalled => Ok(Utterance::Quiet),
            (_, Master::Present) => Ok(Utterance::Send { reply_to: 0 }),
            (_, Master::Away) => Ok(Utterance::Keep),
            (_, Master::Gone) => Err(SendError::MasterGone),
            (_, Master::Never) => Ok(Utterance::Quiet),
        }
    }

    /// The master says Stop. Tells what answers it at once: what was said already, and kept quiet.
    pub(crate) fn stop_received(&mut self, seq: u64) -> Result<Option<Announcement>, BadState> {
        match self.stop {
            Demand::No | Demand::Lost => {}
            // By a signal, or by a Quit of a connection that is lost.
            Demand::Implied if !matches!(self.quit, Demand::ByFrame(_)) => {}
            Demand::Implied | Demand::ByFrame(_) | Demand::Answered => return Err(BadState),
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
    pub(crate) fn resume_received(&mut self, seq: u64) -> Result<Resumed, BadState> {
        match (self.phase(), self.resume) {
            (Phase::Stopped, _) => {
                self.said = Announcement::Nothing;
                self.stop = Demand::No;
                self.resume = Demand::ByFrame(seq);
                Ok(Resumed::Anew)
            }
            (Phase::Connected, Demand::Lost) => {
                self.resume = Demand::ByFrame(seq);
                Ok(Resumed::Again)
            }
            (Phase::Started, Demand::Lost) => {
                self.resume = Demand::Answered;
                Ok(Resumed::Answered(Announcement::Started))
            }
            _ => Err(BadState),
        }
    }

    /// The master says Quit. Tells what answers it at once, as [`stop_received`](Self::stop_received).
    pub(crate) fn quit_received(&mut self, seq: u64) -> Result<Option<Announcement>, BadState> {
        match self.quit {
            Demand::No | Demand::Lost => {}
            Demand::Implied if self.signalled => {}
            Demand::Implied | Demand::ByFrame(_) | Demand::Answered => return Err(BadState),
        }
        self.quit = Demand::ByFrame(seq);
        self.imply_stop();
        self.signalled = false;
        Ok((self.said == Announcement::ShutDown).then_some(Announcement::ShutDown))
    }

    /// A signal asks the worker to leave: one without a master, or one whose master did not send it. A worker that is to stop already knows.
    pub(crate) fn signalled(&mut self) {
        self.signalled |= self.stop == Demand::No && matches!(self.master, Master::Present | Master::Away);
        self.imply_stop();
    }

    /// The connection is lost, and perhaps not for good. The worker goes on as it is.
    pub(crate) fn connection_lost(&mut self) {
        self.master = Master::Away;
        self.stop.lose();
        self.resume.lose();
        self.quit.lose();
    }

    /// There is another connection. Tells whether Started is to be said on it: a master that has heard it may have died before it wrote it
    /// down. What answers a Resume is asked for again.
    pub(crate) fn connected_again(&mut self) -> bool {
        self.master = Master::Present;
        self.phase() == Phase::Started && self.resume == Demand::No
    }

    /// Whether there is a connection.
    pub(crate) fn is_connected(&self) -> bool {
        self.master == Master::Present
    }

    /// The connection to the master ended, and there will be no other. After ShutDown that is how it has to be.
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
        Demand::Implied | Demand::Answered | Demand::Lost => Ok(Utterance::Quiet),
        Demand::ByFrame(seq) => Ok(Utterance::Send { reply_to: seq }),
    }
}

#[cfg(test)]
mod tests;
