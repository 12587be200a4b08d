//! What the driver does to the world, and how the world's news become the fleet's inputs.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use drover_proto::codec::encode_frame;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{
    ErrorCode, Identity as WireIdentity, Limits, MasterFrame, Quit, RejectCode, Stop, master_frame,
};
use tokio::sync::{mpsc, oneshot};

use super::driver::{Driver, ProcessNews};
use crate::config::{Output, Protocol};
use crate::link::{Admission, ConnectionId, LinkNews, News, Outgoing, Token, error_frame, outgoing};
use crate::machine::fleet::FleetInput;
use crate::machine::ids::WorkerId;
use crate::machine::phase::Phase;
use crate::machine::worker::{Identity, WorkerAction, WorkerInput};
use crate::process::{Ended, OutputReader, SpawnFailure, SpawnRequest, Spawned, Tail, Tree, spawn, watch};

/// What the driver holds of one worker.
#[derive(Debug)]
pub(super) struct Contact {
    identity: Identity,
    token: Option<Token>,
    /// Its process, once it is made.
    tree: Option<Arc<Tree>>,
    link: Option<(ConnectionId, Outgoing)>,
    /// A Hello that was faster than the news of the process it comes from.
    early: Option<(ConnectionId, Answer)>,
    /// The end of its process, while what it said last may still be on its way.
    ended: Option<Ended>,
}

/// A peer that was turned away before the news of its process came; see [`Driver::refused`].
#[derive(Debug)]
pub(super) struct EarlyRefusal {
    peer: u32,
    trouble: Arc<str>,
    is_final: bool,
}

/// How long the connection of an ended worker is read on. Usually its end is there at once; a grandchild may hold it open
/// for ever, and an exit is never tied to that.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How many of those are kept. Only workers in creation can need one, and strangers can make as many as they like.
const EARLY_REFUSALS: usize = 64;

type Answer = oneshot::Sender<Result<Admission, (RejectCode, String)>>;

