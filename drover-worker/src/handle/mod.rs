//! The handle by which an app talks with its master: the steps of its life. Its sockets, its messages and the loop that serves are
//! beside it, one file each.

mod builder;
mod gauge;
mod publish;
mod receive;
mod rounds;
mod say;
mod send;
mod sockets;
mod standalone;
mod until_stop;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use drover_proto::latest::{Status, worker_frame};
use tokio::time::Instant;

pub use self::builder::MessageBusBuilder;
pub use self::until_stop::UntilStop;
use crate::error::SendError;
use crate::identity::Identity;
use crate::lifecycle::Announcement;
use crate::lifecycle::in_flight::InFlight;
use crate::lifecycle::request::{QuitRequest, Requests, ResumeRequest, StopRequest};
use crate::link::shared::Shared;
use crate::text::cut;

/// How long a connection that was taken just before the request to stop has to begin its request. Too low: requests of
/// distant clients are lost. Too high: every stop takes that long.
const SETTLE: Duration = Duration::from_millis(50);

/// How long idle connections are left open after the request to stop, for requests that are on their way. Shorter: slow clients
/// lose theirs. Longer: a stop with idle connections takes that long. Half of what is left of the deadline, if that is less.
const LINGER: Duration = Duration::from_secs(1);

/// A status is one line for people; what is longer than this, in bytes, is cut.
const STATUS_BYTES: usize = 4096;

/// The worker's end of the protocol. A clone is another handle on the same connection.
///
/// The crate's first page shows a whole worker.
#[derive(Clone)]
pub struct MessageBus {
    pub(crate) shared: Arc<Shared>,
}

impl MessageBus {
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

    /// Says Started: the worker is ready to serve. Once, and once after each
    /// [`resume_requested`](Self::resume_requested).
    ///
    /// As every message, it returns when the socket has taken it, so that what follows may block or exit.
    ///
    /// # Errors
    ///
    /// [`SendError::TooLate`] if it was said before: misuse. A request to stop that came in the meantime, or the
    /// end of the master, is not an error; then nothing is sent. [`SendError::TimedOut`] after 5 s if the master takes
    /// nothing off the connection. So for every other message.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped future has said it, though the message may still be on its way, or has changed nothing.
    /// So for every other message.
    pub async fn started(&self) -> Result<(), SendError> {
        self.say(Announcement::Started).await
    }

    /// Waits for the request to stop. Resolves at once if it has come before, for any number of tasks and calls.
    ///
    /// From the request on [`listener`](Self::listener)s take no connection, but one that came just before and that no other
    /// worker was told of: this waits for up to 50 ms until it is accepted.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is consumed.
    pub async fn stop_requested(&self) -> StopRequest {
        let round = self.round();
        let stop = self.requested(|requests| requests.stop_of(round)).await;
        // Passes only if the app does not accept; the connection is then for the next worker that looks.
        // Counted from the request on, so that a loop which asks again and again gets there.
        let until = self.shared.requests.borrow().after_stop(SETTLE);
        let _unaccepted = tokio::time::timeout_at(until, self.turns_are_over()).await;
        stop
    }

    async fn turns_are_over(&self) {
        if !self.is_stopping() {
            return;
        }
        for place in self.shared.places() {
            let over = place.over().notified();
            if place.has_turn() {
                over.await;
            }
        }
    }

    /// The request to stop, without the wait for connections that it has crossed with.
    #[cfg(feature = "axum")]
    pub(crate) async fn asked_to_stop(&self) -> StopRequest {
        let round = self.round();
        self.requested(|requests| requests.stop_of(round)).await
    }

    /// Whether a request to stop has come.
    pub fn is_stopping(&self) -> bool {
        self.shared.requests.borrow().stop.is_some()
    }

