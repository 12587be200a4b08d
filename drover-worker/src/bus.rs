//! The handle by which an app talks with its master.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use drover_proto::latest::{Extend, ShutDown, Started, Status, Stopped, WorkerFrame, worker_frame};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::builder::MessageBusBuilder;
use crate::error::{ConnectError, ListenerError, SendError};
use crate::identity::Identity;
use crate::lifecycle::{BadState, Lifecycle, Phase, Said, Utterance};
use crate::link::{Outbox, Outgoing};
use crate::listener::Listener;
use crate::listeners::Listeners;
use crate::orphan::Leaving;
use crate::request::{QuitRequest, Requests, StopCause, StopRequest};

/// How long a call waits for the socket to take its message.
const FLUSH: Duration = Duration::from_secs(5);

/// A status is one line for people; what is longer than this, in bytes, is cut.
const STATUS_BYTES: usize = 4096;

/// The worker's end of the protocol. A clone is another handle on the same connection.
///
/// The crate's first page shows a whole worker.
#[derive(Clone)]
pub struct MessageBus {
    shared: Arc<Shared>,
}

impl MessageBus {
    /// Connects to the master named by `DROVER_SOCKET`, or begins standalone mode if there is none.
    ///
    /// # Errors
    ///
    /// As [`MessageBusBuilder::connect`], as are its panics and its cancel safety.
    pub async fn connect() -> Result<Self, ConnectError> {
        Self::builder().connect().await
    }

    /// Begins to set up a bus that differs from the default.
    pub fn builder() -> MessageBusBuilder {
        MessageBusBuilder::default()
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Who this worker is.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// Whether this worker runs without a master.
    pub fn is_standalone(&self) -> bool {
        self.shared.outbox.is_none()
    }

    /// Takes the listener of this name: handed over by the master, or in standalone mode bound to the address given
    /// with [`standalone_listen`](MessageBusBuilder::standalone_listen). Each can be taken once.
    ///
    /// # Errors
    ///
    /// [`ListenerError`]: the socket is missing, taken, not TCP, not for this process, or its address is in use.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub fn listener(&self, name: &str) -> Result<Listener, ListenerError> {
        self.shared.listeners.take(name)
    }

    /// Says Started: the worker is ready to serve. Once.
    ///
    /// As every message, it returns when the socket has taken it, so that what follows may block or exit.
    ///
    /// # Errors
    ///
    /// [`SendError::TooLate`] if it was said before: misuse. A request to stop that came in the meantime, or the
    /// end of the master, is no error; then nothing is sent. [`SendError::TimedOut`] after 5 s if the master takes
    /// nothing off the connection. So for every other message.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped future has said it, though the message may still be on its way, or has changed nothing.
    /// So for every other message.
    pub async fn started(&self) -> Result<(), SendError> {
        self.say(Said::Started).await
    }

    /// Waits for the request to stop. Resolves at once if it has come before, for any number of tasks and calls.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is consumed.
    pub async fn stop_requested(&self) -> StopRequest {
        self.requested(|requests| requests.stop).await
    }

