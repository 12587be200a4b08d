//! The connection to the master: one task, in which a reader and a writer run independently of each other.
//!
//! ```text
//!  MessageBus ── what it says, bounded ────► writer ──► socket ──► reader ──► lifecycle, requests
//!             ── newest status ────────────►  ▲ ▲                   │ │
//!             ── messages, bounded ────────►  │ └─ answers, bounded ┘ └───► inbox ──► message()
//!                                             └─ half a window taken ◄────────┘
//! ```
//!
//! Whichever of the two ends first ends the connection. If it was lost, and not closed here, the link looks for another master on the same
//! socket, and what is said meanwhile waits for that one. When there is none the bus learns of it once, in [`Link`]'s destructor, so that it
//! learns of it even when the runtime is torn down.

mod comeback;
pub(crate) mod handshake;
mod live;
pub(crate) mod outbox;
mod reader;
mod sender;
pub(crate) mod shared;
mod topics;
mod writer;

use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use drover_proto::codec::CodecError;
use drover_proto::frame::FrameError;
use drover_proto::handshake::HandshakeError;
use drover_proto::latest::{Consumed, RejectCode, Started, Subscribe, WorkerFrame, worker_frame};
use tokio::sync::watch;

use self::comeback::{Comeback, Outcome};
use self::handshake::{Introduction, MasterConnection};
use self::live::{Channel, Live, frame_limit};
use self::outbox::Outbox;
use self::shared::Shared;
use self::writer::Reports;
use crate::error::ConnectError;
use crate::identity::Identity;
use crate::lifecycle::orphan::{self, OrphanWatch};
use crate::messages::Post;
use crate::sys;

/// What a worker is, whatever connection it is on.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) introduction: Introduction,
    /// That of the app; else it is the master's.
    pub(crate) orphan_timeout: Option<Duration>,
    pub(crate) can_resume: bool,
    pub(crate) window: Option<u64>,
    /// Whether a lost connection is followed by another.
    pub(crate) comes_back: bool,
}

/// Starts the task of a welcomed connection, and the watch for its end.
pub(crate) fn start(
    welcomed: MasterConnection,
    identity: Identity,
    terms: Terms,
) -> Result<Arc<Shared>, ConnectError> {
    let limit = frame_limit(welcomed.session.limits.max_frame_bytes);
    let grace = terms.grace(&welcomed);
    let post = Post::new(terms.window, &welcomed.session.capabilities, limit);
    let (line, channel) = Channel::new(post);
    let (status, statuses) = watch::channel(worker_frame::Body::Status(Default::default()));
    let (progress, progresses) = watch::channel(None);
    let outbox = Outbox::new(line, status, progress);
    let shared = Arc::new(Shared::under_master(identity, outbox, terms.can_resume));
    let master = welcomed.master;
    let bell = sys::terminate_bell(master).map_err(ConnectError::OrphanWatch)?;
    let signalled = Arc::downgrade(&shared);
    let rung = move || {
        if let Some(shared) = signalled.upgrade() {
            tracing::info!(target: "drover::worker", "SIGTERM, and not of the master: asked to leave");
            shared.signalled();
        }
    };
    let is_own_master = u32::try_from(master) == Ok(process::id());
    let leaving = shared.leaving.clone();
    let watch = OrphanWatch::start(&welcomed.stream, leaving, grace, is_own_master, bell, rung)
        .map_err(ConnectError::OrphanWatch)?;
    let first = terms.first_words(&channel.post, false);
    let live = Live::new(welcomed, channel, first);
    let link = Link { shared: Arc::clone(&shared), terms, watch, grace, given_up: None };
    tokio::spawn(link.run(live, (statuses, progresses)));
    Ok(shared)
}

impl Terms {
    /// How long the process may live once the connection has ended.
    fn grace(&self, welcomed: &MasterConnection) -> Duration {
        let limits = welcomed.session.limits;
        self.orphan_timeout
            .unwrap_or_else(|| orphan::default_timeout(limits.drain_timeout_ms, limits.quit_timeout_ms))
    }

    /// What is said on a new connection before all else.
    fn first_words(&self, post: &Post, is_started: bool) -> Vec<WorkerFrame> {
        let mut words = Vec::new();
        if let (Some(window), Ok(())) = (self.window, post.check_carried()) {
            words.push(worker_frame::Body::Consumed(Consumed { bytes: 0, window }));
            let topics = post.subscriptions.all().into_iter();
            words.extend(topics.map(|topic| worker_frame::Body::Subscribe(Subscribe { topic })));
        }
        if is_started {
            words.push(worker_frame::Body::Started(Started {}));
        }
        words.into_iter().map(|body| WorkerFrame { body: Some(body), ..Default::default() }).collect()
    }
}

/// One connection after the other; the end of the last is the end of the master's rule.
struct Link {
    shared: Arc<Shared>,
    terms: Terms,
    watch: Arc<OrphanWatch>,
    /// How long the process may live once the last connection has ended.
    grace: Duration,
    /// The search for another master that found none.
    given_up: Option<Comeback>,
}

