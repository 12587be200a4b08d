//! What a worker says on the bus, and whom it is for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drover_proto::bus::{Direction, MessageView, Outbound, OutboundBody, REQUEST_TIMEOUT, View, ViewBody};
use drover_proto::latest::{Accepted, ErrorCode, Scope, master_frame};
use tokio::time::Instant;

use super::answer::{Answer, NoReply};
use super::error::{MessageRefusal, check};
use super::exchange::{Exchange, SUBSCRIPTIONS};
use super::handler::{Message, Responder};
use super::keep::Keep;
use super::ledger::{Answered, Asker, NotOpened, OPEN, Open};
use super::peer::{Peer, answer_frame};
use crate::frames::error_frame;
use crate::ids::{SlotIndex, WorkerId};

/// The longest deadline of a request: a day. More than a master can mean, and far below what a clock can add.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What follows from a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FollowUp {
    /// Nothing more.
    Done,
    /// This is its answer, to be sent before more is read.
    Answer(Bytes),
    /// It answers nothing that is open.
    Stray,
}

impl Exchange {
    /// A worker has sent a message, or a reply.
    pub(crate) fn heard(self: &Arc<Self>, peer: &Arc<Peer>, view: &View<'_>, keep: Keep<'_>) -> FollowUp {
        match &view.body {
            ViewBody::Message(message) => self.message(peer, view, message, keep),
            ViewBody::Reply { payload } => {
                let answer = match check("", payload.len()) {
                    Ok(()) => Ok(keep.keep(payload)),
                    Err(error) => {
                        Err(NoReply::Error(ErrorCode::Failed, format!("the reply was lost: {error}")))
                    }
                };
                self.answered(peer, view.reply_to, answer)
            }
        }
    }

    /// A worker has answered something.
    pub(crate) fn answered(&self, peer: &Peer, reply_to: u64, answer: Answer) -> FollowUp {
        let answered = peer.ledger().answered(reply_to);
        match answered {
            Answered::Owed(asker) => {
                self.answer(asker, answer);
                FollowUp::Done
            }
            Answered::Late => FollowUp::Done,
            Answered::Nothing => FollowUp::Stray,
        }
    }

    fn message(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        view: &View<'_>,
        message: &MessageView<'_>,
        keep: Keep<'_>,
    ) -> FollowUp {
        let is_request = view.expects_reply && !message.confirm;
        let result = match message.scope() {
            _ if view.expects_reply && view.seq == 0 => {
                Err(MessageRefusal::new(ErrorCode::InvalidArgument, "a frame without seq can't be answered"))
            }
            Scope::App => self.to_program(peer, view, message, keep, is_request),
            Scope::Worker | Scope::Slot => self.to_worker(peer, view, message, keep, is_request),
            Scope::All | Scope::Subscribers if is_request => Err(MessageRefusal::new(
                ErrorCode::InvalidArgument,
                "a request goes to one; set `confirm`, or send it without expects_reply",
            )),
            Scope::All | Scope::Subscribers => self.to_several(peer, message, keep),
            Scope::Unspecified => Err(MessageRefusal::new(
                ErrorCode::InvalidArgument,
                "the message has no scope that is known here",
            )),
        };
        if let Ok(accepted) = &result {
            let to = match message.scope() {
                Scope::All | Scope::Subscribers => accepted.delivered.into(),
                _ => 1,
            };
            self.traffic.delivered(to, message.payload.len());
        }
        match result {
            Ok(_) if is_request || !view.expects_reply => FollowUp::Done,
            Ok(accepted) => FollowUp::Answer(answer_frame(view.seq, master_frame::Body::Accepted(accepted))),
            Err(refusal) => {
                self.traffic.refused(1);
                tracing::debug!(
                    target: "drover::bus", app = &*self.app, worker = peer.identity.id.0, topic = message.topic,
                    reason = refusal.message, "message refused"
                );
                if view.seq == 0 {
                    return FollowUp::Done;
                }
                FollowUp::Answer(error_frame(view.seq, refusal.code, &refusal.message))
            }
        }
    }

    fn to_program(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        view: &View<'_>,
        message: &MessageView<'_>,
        keep: Keep<'_>,
        is_request: bool,
    ) -> Result<Accepted, MessageRefusal> {
        check(message.topic, message.payload.len())?;
        let Some(handler) = &self.handler else {
            let message = format!("the program that embeds the master of {} takes no messages", self.app);
            return Err(MessageRefusal::new(ErrorCode::Unimplemented, message));
        };
        let responder = if is_request {
            self.open(peer, view.seq, message.timeout_ms, None)?;
            Some(Responder::new(Arc::downgrade(&self.deadlines), Arc::downgrade(peer), view.seq))
        } else {
            None
        };
        let MessageView { topic, payload, .. } = *message;
        handler.call(Message { from: peer.identity, topic, payload, keep, responder });
        Ok(Accepted { delivered: 0, refused: 0 })
    }

