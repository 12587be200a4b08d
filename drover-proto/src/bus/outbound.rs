//! A message or a reply about to be sent, written straight into the bytes of its frame.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Direction, varint};
use crate::frame::HEADER_LEN;
use crate::latest::Scope;

/// A frame that carries a message or a reply, but for its payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outbound<'a> {
    /// The frame's number; 0: it is never answered.
    pub seq: u64,
    /// Which frame it answers; 0: none.
    pub reply_to: u64,
    /// Whether it has to be answered.
    pub expects_reply: bool,
    /// What it carries.
    pub body: OutboundBody<'a>,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutboundBody<'a> {
    /// A message.
    Message {
        /// What it is about.
        topic: &'a str,
        /// Who gets it, or as what it was sent.
        scope: Scope,
        /// The id of the worker that gets it, or that sent it.
        worker: u64,
        /// The slot that gets it.
        slot: u32,
        /// How long to wait for the reply, in milliseconds.
        timeout_ms: u64,
        /// Whether the master has to say that it is on its way.
        confirm: bool,
    },
    /// The reply to a request.
    #[default]
    Reply,
}

/// A frame that is encoded once, for any number of mailboxes.
#[derive(Debug, Clone)]
pub struct EncodedFrame {
    /// Everything before the payload, with the frame's header.
    pub(super) head: Bytes,
    pub(super) payload: Bytes,
}

impl EncodedFrame {
    /// A whole frame of any kind with its header, as [`encode_frame`](crate::codec::encode_frame) gives it.
    pub fn of_frame(frame: Bytes) -> Self {
        Self { head: frame, payload: Bytes::new() }
    }

    /// The length of the frame, without its header.
    pub fn length(&self) -> usize {
        self.head.len() - HEADER_LEN + self.payload.len()
    }
}

impl Outbound<'_> {
    /// The whole frame, to be shared.
    pub fn encode(&self, direction: Direction, payload: Bytes) -> EncodedFrame {
        let mut head = BytesMut::new();
        let length = self.length(direction, payload.len());
        head.reserve(HEADER_LEN + length - payload.len());
        self.write_head(direction, payload.len(), length, &mut head);
        EncodedFrame { head: head.freeze(), payload }
    }

    /// The length of the frame with a payload of that many bytes, without its header.
    pub fn length(&self, direction: Direction, payload: usize) -> usize {
        let (message, reply) = direction.keys();
        let (key, fields) = match self.body {
            OutboundBody::Message { .. } => (message, self.fields_length()),
            OutboundBody::Reply => (reply, 0),
        };
        let body = fields + bytes_length(payload);
        self.envelope_length() + varint::length(key) + varint::length(body as u64) + body
    }

    /// Appends all of the frame but its payload, which has to follow. `length`: what [`length`](Self::length) tells.
    pub(super) fn write_head(
        &self,
        direction: Direction,
        payload: usize,
        length: usize,
        wire: &mut BytesMut,
    ) {
        let (message, reply) = direction.keys();
        let mut head = Short::new();
        head.put_slice(&(length as u32).to_be_bytes());
        head.put_number(1, self.seq);
        head.put_number(2, self.reply_to);
        head.put_number(3, self.expects_reply.into());
        let payload_field = match self.body {
            OutboundBody::Message { topic, scope, worker, slot, timeout_ms, confirm } => {
                head.put_varint(message);
                head.put_varint((self.fields_length() + bytes_length(payload)) as u64);
                if !topic.is_empty() {
                    head.put_slice(&[1 << 3 | 2]);
                    head.put_varint(topic.len() as u64);
                    wire.put_slice(head.written());
                    wire.put_slice(topic.as_bytes());
                    head = Short::new();
                }
                head.put_number(3, scope as u64);
                head.put_number(4, worker);
                head.put_number(5, slot.into());
                head.put_number(6, timeout_ms);
                head.put_number(7, confirm.into());
                2
            }
            OutboundBody::Reply => {
                head.put_varint(reply);
                head.put_varint(bytes_length(payload) as u64);
                1
            }
        };
        // Last, so that its bytes can lie elsewhere. Protobuf leaves the order of fields to the sender.
        if payload > 0 {
            head.put_slice(&[payload_field << 3 | 2]);
            head.put_varint(payload as u64);
        }
        wire.put_slice(head.written());
    }

    fn envelope_length(&self) -> usize {
        number_length(self.seq) + number_length(self.reply_to) + number_length(self.expects_reply.into())
    }

    fn fields_length(&self) -> usize {
        let OutboundBody::Message { topic, scope, worker, slot, timeout_ms, confirm } = self.body else {
            return 0;
        };
        bytes_length(topic.len())
            + number_length(scope as u64)
            + number_length(worker)
            + number_length(slot.into())
            + number_length(timeout_ms)
            + number_length(confirm.into())
    }
}

