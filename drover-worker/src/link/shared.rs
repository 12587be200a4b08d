//! What the handles and the tasks of a bus share: the lifecycle under its lock, and what has been asked for.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::outbox::{Line, Outbox};
use crate::error::SendError;
use crate::identity::Identity;
use crate::lifecycle::in_flight::Work;
use crate::lifecycle::orphan::Leaving;
use crate::lifecycle::request::{QuitRequest, Requests, ResumeRequest, StopCause, StopRequest};
use crate::lifecycle::{Announcement, BadState, Lifecycle, Phase, Resumed, Utterance};
use crate::listener::accept_queue::Leave;
use crate::listener::named::Listeners;

/// The one state of a bus.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) leaving: Leaving,
    lifecycle: Mutex<Lifecycle>,
    pub(crate) requests: watch::Sender<Requests>,
    /// None in standalone mode.
    pub(crate) outbox: Option<Outbox>,
    pub(crate) listeners: Listeners,
    pub(crate) work: Arc<Work>,
    /// Where the worker waits for connections. A listener that was dropped is forgotten when the next is taken.
    places: Mutex<Vec<Weak<dyn Leave>>>,
}

impl Shared {
    pub(crate) fn under_master(identity: Identity, outbox: Outbox, can_resume: bool) -> Self {
        let lifecycle = Mutex::new(Lifecycle::under_master());
        let listeners = Listeners::UnderMaster { are_kept: can_resume };
        Self { outbox: Some(outbox), lifecycle, ..Self::standalone(identity, listeners) }
    }

