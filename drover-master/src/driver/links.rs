//! The driver's dealings with workers over the protocol: let in, heard, told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use drover_proto::codec::encode_frame;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{
    ErrorCode, Identity as WireIdentity, Limits, MasterFrame, Ping, Quit, RejectCode, Resume, Stop,
    master_frame,
};
use tokio::sync::{mpsc, oneshot};

use super::Driver;
use super::contact::{HandshakeRefusal, HelloAnswer};
use crate::bus::Peer;
use crate::frames::error_frame;
use crate::ids::WorkerId;
use crate::link::{
    ConnectionId, ConnectionNews, LinkNews, RefusalKind, Seat, Token, WorkerAdmission, outgoing,
};
use crate::machine::fleet::FleetInput;
use crate::machine::phase::Phase;
use crate::machine::worker::{WorkerAction, WorkerInput, WorkerReport};
use crate::patience::within;

/// How many refusals are kept for processes whose news has not come yet. Only workers in creation can need one, and
/// strangers can make as many as they like.
const EARLY_REFUSALS: usize = 64;

/// How long a claim may wait for the news that the worker's old connection is lost. That is on its way already if the worker
/// closed it; if not, this is a second connection.
const OLD_CONNECTION: Duration = Duration::from_secs(1);

impl Driver {
    /// Returns what is to be dropped once this has had its effect.
    pub(super) fn link_news(
        &mut self,
        now: Instant,
        LinkNews { connection, news }: LinkNews,
    ) -> Option<oneshot::Sender<()>> {
        match news {
            ConnectionNews::Claimed { token, sdk, can_resume, takes_messages, answer } => {
                if let Some(id) = self.claimed(now, connection, &token, &sdk, takes_messages, answer) {
                    let input = WorkerInput::SaidCapable { resume: can_resume };
                    self.feed(now, FleetInput::Worker { id, input });
                }
            }
            ConnectionNews::Refused { token, peer, trouble, kind } => {
                let refusal = HandshakeRefusal { trouble, kind };
                let by_token = token.and_then(|token| self.tokens.get(&token).copied());
                let whose = by_token.or_else(|| peer.and_then(|pid| self.worker_of_process(pid)));
                match whose.and_then(|id| Some((id, self.contacts.get_mut(&id)?))) {
                    Some((_, contact)) if contact.tree.is_none() => contact.early_refusal = Some(refusal),
                    Some((id, _)) => self.refused(now, id, refusal),
                    // A stranger, or a worker that was faster than the news of its process.
                    None => {
                        let in_creation = self.contacts.values().any(|contact| contact.tree.is_none());
                        match peer {
                            Some(peer) if in_creation && self.early_refusals.len() < EARLY_REFUSALS => {
                                self.early_refusals.push((peer, refusal));
                            }
                            _ => self.stranger_refused(refusal.trouble),
                        }
                    }
                }
            }
            ConnectionNews::Said { said, seq, taken } => {
                let id = self.connections.get(&connection).copied();
                // An Error about anything but what it was asked last changes nothing.
                let matters = |id: &WorkerId| match &said {
                    WorkerReport::Failed { asked, .. } => {
                        self.contacts.get(id).is_some_and(|contact| contact.asked == Some(*asked))
                    }
                    _ => true,
                };
                if let Some(id) = id.filter(matters) {
                    self.feed(now, FleetInput::Worker { id, input: WorkerInput::Said { said, seq } });
                }
                return taken;
            }
            ConnectionNews::Lost { trouble } => {
                let id = self.connections.remove(&connection)?;
                let (mut ended, mut back) = (None, None);
                if let Some(contact) = self.contacts.get_mut(&id) {
                    contact.link = None;
                    ended = contact.ended.take();
                    back = contact.early.take();
                }
                if let Some(ended) = ended {
                    self.ended(now, id, ended);
                    return None;
                }
                let input = match trouble {
                    Some(trouble) => WorkerInput::ProtocolBroken { trouble },
                    None => WorkerInput::Disconnected,
                };
                self.feed(now, FleetInput::Worker { id, input });
                if let Some((connection, answer)) = back {
                    self.admit(now, connection, id, answer);
                }
            }
        }
        None
    }

    /// A worker was turned away in the handshake.
    pub(super) fn refused(&mut self, now: Instant, id: WorkerId, refusal: HandshakeRefusal) {
        let HandshakeRefusal { trouble, kind } = refusal;
        let tree = self.contacts.get(&id).and_then(|contact| contact.tree.as_ref());
        if kind == RefusalKind::Silent && tree.is_some_and(|tree| tree.has_ended()) {
            // It died before it could say anything, as while there was no master: its end tells that.
            return;
        }
        // Its own first word can't be understood, so it will never be ready: better told now than at the deadline.
        let never = kind == RefusalKind::Final
            && self.fleet.worker(id).is_some_and(|worker| worker.phase() == Phase::Starting);
        let input = if never {
            WorkerInput::ProtocolBroken { trouble }
        } else {
            WorkerInput::HandshakeRefused { trouble }
        };
        self.feed(now, FleetInput::Worker { id, input });
    }