    /// [`stop_requested`](Self::stop_requested) as a future of its own, for what wants to own the signal to stop, such as
    /// axum's `with_graceful_shutdown`.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let bus = self.clone();
        async move {
            bus.stop_requested().await;
        }
    }

    /// Says Stopped: no new work is taken, and what was under way is finished. Answers a request to stop.
    ///
    /// Without a master, [`quit_requested`](Self::quit_requested) resolves hereafter.
    ///
    /// # Errors
    ///
    /// Misuse: [`SendError::NotAsked`] before a request to stop, [`SendError::TooLate`] if it was said before.
    ///
    /// # Cancel safety
    ///
    /// As [`started`](Self::started).
    pub async fn stopped(&self) -> Result<(), SendError> {
        self.say(Said::Stopped).await
    }

    /// Waits for the request to leave. Resolves at once if it has come before, for any number of tasks and calls.
    ///
    /// A worker may be asked to leave before it has stopped, or without having been asked to stop;
    /// [`stop_requested`](Self::stop_requested) resolves as well then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is consumed.
    pub async fn quit_requested(&self) -> QuitRequest {
        self.requested(|requests| requests.quit).await
    }

    /// Says ShutDown: everything is released, and the process is about to exit. Answers a request to leave.
    ///
    /// The process may exit right after it.
    ///
    /// # Errors
    ///
    /// Misuse: [`SendError::NotAsked`] before a request to leave, [`SendError::TooLate`] if it was said before.
    /// A master that is gone is no error.
    ///
    /// # Cancel safety
    ///
    /// As [`started`](Self::started).
    pub async fn shut_down(&self) -> Result<(), SendError> {
        self.say(Said::ShutDown).await
    }

    /// Asks the master for more time, `more` from now, while starting, stopping or shutting down. The master caps it
    /// and does not answer; part of a millisecond is lost.
    ///
    /// # Errors
    ///
    /// Misuse: [`SendError::NoDeadline`] while no deadline runs. [`SendError::MasterGone`] if nobody can grant it:
    /// the deadline of an orphan is not extended.
    ///
    /// # Cancel safety
    ///
    /// As [`started`](Self::started).
    pub async fn extend(&self, more: Duration) -> Result<(), SendError> {
        let timeout_ms = u64::try_from(more.as_millis()).unwrap_or(u64::MAX);
        let Some(outbox) = &self.shared.outbox else {
            return self.shared.state().extend().map(|_| ());
        };
        let place = outbox.messages.reserve().await;
        let Utterance::Send { reply_to } = self.shared.state().extend()? else { return Ok(()) };
        let place = place.map_err(|_| SendError::MasterGone)?;
        let (written, is_written) = oneshot::channel();
        place.send(outgoing(reply_to, worker_frame::Body::Extend(Extend { timeout_ms }), written));
        flushed("Extend", is_written).await
    }

    /// Reports how the worker is: one line for people (cut after 4 KiB) and the number of requests or jobs under way.
    ///
    /// Never waits and never fails: the newest status replaces one that is not sent yet.
    pub fn status(&self, text: impl Into<String>, in_flight: u64) {
        let mut text = text.into();
        cut(&mut text, STATUS_BYTES);
        match &self.shared.outbox {
            Some(outbox) => {
                outbox.status.send_replace(worker_frame::Body::Status(Status { text, in_flight }));
            }
            None => tracing::debug!(target: "drover::worker", text, in_flight, "status"),
        }
    }

    async fn requested<R>(&self, which: impl Fn(&Requests) -> Option<R>) -> R {
        let mut requests = self.shared.requests.subscribe();
        let come = requests.wait_for(|requests| which(requests).is_some()).await;
        come.ok().and_then(|requests| which(&requests)).expect("the sender lives as long as `self`")
    }

    async fn say(&self, message: Said) -> Result<(), SendError> {
        let Some(outbox) = &self.shared.outbox else {
            return self.shared.say(message, |_| {});
        };
        // CANCEL: the place in the queue comes first; from there on nothing is awaited until the message is in it.
        let place = outbox.messages.reserve().await;
        let (written, is_written) = oneshot::channel();
        self.shared.say(message, |reply_to| send(place, message, reply_to, written))?;
        flushed(message.name(), is_written).await
    }
}

/// Waits until the socket has taken a message. The end of the link, or that nothing was to be sent, ends the wait too.
async fn flushed(message: &'static str, is_written: oneshot::Receiver<()>) -> Result<(), SendError> {
    match tokio::time::timeout(FLUSH, is_written).await {
        Ok(_) => Ok(()),
        Err(_) => Err(SendError::TimedOut { message, after: FLUSH }),
    }
}

impl fmt::Debug for MessageBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageBus")
            .field("identity", &self.shared.identity)
            .field("phase", &self.shared.phase())
            .finish_non_exhaustive()
    }
}

/// Shortens `text` to at most `bytes`, between two characters.
fn cut(text: &mut String, bytes: usize) {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
}

type Place<'a> = Result<mpsc::Permit<'a, Outgoing>, mpsc::error::SendError<()>>;

fn send(place: Place<'_>, message: Said, reply_to: u64, written: oneshot::Sender<()>) {
    let body = match message {
        Said::Nothing => return,
        Said::Started => worker_frame::Body::Started(Started {}),
        Said::Stopped => worker_frame::Body::Stopped(Stopped {}),
        Said::ShutDown => worker_frame::Body::ShutDown(ShutDown {}),
    };
    // Without a place the link has ended, which the lifecycle hears of in the same moment.
    if let Ok(place) = place {
        place.send(outgoing(reply_to, body, written));
    }
}