impl Driver {
    pub(super) fn spawn(&mut self, identity: Identity) {
        let id = identity.id;
        let token = match self.spec.protocol {
            Protocol::Drover => match Token::random() {
                Ok(token) => Some(token),
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(libc::EIO);
                    let sentence = format!("no random bits for its token: {error}");
                    let failure =
                        SpawnFailure { step: crate::machine::exit::SpawnStep::Prepare, errno, sentence };
                    // Through the queue as every other result, so that the fleet is not entered twice.
                    let news = ProcessNews::Made { id, result: Err(failure) };
                    let sender = self.process_sender.clone();
                    tokio::spawn(async move { sender.send(news).await });
                    None
                }
            },
            Protocol::None => None,
        };
        let words = self.words(identity, token.as_ref());
        if let Some(token) = &token {
            self.tokens.insert(token.clone(), id);
        }
        let needs_token = self.spec.protocol == Protocol::Drover;
        let is_refused = needs_token && token.is_none();
        self.contacts
            .insert(id, Contact { identity, token, tree: None, link: None, early: None, ended: None });
        if is_refused {
            return;
        }
        let sender = self.process_sender.clone();
        spawn(SpawnRequest {
            command: self.spec.command.clone(),
            output: self.spec.output.clone(),
            words,
            sockets: self.listeners.iter().map(|listener| Arc::clone(&listener.socket)).collect(),
            parent_death_signal: (!needs_token).then_some(libc::SIGKILL),
            // On the spawner's thread, which may wait for room. Without a driver the process is dropped, and so killed.
            done: Box::new(move |result| drop(sender.blocking_send(ProcessNews::Made { id, result }))),
        });
    }

    /// What the worker is told through its environment.
    fn words(&self, identity: Identity, token: Option<&Token>) -> Vec<(&'static str, OsString)> {
        let mut words: Vec<(&'static str, OsString)> = vec![
            ("DROVER_APP", self.spec.name.clone().into()),
            ("DROVER_SLOT", identity.slot.to_string().into()),
            ("DROVER_GENERATION", identity.generation.to_string().into()),
            ("DROVER_WORKER_ID", identity.id.to_string().into()),
        ];
        if let (Some(server), Some(token)) = (&self.link_server, token) {
            words.push(("DROVER_SOCKET", server.path().into()));
            words.push(("DROVER_TOKEN", token.as_str().into()));
        }
        if !self.listeners.is_empty() {
            let names: Vec<&str> = self.listeners.iter().map(|listener| listener.name.as_str()).collect();
            words.push(("LISTEN_FDS", self.listeners.len().to_string().into()));
            words.push(("LISTEN_FDNAMES", names.join(":").into()));
        }
        words
    }

    pub(super) fn process_news(&mut self, now: Instant, news: ProcessNews) {
        match news {
            ProcessNews::Made { id, result: Ok(spawned) } => self.made(now, id, spawned),
            ProcessNews::Made { id, result: Err(failure) } => {
                let SpawnFailure { step, errno, sentence } = failure;
                let input = WorkerInput::SpawnFailed { step, errno, detail: Some(sentence.into()) };
                self.fleet.handle(now, FleetInput::Worker { id, input });
            }
            ProcessNews::Ended { id, ended } => {
                if ended.has_survivors {
                    tracing::error!(target: "drover::process", worker = id.0, "processes of its group survived SIGKILL");
                }
                // What it said last comes by another way than its end, and may be behind it: a Started, for instance.
                match self.contacts.get_mut(&id) {
                    Some(contact) if contact.link.is_some() => {
                        contact.ended = Some(ended);
                        let sender = self.process_sender.clone();
                        tokio::spawn(async move {
                            tokio::time::sleep(LAST_WORDS).await;
                            let _ = sender.send(ProcessNews::SaidNoMore { id }).await;
                        });
                    }
                    _ => self.ended(now, id, ended),
                }
            }
            ProcessNews::SaidNoMore { id } => {
                if let Some(ended) = self.contacts.get_mut(&id).and_then(|contact| contact.ended.take()) {
                    self.ended(now, id, ended);
                }
            }
        }
    }

    fn ended(&mut self, now: Instant, id: WorkerId, ended: Ended) {
        let Ended { status, usage, stderr_tail, .. } = ended;
        let input = WorkerInput::Exited { status, usage, stderr_tail };
        self.fleet.handle(now, FleetInput::Worker { id, input });
    }

    fn made(&mut self, now: Instant, id: WorkerId, spawned: Spawned) {
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        let Spawned { tree, stdout, stderr } = spawned;
        let tree = Arc::new(tree);
        contact.tree = Some(Arc::clone(&tree));
        let early = contact.early.take();
        let (slot, pid) = (contact.identity.slot.0, tree.pid());
        let output = self.read_output(slot, stdout, stderr);
        let sender = self.process_sender.clone();
        tokio::spawn(async move {
            let ended = watch(tree, output).await;
            // Without a driver nobody wants to know.
            let _ = sender.send(ProcessNews::Ended { id, ended }).await;
        });
        self.fleet.handle(now, FleetInput::Worker { id, input: WorkerInput::Spawned { pid } });
        let mut refused = None;
        self.early_refusals.retain(|early| {
            let is_its_own = early.peer == pid;
            if is_its_own {
                refused = Some((Arc::clone(&early.trouble), early.is_final));
            }
            !is_its_own
        });
        if !self.early_refusals.is_empty() && self.contacts.values().all(|contact| contact.tree.is_some()) {
            // The rest came from strangers.
            self.early_refusals.clear();
        }
        if let Some((trouble, is_final)) = refused {
            self.refused(now, id, trouble, is_final);
        }
        if let Some((connection, answer)) = early {
            self.admit(now, connection, id, answer);
        }
    }

    fn read_output(
        &self,
        slot: u32,
        stdout: Option<OwnedFd>,
        stderr: Option<OwnedFd>,
    ) -> Option<(tokio::task::JoinHandle<()>, Arc<Tail>)> {
        if matches!(self.spec.output, Output::Inherit) {
            return None;
        }
        let tail = Arc::new(Tail::default());
        let reader = OutputReader {
            app: Arc::clone(&self.app),
            slot,
            output: self.spec.output.clone(),
            tail: Arc::clone(&tail),
        };
        Some((tokio::spawn(reader.run(stdout, stderr)), tail))
    }

    pub(super) fn link_news(&mut self, now: Instant, LinkNews { connection, news }: LinkNews) {
        match news {
            News::Claimed { token, sdk, answer } => self.claimed(now, connection, &token, &sdk, answer),
            News::Refused { token, peer, trouble, is_final } => {
                let by_token = token.and_then(|token| self.tokens.get(&token).copied());
                match by_token.or_else(|| peer.and_then(|pid| self.worker_of_process(pid))) {
                    Some(id) => self.refused(now, id, trouble, is_final),
                    // A stranger, or a worker that was faster than the news of its process.
                    None => {
                        let in_creation = self.contacts.values().any(|contact| contact.tree.is_none());
                        if let Some(peer) = peer
                            && in_creation
                            && self.early_refusals.len() < EARLY_REFUSALS
                        {
                            self.early_refusals.push(EarlyRefusal { peer, trouble, is_final });
                        }
                    }
                }
            }
            News::Said { said, seq } => {
                if let Some(id) = self.connections.get(&connection).copied() {
                    self.fleet.handle(now, FleetInput::Worker { id, input: WorkerInput::Said { said, seq } });
                }
            }
            News::Lost { trouble } => {
                let Some(id) = self.connections.remove(&connection) else { return };
                let mut ended = None;
                if let Some(contact) = self.contacts.get_mut(&id) {
                    contact.link = None;
                    ended = contact.ended.take();
                }
                if let Some(ended) = ended {
                    return self.ended(now, id, ended);
                }
                let input = match trouble {
                    Some(trouble) => WorkerInput::ProtocolBroken { trouble },
                    None => WorkerInput::Disconnected,
                };
                self.fleet.handle(now, FleetInput::Worker { id, input });
            }
        }
    }

    /// A worker was turned away in the handshake.
    fn refused(&mut self, now: Instant, id: WorkerId, trouble: Arc<str>, is_final: bool) {
        // Its own first word can't be understood, so it will never be ready: better told now than at the deadline.
        let never = is_final && self.fleet.worker(id).is_some_and(|worker| worker.phase() == Phase::Starting);
        let input = if never {
            WorkerInput::ProtocolBroken { trouble }
        } else {
            WorkerInput::HandshakeRefused { trouble }
        };
        self.fleet.handle(now, FleetInput::Worker { id, input });
    }

    fn claimed(&mut self, now: Instant, connection: ConnectionId, token: &Token, sdk: &str, answer: Answer) {
        let Some(id) = self.tokens.get(token).copied() else {
            let message =
                "the token belongs to no living worker; only processes started by this master may connect";
            let _ = answer.send(Err((RejectCode::UnknownToken, message.to_owned())));
            return;
        };
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        if contact.link.is_some() || contact.early.is_some() {
            let message = "the token's worker is connected already; a second connection is not taken";
            let _ = answer.send(Err((RejectCode::TokenInUse, message.to_owned())));
            return;
        }
        tracing::debug!(target: "drover::protocol", worker = id.0, connection = connection.0, sdk, "← Hello");
        if contact.tree.is_none() {
            contact.early = Some((connection, answer));
        } else {
            self.admit(now, connection, id, answer);
        }
    }

    fn admit(&mut self, now: Instant, connection: ConnectionId, id: WorkerId, answer: Answer) {
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        let (sender, receiver) = outgoing();
        let (start, stop) = (&self.spec.start, &self.spec.stop);
        let admission = Admission {
            identity: WireIdentity {
                app: self.spec.name.clone(),
                slot: contact.identity.slot.0,
                generation: contact.identity.generation.0,
                worker_id: id.0,
            },
            limits: Limits {
                max_frame_bytes: FrameLimit::WORKER.bytes(),
                start_timeout_ms: milliseconds(start.timeout),
                drain_timeout_ms: milliseconds(stop.drain_timeout),
                quit_timeout_ms: milliseconds(stop.quit_timeout),
            },
            outgoing: receiver,
        };
        // The peer may have gone while its claim was judged; then nothing happened.
        if answer.send(Ok(admission)).is_ok() {
            contact.link = Some((connection, sender));
            self.connections.insert(connection, id);
            self.fleet.handle(now, FleetInput::Worker { id, input: WorkerInput::Connected });
        }
    }

    pub(super) fn worker_action(&mut self, now: Instant, id: WorkerId, action: WorkerAction) {
        match action {
            WorkerAction::SendStop { deadline } => {
                let stop = Stop { deadline_ms: milliseconds(deadline) };
                self.send(now, id, "Stop", master_frame::Body::Stop(stop));
            }
            WorkerAction::SendQuit { deadline } => {
                let quit = Quit { deadline_ms: milliseconds(deadline) };
                self.send(now, id, "Quit", master_frame::Body::Quit(quit));
            }
            WorkerAction::RefuseMessage { said, seq, during } => {
                let message = format!("{said} has no place while {}", during.name().replace('_', " "));
                self.send_frame(now, id, "Error", error_frame(seq, ErrorCode::BadState, &message));
            }
            WorkerAction::Signal { signal } => self.signal(id, signal),
            WorkerAction::CloseLink => self.close_link(id),
            // The fleet has made events of these.
            WorkerAction::ReportPhase { .. }
            | WorkerAction::ReportDeadline { .. }
            | WorkerAction::ReportUnkillable => {}
        }
    }

    fn send(&mut self, now: Instant, id: WorkerId, name: &'static str, body: master_frame::Body) {
        self.last_seq += 1;
        let frame = MasterFrame { seq: self.last_seq, body: Some(body), ..Default::default() };
        let frame =
            encode_frame(&frame, FrameLimit::WORKER).expect("a message of a few numbers is below the limit");
        self.send_frame(now, id, name, frame);
    }

    fn send_frame(&mut self, now: Instant, id: WorkerId, name: &'static str, frame: Bytes) {
        let Some((connection, outgoing)) = self.contacts.get(&id).and_then(|contact| contact.link.as_ref())
        else {
            return;
        };
        tracing::debug!(target: "drover::protocol", worker = id.0, connection = connection.0, "→ {name}");
        if let Err(mpsc::error::TrySendError::Full(_)) = outgoing.try_send(frame) {
            let trouble = "it does not read: its queue of messages is full".into();
            self.fleet.handle(now, FleetInput::Worker { id, input: WorkerInput::ProtocolBroken { trouble } });
        }
    }

    fn signal(&self, id: WorkerId, signal: i32) {
        let Some(tree) = self.contacts.get(&id).and_then(|contact| contact.tree.as_ref()) else { return };
        tracing::debug!(target: "drover::process", worker = id.0, pid = tree.pid(), signal, "signal");
        if let Err(error) = tree.signal(signal) {
            tracing::error!(target: "drover::process", %error, worker = id.0, pid = tree.pid(), signal, "can't signal");
        }
    }

    /// Letting go of the queue ends the writer, and with it the connection.
    fn close_link(&mut self, id: WorkerId) {
        if let Some((connection, _)) = self.contacts.get_mut(&id).and_then(|contact| contact.link.take()) {
            self.connections.remove(&connection);
        }
    }

    pub(super) fn forget(&mut self, id: WorkerId) {
        self.close_link(id);
        if let Some(token) = self.contacts.remove(&id).and_then(|contact| contact.token) {
            self.tokens.remove(&token);
        }
    }

    fn worker_of_process(&self, pid: u32) -> Option<WorkerId> {
        let owns = |contact: &Contact| contact.tree.as_ref().is_some_and(|tree| tree.pid() == pid);
        self.contacts.iter().find(|(_, contact)| owns(contact)).map(|(id, _)| *id)
    }
}

/// At least 1: on the wire 0 would mean that there is no deadline.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