impl Link {
    async fn run(mut self, mut live: Live, mut reports: Reports) {
        loop {
            let post = Arc::clone(&live.channel.post);
            let end = live.carry(&self.shared, self.terms.can_resume, &mut reports).await;
            let ended = now();
            self.watch.end_connection();
            if self.shared.leaving.is_announced() || !self.terms.comes_back || !is_loss(&end) {
                return tell_the_end(&end);
            }
            tracing::warn!(target: "drover::worker", ?end, "connection lost: looking for a master on the same socket");
            let (line, channel) = Channel::new(post.of_next_connection());
            self.shared.connection_lost(line);
            post.lose();
            let mut search = Comeback::new(ended, self.grace);
            match self.come_back(&mut search, channel, &mut reports).await {
                Ok(next) => live = next,
                Err(why) => {
                    tracing::warn!(target: "drover::worker", "gave up: {why}; draining, then leaving");
                    self.given_up = Some(search);
                    return;
                }
            }
        }
    }

    /// Looks for a master until there is one, or gives up and tells why.
    async fn come_back(
        &mut self,
        search: &mut Comeback,
        channel: Channel,
        reports: &mut Reports,
    ) -> Result<Live, String> {
        loop {
            let outcome = match handshake::reach(&self.terms.introduction).await {
                Err(error) => (Outcome::of_errno(error.raw_os_error()), error.to_string()),
                Ok(stream) => {
                    search.connected();
                    self.watch.socket_is_held();
                    let introduced = handshake::introduce(stream, &self.terms.introduction);
                    let introduced = match search.deadline() {
                        Some(deadline) => tokio::time::timeout_at(deadline.into(), introduced).await,
                        None => Ok(introduced.await),
                    };
                    match introduced {
                        Ok(Ok(welcomed)) => return self.connected_again(welcomed, channel, reports),
                        Ok(Err(error)) if is_unheard(&error) => (Outcome::Ended, error.to_string()),
                        Ok(Err(error)) => return Err(error.to_string()),
                        Err(_) => return Err("nobody has answered in time".to_owned()),
                    }
                }
            };
            let (outcome, why) = outcome;
            let pause = search.pause_after(outcome, now()).ok_or(why)?;
            tokio::time::sleep(pause).await;
            if self.shared.leaving.is_announced() {
                return Err("the worker has said ShutDown".to_owned());
            }
        }
    }

    fn connected_again(
        &mut self,
        welcomed: MasterConnection,
        mut channel: Channel,
        (statuses, _): &mut Reports,
    ) -> Result<Live, String> {
        self.grace = self.terms.grace(&welcomed);
        self.watch.connected_again(&welcomed.stream, self.grace).map_err(|error| error.to_string())?;
        sys::follow_master(welcomed.master);
        let capabilities = &welcomed.session.capabilities;
        let limit = frame_limit(welcomed.session.limits.max_frame_bytes);
        if !channel.post.fits(capabilities, limit) {
            // What was said meanwhile was said to another kind of master.
            let (line, instead) = Channel::new(channel.post.of_next_master(capabilities, limit));
            self.shared.connection_lost(line);
            channel.post.lose();
            channel = instead;
        }
        let status = statuses.borrow().clone();
        if status != worker_frame::Body::Status(Default::default()) {
            statuses.mark_changed();
        }
        let is_started = self.shared.connected_again();
        let first = self.terms.first_words(&channel.post, is_started);
        tracing::info!(target: "drover::worker", pid = welcomed.master, "connected again to pid {}", welcomed.master);
        Ok(Live::new(welcomed, channel, first))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.watch.end_connection();
        if let Some(outbox) = &self.shared.outbox {
            outbox.line().post.close();
        }
        let end_of_process = match &self.given_up {
            Some(search) => search.end_of_process(now()),
            None => now().checked_add(self.grace),
        };
        self.shared.master_gone(end_of_process);
    }
}

/// Whether the connection ended without a fault of what was said on it.
fn is_loss(end: &Result<(), CodecError>) -> bool {
    match end {
        Ok(()) | Err(CodecError::Frame(FrameError::Truncated { .. })) => true,
        // An error of the system, and not one of the reader.
        Err(CodecError::Io(error)) => error.raw_os_error().is_some(),
        Err(_) => false,
    }
}

/// Whether another try may be better: the connection has ended, or the master has not seen the end of the old one yet.
fn is_unheard(error: &ConnectError) -> bool {
    match error {
        ConnectError::Rejected(HandshakeError::Refused { code, .. }) => *code == RejectCode::TokenInUse,
        error => handshake::has_ended(error),
    }
}

fn tell_the_end(end: &Result<(), CodecError>) {
    match end {
        Ok(()) => tracing::debug!(target: "drover::worker", "the connection to the master ended"),
        Err(error) => tracing::warn!(target: "drover::worker", ?error, "the connection to the master failed"),
    }
}

/// By tokio's clock, which a test may stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