    /// The moment to let go of open connections, as a future of its own: for what wants to own the signal to stop, such as
    /// axum's `with_graceful_shutdown`.
    ///
    /// It comes 50 ms after the request to stop. From that request on [`listener`](Self::listener)s take no connection; what
    /// was taken just before has had the time to say what it wants. A server that is told to shut down gracefully finishes
    /// requests that have begun, but closes connections on which none has, and the client's request would be lost with them.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let (bus, round) = (self.clone(), self.round());
        async move {
            bus.requested(|requests| requests.stop_of(round)).await;
            tokio::time::sleep(SETTLE).await;
        }
    }

    /// The moment to close connections on which no request is under way: 1 s after the request to stop, or after half the time
    /// until its deadline if that is less.
    ///
    /// A connection that its client keeps open may carry a request at any moment, and one that arrives after the close is lost. So
    /// a server goes on answering between the request to stop and this, now with `Connection: close`, which ends the
    /// connection in order. Only those that were idle all the time are closed then. HTTP/1.1 leaves no better way: a request that
    /// crosses with that close is lost to the server, and clients send it again (RFC 9112, 9.5).
    ///
    /// A server that has no connection left need not wait for it. `MessageBus::serve_axum` (feature `axum`) does all of this; the
    /// example `multi-app-cluster` does it with hyper.
    pub fn letting_go(&self) -> impl Future<Output = ()> + Send + 'static {
        let (bus, round) = (self.clone(), self.round());
        async move {
            let stop = bus.requested(|requests| requests.stop_of(round)).await;
            let half = stop
                .deadline
                .map(|deadline| Instant::from_std(deadline).saturating_duration_since(Instant::now()) / 2);
            let linger = half.map_or(LINGER, |half| LINGER.min(half));
            let until = bus.shared.requests.borrow().after_stop(linger);
            tokio::time::sleep_until(until).await;
        }
    }

    /// Counts a request or job as under way until what this returns is dropped, and as done from then on. Reports both numbers to
    /// the master: at most four times a second, and not at all while they do not change. What is done is what the master replaces
    /// workers by that have answered enough (`recycle.requests`). The text is that of the last [`status`](Self::status).
    ///
    /// The library does not extend a drain, however much is under way: the operator decides how long it may take. An app that knows
    /// better asks by [`extend`](Self::extend).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time enabled.
    pub fn in_flight(&self) -> InFlight {
        if let Some(outbox) = &self.shared.outbox {
            self.shared.work.report(&outbox.status);
        }
        self.shared.work.begin()
    }

    /// Waits until no [`in_flight`](Self::in_flight) guard is held, or the worker is to leave. It has no deadline of its own: the
    /// master has one, which [`extend`](Self::extend) moves, and after the master's death the orphan timeout ends the process.
    pub(crate) async fn work_is_over(&self) {
        self.unless_told_to_leave(self.shared.work.idle()).await;
    }

    /// Waits for `what` until the master asks for the end whatever is under way.
    pub(crate) async fn unless_told_to_leave(&self, what: impl Future<Output = ()>) {
        tokio::select! {
            () = what => {}
            _ = self.quit_requested() => {}
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
        self.say(Announcement::Stopped).await
    }

    /// Waits for what follows [`stopped`](Self::stopped): the request to take work again, or `None` once the worker is to leave.
    /// Resolves at once if it has come before, for any number of calls until [`started`](Self::started) answers it.
    ///
    /// A resumed worker does what it did first: it takes its [`listener`](Self::listener)s, says Started, serves. It may be
    /// asked to stop again meanwhile. [`serve`](crate::MessageBusBuilder::serve) is this loop:
    ///
    /// ```no_run
    /// # async fn serve(_: drover_worker::Listener) {}
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = drover_worker::MessageBus::builder().resumable().connect().await?;
    /// loop {
    ///     let listener = bus.listener("http")?;
    ///     bus.started().await?;
    ///     tokio::select! {
    ///         () = serve(listener) => {}
    ///         _ = bus.stop_requested() => {}
    ///     }
    ///     bus.stopped().await?;
    ///     if bus.resume_requested().await.is_none() {
    ///         break;
    ///     }
    /// }
    /// bus.shut_down().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is consumed.
    pub async fn resume_requested(&self) -> Option<ResumeRequest> {
        let resume = |requests: &Requests| match (requests.quit, requests.resume) {
            (Some(_), _) => Some(None),
            (None, resume) => resume.map(Some),
        };
        self.requested(resume).await
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
    /// The process may exit right after it, and has to: the end of a runtime waits for tasks of `spawn_blocking`, and a process that is
    /// still there when the time to leave has passed (5 s by default) gets SIGTERM. A line on stderr tells so after 1 s.
    ///
    /// # Errors
    ///
    /// Misuse: [`SendError::NotAsked`] before a request to leave, [`SendError::TooLate`] if it was said before.
    /// A master that is gone is not an error.
    ///
    /// # Cancel safety
    ///
    /// As [`started`](Self::started).
    pub async fn shut_down(&self) -> Result<(), SendError> {
        self.say(Announcement::ShutDown).await
    }

    /// Asks the master for more time, `more` from now, while starting, stopping or shutting down. The master caps it
    /// and does not answer; part of a millisecond is lost.
    ///
    /// # Errors
    ///
    /// Misuse: [`SendError::NoDeadline`] while no deadline runs. [`SendError::MasterGone`] if nobody can grant it:
    /// the deadline of an orphan is not extended. While the connection is lost and there may be another, it is kept for that one.
    ///
    /// # Cancel safety
    ///
    /// As [`started`](Self::started).
    pub async fn extend(&self, more: Duration) -> Result<(), SendError> {
        self.ask_for(more).await
    }

    /// Reports how the worker is: one line for people (cut after 4 KiB) and the number of requests or jobs under way.
    ///
    /// Never waits and never fails: the newest status replaces one that is not sent yet.
    pub fn status(&self, text: impl Into<String>, in_flight: u64) {
        let mut text = text.into();
        cut(&mut text, STATUS_BYTES);
        match &self.shared.outbox {
            Some(outbox) => {
                let requests = self.shared.work.done();
                outbox.status.send_modify(|body| {
                    // What was measured stays.
                    let gauges = match body {
                        worker_frame::Body::Status(status) => std::mem::take(&mut status.gauges),
                        _ => Vec::new(),
                    };
                    *body = worker_frame::Body::Status(Status { text, in_flight, requests, gauges });
                });
            }
            None => tracing::debug!(target: "drover::worker", text, in_flight, "status"),
        }
    }

    /// Reports that the application is making progress, for its watchdog (`app.NAME.watchdog`). Where `DROVER_WATCHDOG_MS` is set,
    /// a worker that has started has to say so at least that often, in milliseconds, or it is ended; say it from the work itself, about twice
    /// as often as that.
    ///
    /// Never waits and never fails: words that follow each other within 20 ms are one.
    pub fn progress(&self) {
        if let Some(outbox) = &self.shared.outbox {
            outbox.progress();
        }
    }

    fn round(&self) -> u64 {
        self.shared.requests.borrow().round
    }

    async fn requested<R>(&self, which: impl Fn(&Requests) -> Option<R>) -> R {
        let mut requests = self.shared.requests.subscribe();
        let come = requests.wait_for(|requests| which(requests).is_some()).await;
        come.ok().and_then(|requests| which(&requests)).expect("the sender lives as long as `self`")
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