fn outgoing(reply_to: u64, body: worker_frame::Body, written: oneshot::Sender<()>) -> Outgoing {
    Outgoing {
        frame: WorkerFrame { reply_to, body: Some(body), ..Default::default() },
        written: Some(written),
    }
}

/// What the handles and the tasks of a bus share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) leaving: Leaving,
    lifecycle: Mutex<Lifecycle>,
    requests: watch::Sender<Requests>,
    /// None in standalone mode.
    outbox: Option<Outbox>,
    listeners: Listeners,
    orphan_timeout: Duration,
}

impl Shared {
    pub(crate) fn under_master(identity: Identity, outbox: Outbox, orphan_timeout: Duration) -> Self {
        let lifecycle = Mutex::new(Lifecycle::under_master());
        let listeners = Listeners::UnderMaster;
        Self { outbox: Some(outbox), orphan_timeout, lifecycle, ..Self::standalone(identity, listeners) }
    }

    pub(crate) fn standalone(identity: Identity, listeners: Listeners) -> Self {
        Self {
            identity,
            leaving: Leaving::default(),
            lifecycle: Mutex::new(Lifecycle::standalone()),
            requests: watch::Sender::new(Requests::default()),
            outbox: None,
            listeners,
            orphan_timeout: Duration::MAX,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().phase()
    }

    pub(crate) fn stop_received(&self, seq: u64, deadline_ms: u64) -> Result<(), BadState> {
        let deadline = from_now(deadline_ms);
        let stop = StopRequest { deadline, cause: StopCause::Master };
        self.change(stop, QuitRequest { deadline }, |lifecycle| lifecycle.stop_received(seq))
    }

    pub(crate) fn quit_received(&self, seq: u64, deadline_ms: u64) -> Result<(), BadState> {
        let deadline = from_now(deadline_ms);
        let stop = StopRequest { deadline, cause: StopCause::Master };
        self.change(stop, QuitRequest { deadline }, |lifecycle| lifecycle.quit_received(seq))
    }

    pub(crate) fn master_gone(&self) {
        let deadline = Instant::now().checked_add(self.orphan_timeout);
        let stop = StopRequest { deadline, cause: StopCause::MasterGone };
        self.change(stop, QuitRequest { deadline }, Lifecycle::master_gone);
    }

    /// Says a message; `send` puts it on its way, under the lock, so that messages go out in the order they are said.
    fn say(&self, message: Said, send: impl FnOnce(u64)) -> Result<(), SendError> {
        // Only without a master does saying something ask for something: the end of the drain is the request to leave.
        let stop = self.requests.borrow().stop;
        let quit = QuitRequest { deadline: stop.and_then(|stop| stop.deadline) };
        let stop = stop.unwrap_or(StopRequest { deadline: None, cause: StopCause::Master });
        self.change(stop, quit, |lifecycle| {
            let utterance = lifecycle.say(message)?;
            if message == Said::ShutDown {
                self.leaving.announce();
            }
            if let Utterance::Send { reply_to } = utterance {
                send(reply_to);
            }
            Ok(())
        })
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
        self.requests.send_if_modified(|requests| {
            let stop_is_new = lifecycle.stop_asked() && requests.stop.is_none();
            let quit_is_new = lifecycle.quit_asked() && requests.quit.is_none();
            if stop_is_new {
                requests.stop = Some(stop);
            }
            if quit_is_new {
                requests.quit = Some(quit);
            }
            stop_is_new || quit_is_new
        });
        result
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Lifecycle> {
        self.lifecycle.lock().expect("never poisoned: no step panics")
    }
}

/// The moment that a frame's `deadline_ms` names. 0, the value of an absent field, and what no clock can hold name none.
fn from_now(deadline_ms: u64) -> Option<Instant> {
    (deadline_ms > 0).then(|| Instant::now().checked_add(Duration::from_millis(deadline_ms))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_named_only_by_a_time_that_a_clock_can_hold() {
        assert_eq!(from_now(0), None);
        assert_eq!(from_now(1500), Some(Instant::now() + Duration::from_millis(1500)));
        assert_eq!(
            from_now(u64::MAX).is_some(),
            Instant::now().checked_add(Duration::from_millis(u64::MAX)).is_some()
        );
    }
}