    pub(crate) fn standalone(identity: Identity, listeners: Listeners) -> Self {
        Self {
            identity,
            leaving: Leaving::default(),
            lifecycle: Mutex::new(Lifecycle::standalone()),
            requests: watch::Sender::new(Requests::default()),
            outbox: None,
            listeners,
            work: Arc::default(),
            places: Mutex::default(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().phase()
    }

    pub(crate) fn stop_received(&self, seq: u64, deadline_ms: u64) -> Result<Option<Announcement>, BadState> {
        let deadline = from_now(deadline_ms);
        let stop = StopRequest { deadline, cause: StopCause::Master };
        self.change(stop, QuitRequest { deadline }, |lifecycle| lifecycle.stop_received(seq))
    }

    /// Tells what answers it at once, as [`Lifecycle::stop_received`].
    pub(crate) fn resume_received(
        &self,
        seq: u64,
        deadline_ms: u64,
    ) -> Result<Option<Announcement>, BadState> {
        let resume = ResumeRequest { deadline: from_now(deadline_ms) };
        let mut lifecycle = self.state();
        match lifecycle.resume_received(seq)? {
            Resumed::Anew => {}
            Resumed::Again => return Ok(None),
            Resumed::Answered(said) => return Ok(Some(said)),
        }
        tracing::info!(target: "drover::worker", "{:?} → {:?}", Phase::Stopped, lifecycle.phase());
        self.listeners.offer_again();
        self.requests.send_modify(|requests| requests.resume(resume));
        self.places().iter().for_each(|place| place.come_back());
        Ok(None)
    }

    pub(crate) fn quit_received(&self, seq: u64, deadline_ms: u64) -> Result<Option<Announcement>, BadState> {
        let deadline = from_now(deadline_ms);
        let stop = StopRequest { deadline, cause: StopCause::Master };
        self.change(stop, QuitRequest { deadline }, |lifecycle| lifecycle.quit_received(seq))
    }

    /// SIGTERM, from somebody else than the master.
    pub(crate) fn signalled(&self) {
        let stop = StopRequest { deadline: None, cause: StopCause::Signal };
        self.change(stop, QuitRequest { deadline: None }, Lifecycle::signalled);
    }

    /// The connection is lost, and there may be another: what is said from now on goes on the next line.
    pub(crate) fn connection_lost(&self, next: Line) {
        let mut lifecycle = self.state();
        lifecycle.connection_lost();
        if self.requests.borrow().quit.is_some() {
            next.post.inbox.end();
        }
        if let Some(outbox) = &self.outbox {
            outbox.replace(next);
        }
    }

    /// There is another connection. Tells whether Started is to be said on it.
    pub(crate) fn connected_again(&self) -> bool {
        self.state().connected_again()
    }

    /// Nobody is there any more, and the process is ended by force at the deadline.
    pub(crate) fn master_gone(&self, deadline: Option<Instant>) {
        let stop = StopRequest { deadline, cause: StopCause::MasterGone };
        self.change(stop, QuitRequest { deadline }, Lifecycle::master_gone);
    }

    /// Says a message; `send` puts it on its way, on `line`, under the lock, so that messages go out in the order they are said. `None`: that
    /// is not the line of today any more, or not yet, and nothing was said.
    pub(crate) fn say(
        &self,
        message: Announcement,
        line: Option<&Arc<Line>>,
        send: impl FnOnce(u64),
    ) -> Option<Result<(), SendError>> {
        // Only without a master does saying something ask for something: the end of the drain is the request to leave.
        let stop = self.requests.borrow().stop;
        let quit = QuitRequest { deadline: stop.and_then(|stop| stop.deadline) };
        let stop = stop.unwrap_or(StopRequest { deadline: None, cause: StopCause::Master });
        self.change(stop, quit, |lifecycle| {
            if let (Some(outbox), true) = (&self.outbox, lifecycle.is_connected())
                && !line.is_some_and(|line| outbox.is_current(line))
            {
                return None;
            }
            Some(self.said(lifecycle, message, send))
        })
    }

    fn said(
        &self,
        lifecycle: &mut Lifecycle,
        message: Announcement,
        send: impl FnOnce(u64),
    ) -> Result<(), SendError> {
        let utterance = lifecycle.say(message)?;
        if message == Announcement::ShutDown {
            self.leaving.announce();
        }
        // With its first word the worker has taken up the new round.
        self.requests.send_if_modified(|requests| requests.resume.take().is_some());
        if let Utterance::Send { reply_to } = utterance {
            send(reply_to);
        }
        Ok(())
    }

    /// Has this place left as long as the worker is to stop.
    pub(crate) fn leave_with(&self, place: Weak<dyn Leave>) {
        let mut places = self.places.lock().expect("never poisoned");
        places.retain(|place| place.strong_count() > 0);
        // Under the lock, so that a Stop which comes now finds it or is found.
        if let (Some(place), Some(_)) = (place.upgrade(), self.requests.borrow().stop) {
            place.leave();
        }
        places.push(place);
    }

    /// Every place of the worker.
    pub(crate) fn places(&self) -> Vec<Arc<dyn Leave>> {
        self.places.lock().expect("never poisoned").iter().filter_map(Weak::upgrade).collect()
    }

    /// Changes the lifecycle and publishes what it asks for by now, with these requests for what is new.
    pub(crate) fn change<T>(
        &self,
        stop: StopRequest,
        quit: QuitRequest,
        step: impl FnOnce(&mut Lifecycle) -> T,
    ) -> T {
        let mut lifecycle = self.state();
        let before = lifecycle.phase();
        let result = step(&mut lifecycle);
        let after = lifecycle.phase();
        if before != after {
            tracing::info!(target: "drover::worker", "{before:?} → {after:?}");
        }
        let (mut stop_is_new, mut quit_is_new) = (false, false);
        self.requests.send_if_modified(|requests| {
            stop_is_new = lifecycle.stop_asked() && requests.stop.is_none();
            quit_is_new = lifecycle.quit_asked() && requests.quit.is_none();
            if stop_is_new {
                requests.stop(stop);
            }
            if quit_is_new {
                requests.quit = Some(quit);
            }
            stop_is_new || quit_is_new
        });
        drop(lifecycle);
        if stop_is_new {
            self.places().iter().for_each(|place| place.leave());
        }
        if let (true, Some(outbox)) = (quit_is_new, &self.outbox) {
            outbox.line().post.inbox.end();
        }
        self.release_listeners();
        result
    }

    /// Lets go of what is kept for a resume once none can come. A worker that is just taking up a new round may still want it.
    fn release_listeners(&self) {
        let requests = self.requests.borrow();
        let is_orphan = requests.stop.is_some_and(|stop| stop.cause == StopCause::MasterGone);
        if requests.resume.is_none() && (requests.quit.is_some() || is_orphan) {
            self.listeners.release();
        }
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, Lifecycle> {
        self.lifecycle.lock().expect("never poisoned: no step panics")
    }
}

/// The moment that a frame's `deadline_ms` names. 0, the value of an absent field, and what no clock can hold name none.
fn from_now(deadline_ms: u64) -> Option<Instant> {
    (deadline_ms > 0).then(|| now().checked_add(Duration::from_millis(deadline_ms))).flatten()
}

/// By tokio's clock, which a test may stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_named_only_by_a_time_that_a_clock_can_hold() {
        assert_eq!(from_now(0), None);
        assert_eq!(from_now(1500), Some(now() + Duration::from_millis(1500)));
        assert_eq!(
            from_now(u64::MAX).is_some(),
            now().checked_add(Duration::from_millis(u64::MAX)).is_some()
        );
    }
}
