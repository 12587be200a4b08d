//! What the handles and the tasks of a bus share: the lifecycle under its lock, and what has been asked for.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::outbox::Outbox;
use crate::error::SendError;
use crate::identity::Identity;
use crate::lifecycle::in_flight::Work;
use crate::lifecycle::orphan::Leaving;
use crate::lifecycle::request::{QuitRequest, Requests, ResumeRequest, StopCause, StopRequest};
use crate::lifecycle::{Announcement, BadState, Lifecycle, Phase, Utterance};
use crate::listener::accept_queue::Leave;
use crate::listener::named::Listeners;
use crate::messages::Post;

/// The one state of a bus.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) leaving: Leaving,
    lifecycle: Mutex<Lifecycle>,
    pub(crate) requests: watch::Sender<Requests>,
    /// None in standalone mode.
    pub(crate) outbox: Option<Outbox>,
    /// None in standalone mode.
    pub(crate) post: Option<Arc<Post>>,
    pub(crate) listeners: Listeners,
    pub(crate) work: Arc<Work>,
    /// Where the worker waits for connections. A listener that was dropped is forgotten when the next is taken.
    places: Mutex<Vec<Weak<dyn Leave>>>,
    orphan_timeout: Duration,
}

impl Shared {
    pub(crate) fn under_master(
        identity: Identity,
        outbox: Outbox,
        post: Arc<Post>,
        orphan_timeout: Duration,
        can_resume: bool,
    ) -> Self {
        let lifecycle = Mutex::new(Lifecycle::under_master());
        let listeners = Listeners::UnderMaster { are_kept: can_resume };
        let (outbox, post) = (Some(outbox), Some(post));
        Self { outbox, post, orphan_timeout, lifecycle, ..Self::standalone(identity, listeners) }
    }

    pub(crate) fn standalone(identity: Identity, listeners: Listeners) -> Self {
        Self {
            identity,
            leaving: Leaving::default(),
            lifecycle: Mutex::new(Lifecycle::standalone()),
            requests: watch::Sender::new(Requests::default()),
            outbox: None,
            post: None,
            listeners,
            work: Arc::default(),
            places: Mutex::default(),
            orphan_timeout: Duration::MAX,
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

    pub(crate) fn resume_received(&self, seq: u64, deadline_ms: u64) -> Result<(), BadState> {
        let resume = ResumeRequest { deadline: from_now(deadline_ms) };
        let mut lifecycle = self.state();
        lifecycle.resume_received(seq)?;
        tracing::info!(target: "drover::worker", "{:?} → {:?}", Phase::Stopped, lifecycle.phase());
        self.listeners.offer_again();
        self.requests.send_modify(|requests| requests.resume(resume));
        self.places().iter().for_each(|place| place.come_back());
        Ok(())
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

    pub(crate) fn master_gone(&self) {
        let deadline = now().checked_add(self.orphan_timeout);
        let stop = StopRequest { deadline, cause: StopCause::MasterGone };
        self.change(stop, QuitRequest { deadline }, Lifecycle::master_gone);
    }

    /// Says a message; `send` puts it on its way, under the lock, so that messages go out in the order they are said.
    pub(crate) fn say(&self, message: Announcement, send: impl FnOnce(u64)) -> Result<(), SendError> {
        // Only without a master does saying something ask for something: the end of the drain is the request to leave.
        let stop = self.requests.borrow().stop;
        let quit = QuitRequest { deadline: stop.and_then(|stop| stop.deadline) };
        let stop = stop.unwrap_or(StopRequest { deadline: None, cause: StopCause::Master });
        self.change(stop, quit, |lifecycle| {
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
        })
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
        if let (true, Some(post)) = (quit_is_new, &self.post) {
            post.inbox.end();
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