    fn to_worker(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        view: &View<'_>,
        message: &MessageView<'_>,
        keep: Keep<'_>,
        is_request: bool,
    ) -> Result<Accepted, MessageRefusal> {
        check(message.topic, message.payload.len())?;
        let to = match message.scope() {
            Scope::Slot => self.slot(SlotIndex(message.slot))?,
            _ => self.worker(WorkerId(message.worker))?,
        };
        let body = body_from(peer, message);
        let payload = keep.keep(message.payload);
        if !is_request {
            let outbound = Outbound { body, ..Default::default() };
            to.mailbox.try_push(&outbound, payload).map_err(|refused| self.not_taken(&to, refused))?;
            return Ok(Accepted { delivered: 1, refused: 0 });
        }
        let seq = self.next_seq();
        // Owed first: its time may be over as soon as it is open, and then it is given up there.
        to.ledger().owe(seq, Asker::Worker(Arc::downgrade(peer), view.seq));
        if let Err(refusal) = self.open(peer, view.seq, message.timeout_ms, Some((Arc::downgrade(&to), seq)))
        {
            to.ledger().take_back(seq);
            return Err(refusal);
        }
        let outbound = Outbound { seq, expects_reply: true, body, ..Default::default() };
        if let Err(refused) = to.mailbox.try_push(&outbound, payload) {
            to.ledger().take_back(seq);
            // If its time was over at this very moment, it is answered already.
            if let Some(open) = peer.ledger().close(view.seq) {
                self.deadlines.remove(open.deadline, peer.identity.id, view.seq);
                return Err(self.not_taken(&to, refused).into());
            }
        }
        Ok(Accepted::default())
    }

    fn to_several(
        &self,
        peer: &Arc<Peer>,
        message: &MessageView<'_>,
        keep: Keep<'_>,
    ) -> Result<Accepted, MessageRefusal> {
        check(message.topic, message.payload.len())?;
        let peers = match message.scope() {
            Scope::Subscribers if message.topic.is_empty() => return Err(super::SendError::NoTopic.into()),
            Scope::Subscribers => self.subscribers(message.topic),
            _ => self.all(),
        };
        let outbound = Outbound { body: body_from(peer, message), ..Default::default() };
        let frame = outbound.encode(Direction::ToWorker, keep.keep(message.payload));
        let mut accepted = Accepted::default();
        for to in peers.iter().filter(|to| to.identity.id != peer.identity.id) {
            match to.mailbox.try_push_encoded(&frame) {
                Ok(()) => accepted.delivered += 1,
                Err(_) => accepted.refused += 1,
            }
        }
        self.traffic.refused(accepted.refused.into());
        Ok(accepted)
    }

    /// Notes a worker's request, until it is answered or its time is over.
    fn open(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        seq: u64,
        timeout_ms: u64,
        asked: Option<(std::sync::Weak<Peer>, u64)>,
    ) -> Result<(), MessageRefusal> {
        let after =
            if timeout_ms == 0 { REQUEST_TIMEOUT } else { Duration::from_millis(timeout_ms).min(LONGEST) };
        let deadline = Instant::now() + after;
        let opened = peer.ledger().open(seq, Open { deadline, asked });
        opened.map_err(|not_opened| match not_opened {
            NotOpened::TooMany => {
                let message = format!("{OPEN} requests of this worker are open already");
                MessageRefusal::new(ErrorCode::Busy, message)
            }
            NotOpened::Twice => {
                let message = format!("a request with seq {seq} is open already");
                MessageRefusal::new(ErrorCode::InvalidArgument, message)
            }
        })?;
        // Nobody was asked yet, so it can't be answered before.
        self.deadlines.insert(peer, seq, deadline, after);
        Ok(())
    }

    /// A worker subscribes to a topic, or does so no longer.
    pub(crate) fn subscription(&self, peer: &Arc<Peer>, seq: u64, topic: &str, is_wanted: bool) -> Bytes {
        match self.try_subscription(peer, topic, is_wanted) {
            Ok(()) => answer_frame(seq, master_frame::Body::Accepted(Accepted::default())),
            Err(refusal) => error_frame(seq, refusal.code, &refusal.message),
        }
    }

    fn try_subscription(&self, peer: &Arc<Peer>, topic: &str, is_wanted: bool) -> Result<(), MessageRefusal> {
        check(topic, 0)?;
        if topic.is_empty() {
            return Err(MessageRefusal::new(ErrorCode::InvalidArgument, "a subscription needs a topic"));
        }
        if !peer.takes {
            let message = "this worker takes no messages: it did not name the capability `bus`";
            return Err(MessageRefusal::new(ErrorCode::BadState, message));
        }
        if !is_wanted {
            self.unsubscribe(peer, topic);
        } else if !self.subscribe(peer, topic) {
            let message = format!("this worker has {SUBSCRIPTIONS} subscriptions already");
            return Err(MessageRefusal::new(ErrorCode::Busy, message));
        }
        Ok(())
    }
}

/// The message as others get it.
fn body_from<'a>(peer: &Peer, message: &MessageView<'a>) -> OutboundBody<'a> {
    OutboundBody::Message {
        topic: message.topic,
        scope: message.scope(),
        worker: peer.identity.id.0,
        slot: 0,
        timeout_ms: message.timeout_ms,
        confirm: false,
    }
}
