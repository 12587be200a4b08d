//! A message or a reply that was received, read where it lies.

use std::str;

use super::{Direction, varint};
use crate::latest::Scope;

/// A frame that carries a message or a reply, and nothing that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View<'a> {
    /// The frame's number; 0: it is never answered.
    pub seq: u64,
    /// Which frame it answers; 0: none.
    pub reply_to: u64,
    /// Whether it has to be answered.
    pub expects_reply: bool,
    /// What it carries.
    pub body: ViewBody<'a>,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewBody<'a> {
    /// A message.
    Message(MessageView<'a>),
    /// The reply to a request.
    Reply {
        /// The application's own.
        payload: &'a [u8],
    },
}

/// A message. The fields are those of [`Message`](crate::latest::Message).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageView<'a> {
    /// What it is about.
    pub topic: &'a str,
    /// The application's own.
    pub payload: &'a [u8],
    /// The number of its scope; see [`scope`](Self::scope).
    pub scope_number: i32,
    /// The id of the worker that gets it, or that sent it.
    pub worker: u64,
    /// The slot that gets it.
    pub slot: u32,
    /// How long to wait for the reply, in milliseconds; 0: [`REQUEST_TIMEOUT`](super::REQUEST_TIMEOUT).
    pub timeout_ms: u64,
    /// Whether the master has to say that it is on its way.
    pub confirm: bool,
}

impl MessageView<'_> {
    /// Who gets it, or as what it was sent. One of a later version is unspecified.
    pub fn scope(&self) -> Scope {
        Scope::try_from(self.scope_number).unwrap_or_default()
    }
}

impl<'a> View<'a> {
    /// Reads a frame, without its header. `None`: it carries something else, or something that is left to prost: what is
    /// unknown, there twice, or no message at all.
    ///
    /// # Example
    ///
    /// ```
    /// use drover_proto::bus::{Direction, View, ViewBody};
    ///
    /// let pong = [0x82, 0x01, 0x00];
    /// assert_eq!(View::of(&pong, Direction::ToMaster), None);
    ///
    /// let reply = [0x10, 12, 0x92, 0x01, 4, 0x0a, 2, b'o', b'k'];
    /// let view = View::of(&reply, Direction::ToMaster).unwrap();
    /// assert_eq!((view.reply_to, view.body), (12, ViewBody::Reply { payload: b"ok" }));
    /// ```
    pub fn of(mut frame: &'a [u8], direction: Direction) -> Option<Self> {
        let (message, reply) = direction.keys();
        let (mut seq, mut reply_to, mut expects_reply, mut body) = (0, 0, false, None);
        while !frame.is_empty() {
            let key = varint::take(&mut frame)?;
            match key {
                SEQ => seq = varint::take(&mut frame)?,
                REPLY_TO => reply_to = varint::take(&mut frame)?,
                EXPECTS_REPLY => expects_reply = varint::take(&mut frame)? != 0,
                _ if key == message && body.is_none() => {
                    body = Some(ViewBody::Message(MessageView::of(varint::take_bytes(&mut frame)?)?));
                }
                _ if key == reply && body.is_none() => {
                    body = Some(ViewBody::Reply { payload: reply_of(varint::take_bytes(&mut frame)?)? });
                }
                _ => return None,
            }
        }
        Some(Self { seq, reply_to, expects_reply, body: body? })
    }
}

/// Keys of the envelope: field number and wire type 0. `must_understand` asks nothing of who understands, and is left to
/// prost as what it is, rare.
const SEQ: u64 = 1 << 3;
const REPLY_TO: u64 = 2 << 3;
const EXPECTS_REPLY: u64 = 3 << 3;