    /// Tells whose claim it is, if it is one.
    fn claimed(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        token: &Token,
        sdk: &str,
        takes_messages: bool,
        answer: HelloAnswer,
    ) -> Option<WorkerId> {
        let Some(id) = self.tokens.get(token).copied() else {
            let message =
                "the token belongs to no living worker; only processes started by this master may connect";
            let _ = answer.send(Err((RejectCode::UnknownToken, message.to_owned())));
            return None;
        };
        let contact = self.contacts.get_mut(&id)?;
        // One whose time is over does not wait any more.
        let is_claimed = contact.early.as_ref().is_some_and(|(_, waiting)| !waiting.is_closed());
        if is_claimed {
            let _ = answer.send(Err(token_in_use()));
            return None;
        }
        tracing::debug!(target: "drover::protocol", worker = id.0, connection = connection.0, sdk, "← Hello");
        contact.takes_messages = takes_messages;
        if contact.link.is_some() {
            // Perhaps it comes back, and was faster than the news that its old connection is lost.
            contact.early = Some((connection, answer_in_time(answer)));
        } else if contact.tree.is_none() {
            contact.early = Some((connection, answer));
        } else {
            self.admit(now, connection, id, answer);
        }
        Some(id)
    }

    pub(super) fn admit(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        id: WorkerId,
        answer: HelloAnswer,
    ) {
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        let Some(edition) = self.editions.get(&contact.identity.generation) else { return };
        let spec = &edition.spec;
        let (sender, receiver) = outgoing();
        let is_ready = self.fleet.worker(id).is_some_and(|worker| worker.phase() == Phase::Started);
        let peer = Arc::new(Peer::new(contact.identity, contact.takes_messages, is_ready));
        let (start, stop) = (&spec.start, &spec.stop);
        let admission = WorkerAdmission {
            identity: WireIdentity {
                app: spec.name.clone(),
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
            heartbeat_interval: spec
                .heartbeat
                .as_ref()
                .map_or(Duration::ZERO, |heartbeat| heartbeat.interval),
            capabilities: self.bus.capabilities(),
            outgoing: receiver,
            seat: Seat { exchange: Arc::clone(&self.bus), peer: Arc::clone(&peer) },
        };
        // First, so that it leaves after it has come.
        self.bus.join(peer);
        // The peer may have gone while its claim was judged; then nothing happened.
        if answer.send(Ok(admission)).is_ok() {
            contact.link = Some((connection, sender));
            self.connections.insert(connection, id);
            self.feed(now, FleetInput::Worker { id, input: WorkerInput::Connected });
        }
    }

    pub(super) fn worker_action(&mut self, now: Instant, id: WorkerId, action: WorkerAction) {
        match action {
            WorkerAction::SendStop { deadline } => {
                let stop = Stop { deadline_ms: milliseconds(deadline) };
                self.send(now, id, "Stop", master_frame::Body::Stop(stop));
            }
            WorkerAction::SendResume { deadline } => {
                let resume = Resume { deadline_ms: milliseconds(deadline) };
                self.send(now, id, "Resume", master_frame::Body::Resume(resume));
            }
            WorkerAction::SendQuit { deadline } => {
                let quit = Quit { deadline_ms: milliseconds(deadline) };
                self.send(now, id, "Quit", master_frame::Body::Quit(quit));
            }
            WorkerAction::StartProbe => self.start_probe(id),
            WorkerAction::LookWhetherStopped => self.look_whether_stopped(now, id),
            WorkerAction::Ask { question, number } => self.ask(id, question, number),
            WorkerAction::EmptyQueue => self.empty_queue(now, id),
            WorkerAction::SendPing => self.send(now, id, "Ping", master_frame::Body::Ping(Ping {})),
            WorkerAction::RefuseMessage { said, seq, during } => {
                let message = format!("{said} has no place while {}", during.name().replace('_', " "));
                tracing::debug!(target: "drover::protocol", worker = id.0, "→ Error");
                self.bus.owe(id, error_frame(seq, ErrorCode::BadState, &message));
            }
            WorkerAction::Signal { signal } => {
                // It is on its way out: nobody asks any more whether it is ready.
                self.end_probe(id);
                self.signal(id, signal);
            }
            WorkerAction::SignalMain { signal } => {
                self.end_probe(id);
                self.signal_first(id, signal);
            }
            WorkerAction::AbandonRest => self.abandon_rest(id),
            WorkerAction::Deliver { signal } => self.deliver(id, signal),
            WorkerAction::CloseLink => self.close_link(id),
            // The fleet has made events of these.
            WorkerAction::ReportPhase { .. }
            | WorkerAction::ReportDeadline { .. }
            | WorkerAction::ReportReloaded
            | WorkerAction::ReportNotReloaded { .. }
            | WorkerAction::ReportNotReady { .. }
            | WorkerAction::ReportOutOfOrder { .. }
            | WorkerAction::ReportRefused { .. }
            | WorkerAction::ReportUnready { .. }
            | WorkerAction::ReportReadyAgain
            | WorkerAction::ReportUnkillable => {}
        }
    }

    fn send(&mut self, now: Instant, id: WorkerId, name: &'static str, body: master_frame::Body) {
        let seq = self.bus.next_seq();
        let expects_reply = matches!(body, master_frame::Body::Ping(_));
        if !expects_reply && let Some(contact) = self.contacts.get_mut(&id) {
            contact.asked = Some(seq);
        }
        let frame = MasterFrame { seq, expects_reply, body: Some(body), ..Default::default() };
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
            self.feed(now, FleetInput::Worker { id, input: WorkerInput::ProtocolBroken { trouble } });
        }
    }