/// What a field of that many bytes takes; an empty one is not sent.
const fn bytes_length(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { 1 + varint::length(bytes as u64) + bytes }
}

/// What a number's field takes; 0 is not sent.
const fn number_length(value: u64) -> usize {
    if value == 0 { 0 } else { 1 + varint::length(value) }
}

/// The bytes around topic and payload, put together where no byte has to look for room.
struct Short {
    /// Most is between header and payload of a message without a topic: 80 bytes.
    bytes: [u8; 96],
    end: usize,
}

impl Short {
    const fn new() -> Self {
        Self { bytes: [0; 96], end: 0 }
    }

    fn put_slice(&mut self, bytes: &[u8]) {
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    fn put_varint(&mut self, value: u64) {
        let mut room = &mut self.bytes[self.end..];
        let before = room.len();
        varint::put(value, &mut room);
        self.end += before - room.len();
    }

    fn put_number(&mut self, field: u8, value: u64) {
        if value != 0 {
            self.put_slice(&[field << 3]);
            self.put_varint(value);
        }
    }

    fn written(&self) -> &[u8] {
        &self.bytes[..self.end]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::super::view::tests::{as_master_frame, as_worker_frame};
    use super::super::{View, ViewBody};
    use super::*;
    use crate::latest::{MasterFrame, WorkerFrame};

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 1..300u64, any::<u64>()]
    }

    prop_compose! {
        fn scopes()(number in 0..=5) -> Scope { Scope::try_from(number).unwrap() }
    }

    proptest! {
        #[test]
        fn what_is_sent_is_what_prost_and_the_view_read(
            envelope in (number(), number(), any::<bool>(), any::<bool>()),
            topic in ".{0,200}",
            (scope, worker, slot, timeout_ms, confirm) in (scopes(), number(), any::<u32>(), number(), any::<bool>()),
            payload in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let (seq, reply_to, expects_reply, is_reply) = envelope;
            let message = OutboundBody::Message { topic: &topic, scope, worker, slot, timeout_ms, confirm };
            let body = if is_reply { OutboundBody::Reply } else { message };
            let outbound = Outbound { seq, reply_to, expects_reply, body };
            for direction in [Direction::ToMaster, Direction::ToWorker] {
                let encoded = outbound.encode(direction, payload.clone().into());
                let frame = [&encoded.head[..], &encoded.payload].concat();
                let (header, data) = frame.split_at(HEADER_LEN);
                prop_assert_eq!(header, (data.len() as u32).to_be_bytes());
                prop_assert_eq!(encoded.length(), data.len());
                let view = View::of(data, direction).expect("a frame of our own is read in place");
                match (body, view.body) {
                    (OutboundBody::Reply, ViewBody::Reply { payload: read }) => prop_assert_eq!(read, &payload),
                    (OutboundBody::Message { .. }, ViewBody::Message(read)) => prop_assert_eq!(
                        (read.topic, read.payload, read.scope(), read.worker, read.slot, read.timeout_ms, read.confirm),
                        (&*topic, &*payload, scope, worker, slot, timeout_ms, confirm)
                    ),
                    (sent, read) => panic!("{sent:?} was read as {read:?}"),
                }
                match direction {
                    Direction::ToMaster => prop_assert_eq!(WorkerFrame::decode(data).unwrap(), as_worker_frame(&view)),
                    Direction::ToWorker => prop_assert_eq!(MasterFrame::decode(data).unwrap(), as_master_frame(&view)),
                }
            }
        }
    }
}