impl<'a> MessageView<'a> {
    fn of(mut data: &'a [u8]) -> Option<Self> {
        let mut view = Self::default();
        while !data.is_empty() {
            match varint::take(&mut data)? {
                0x0a => view.topic = str::from_utf8(varint::take_bytes(&mut data)?).ok()?,
                0x12 => view.payload = varint::take_bytes(&mut data)?,
                // As prost narrows a number that is too large for its field.
                0x18 => view.scope_number = varint::take(&mut data)? as i32,
                0x20 => view.worker = varint::take(&mut data)?,
                0x28 => view.slot = varint::take(&mut data)? as u32,
                0x30 => view.timeout_ms = varint::take(&mut data)?,
                0x38 => view.confirm = varint::take(&mut data)? != 0,
                _ => return None,
            }
        }
        Some(view)
    }
}

fn reply_of(mut data: &[u8]) -> Option<&[u8]> {
    let mut payload = &[][..];
    while !data.is_empty() {
        match varint::take(&mut data)? {
            0x0a => payload = varint::take_bytes(&mut data)?,
            _ => return None,
        }
    }
    Some(payload)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::latest::{MasterFrame, Message, Reply, WorkerFrame, master_frame, worker_frame};

    fn message(view: &MessageView<'_>) -> Message {
        Message {
            topic: view.topic.to_owned(),
            payload: view.payload.to_vec().into(),
            scope: view.scope_number,
            worker: view.worker,
            slot: view.slot,
            timeout_ms: view.timeout_ms,
            confirm: view.confirm,
        }
    }

    fn reply(payload: &[u8]) -> Reply {
        Reply { payload: payload.to_vec().into() }
    }

    pub(crate) fn as_worker_frame(view: &View<'_>) -> WorkerFrame {
        let body = match &view.body {
            ViewBody::Message(view) => worker_frame::Body::Message(message(view)),
            ViewBody::Reply { payload } => worker_frame::Body::Reply(reply(payload)),
        };
        let View { seq, reply_to, expects_reply, .. } = *view;
        WorkerFrame { seq, reply_to, expects_reply, must_understand: false, body: Some(body) }
    }

    pub(crate) fn as_master_frame(view: &View<'_>) -> MasterFrame {
        let body = match &view.body {
            ViewBody::Message(view) => master_frame::Body::Message(message(view)),
            ViewBody::Reply { payload } => master_frame::Body::Reply(reply(payload)),
        };
        let View { seq, reply_to, expects_reply, .. } = *view;
        MasterFrame { seq, reply_to, expects_reply, must_understand: false, body: Some(body) }
    }

    /// Bytes that are nearly frames: keys that exist, with numbers and lengths that fit more often than not.
    fn nearly_frames() -> impl Strategy<Value = Vec<u8>> {
        let number = (prop::sample::select(vec![0x08u8, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38]), any::<u8>())
            .prop_map(|(key, value)| vec![key, value]);
        let text = (prop::sample::select(vec![0x0au8, 0x12]), prop::collection::vec(any::<u8>(), 0..5))
            .prop_map(|(key, text)| [&[key, text.len() as u8][..], &text].concat());
        let fields =
            prop::collection::vec(prop_oneof![number.clone(), text], 0..5).prop_map(|all| all.concat());
        let bodies = (prop::sample::select(vec![&[0x8a, 1][..], &[0x92, 1], &[0x72], &[0x7a]]), fields)
            .prop_map(|(key, body)| [key, &[body.len() as u8], &body].concat());
        let any = prop::collection::vec(any::<u8>(), 0..4);
        prop::collection::vec(prop_oneof![3 => number, 6 => bodies, 1 => any], 0..4)
            .prop_map(|all| all.concat())
    }

    proptest! {
        #[test]
        fn what_is_read_in_place_prost_reads_the_same(frame in nearly_frames()) {
            if let Some(view) = View::of(&frame, Direction::ToMaster) {
                prop_assert_eq!(WorkerFrame::decode(&frame[..]).unwrap(), as_worker_frame(&view));
            }
            if let Some(view) = View::of(&frame, Direction::ToWorker) {
                prop_assert_eq!(MasterFrame::decode(&frame[..]).unwrap(), as_master_frame(&view));
            }
        }
    }
}