    /// Letting go of the queue ends the writer, and with it the connection.
    pub(super) fn close_link(&mut self, id: WorkerId) {
        if let Some((connection, _)) = self.contacts.get_mut(&id).and_then(|contact| contact.link.take()) {
            self.connections.remove(&connection);
        }
    }
}

fn token_in_use() -> (RejectCode, String) {
    let message = "the token's worker is connected already; a second connection is not taken";
    (RejectCode::TokenInUse, message.to_owned())
}

/// An answer that becomes a refusal if it is not given in time.
fn answer_in_time(answer: HelloAnswer) -> HelloAnswer {
    let (sender, mut given) = oneshot::channel();
    tokio::spawn(async move {
        let verdict = match within(OLD_CONNECTION, &mut given).await {
            Some(verdict) => verdict.ok(),
            None => {
                // Closed first: whoever admits it at this very moment either hears that it is too late, or is heard.
                given.close();
                Some(given.try_recv().unwrap_or_else(|_| Err(token_in_use())))
            }
        };
        // Without a verdict the worker is gone, and the connection ends without an answer.
        if let Some(verdict) = verdict {
            let _ = answer.send(verdict);
        }
    });
    sender
}

/// At least 1: on the wire 0 would mean that there is no deadline.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::contact::Contact;
    use super::*;
    use crate::config::AppSpec;
    use crate::config::Command;
    use crate::handle::event_log::EventLog;
    use crate::ids::{Generation, SlotIndex};
    use crate::listener::ListenerPool;
    use crate::machine::worker::Identity;

    const OLD: ConnectionId = ConnectionId(1);
    const NEW: ConnectionId = ConnectionId(2);

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// A driver whose one worker is connected, and the worker's token.
    fn connected() -> (Driver, Token) {
        let spec = AppSpec::new("web", Command::new("true"));
        let (_, mut driver) =
            Driver::new(spec, None, None, EventLog::new(), None, ListenerPool::default(), None);
        let (id, token) = (WorkerId(1), Token::random().unwrap());
        let identity = Identity { id, slot: SlotIndex(0), generation: Generation(1) };
        let link = Some((OLD, outgoing().0));
        let contact = Contact { link, ..Contact::new(identity, Some(token.clone())) };
        driver.contacts.insert(id, contact);
        driver.tokens.insert(token.clone(), id);
        driver.connections.insert(OLD, id);
        (driver, token)
    }

    type HelloAnswered = oneshot::Receiver<Result<WorkerAdmission, (RejectCode, String)>>;

    fn claim(driver: &mut Driver, connection: ConnectionId, token: &Token) -> HelloAnswered {
        let (answer, answered) = oneshot::channel();
        let news = ConnectionNews::Claimed {
            token: token.clone(),
            sdk: String::new(),
            can_resume: false,
            takes_messages: false,
            answer,
        };
        driver.link_news(now(), LinkNews { connection, news });
        answered
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_comes_back_faster_than_the_news_of_its_loss_is_let_in() {
        let (mut driver, token) = connected();
        let answered = claim(&mut driver, NEW, &token);
        driver.link_news(now(), LinkNews { connection: OLD, news: ConnectionNews::Lost { trouble: None } });
        assert!(answered.await.unwrap().is_ok());
        assert_eq!(driver.connections.keys().collect::<Vec<_>>(), [&NEW]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_connection_beside_the_first_is_refused_and_takes_no_place() {
        let (mut driver, token) = connected();
        for connection in [NEW, ConnectionId(3)] {
            let refused = claim(&mut driver, connection, &token).await.unwrap();
            assert_eq!(refused.err().map(|(code, _)| code), Some(RejectCode::TokenInUse));
        }
        driver.link_news(now(), LinkNews { connection: OLD, news: ConnectionNews::Lost { trouble: None } });
        assert!(driver.connections.is_empty());
        let answered = claim(&mut driver, ConnectionId(4), &token);
        assert!(driver.contacts[&WorkerId(1)].early.is_some(), "its process is not known");
        drop(answered);
    }
}
