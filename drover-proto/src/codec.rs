//! One protobuf message in each frame, as a `tokio-util` codec.

use std::fmt;
use std::io;
use std::marker::PhantomData;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use tokio_util::codec::{Decoder, Encoder};

use crate::frame::{FrameError, FrameLimit, HEADER_LEN};

/// Reads frames of `In` and writes frames of `Out`.
///
/// The receive buffer starts empty and grows to the frame under way, so an idle connection costs little.
///
/// # Example
///
/// ```
/// use bytes::BytesMut;
/// use drover_proto::codec::FrameCodec;
/// use drover_proto::frame::FrameLimit;
/// use drover_proto::latest::{MasterFrame, Ping, WorkerFrame, master_frame::Body};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut master = FrameCodec::<MasterFrame, WorkerFrame>::new(FrameLimit::WORKER);
/// let mut wire = BytesMut::new();
/// let ping = MasterFrame { seq: 1, expects_reply: true, body: Some(Body::Ping(Ping {})), ..Default::default() };
/// master.encode(ping.clone(), &mut wire)?;
///
/// let mut worker = FrameCodec::<WorkerFrame, MasterFrame>::new(FrameLimit::WORKER);
/// assert_eq!(worker.decode(&mut wire)?, Some(ping));
/// # Ok::<(), drover_proto::codec::CodecError>(())
/// ```
pub struct FrameCodec<Out, In> {
    limit: FrameLimit,
    /// How many fields a frame may have; none: as many as it has room for.
    parts: Option<usize>,
    directions: PhantomData<fn(Out) -> In>,
}

impl<Out, In> FrameCodec<Out, In> {
    /// A codec with the limit of its connection, for both directions.
    pub const fn new(limit: FrameLimit) -> Self {
        Self { limit, parts: None, directions: PhantomData }
    }

    /// Refuses frames with more fields than that, in the message and in those right in it, before they are decoded: an empty
    /// string takes two bytes of a frame and a dozen times as much memory. Default: no limit.
    #[must_use]
    pub const fn with_parts(self, parts: usize) -> Self {
        Self { parts: Some(parts), ..self }
    }
}

impl<Out, In> fmt::Debug for FrameCodec<Out, In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameCodec").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<Out: Message, In> Encoder<Out> for FrameCodec<Out, In> {
    type Error = CodecError;

    fn encode(&mut self, message: Out, wire: &mut BytesMut) -> Result<(), CodecError> {
        encode_into(&message, self.limit, wire)?;
        Ok(())
    }
}

impl<Out, In: Message + Default> Decoder for FrameCodec<Out, In> {
    type Item = In;
    type Error = CodecError;

    fn decode(&mut self, wire: &mut BytesMut) -> Result<Option<In>, CodecError> {
        let Some(length) = self.limit.check_header(wire)? else { return Ok(None) };
        let whole = HEADER_LEN + length;
        if wire.len() < whole {
            wire.reserve(whole - wire.len());
            return Ok(None);
        }
        let payload = wire.split_to(whole).split_off(HEADER_LEN);
        if let Some(limit) = self.parts.filter(|limit| parts(&payload, 1) > *limit) {
            return Err(FrameError::TooManyParts { limit }.into());
        }
        Ok(Some(decode_frame(&payload)?))
    }

    fn decode_eof(&mut self, wire: &mut BytesMut) -> Result<Option<In>, CodecError> {
        match self.decode(wire)? {
            Some(message) => Ok(Some(message)),
            None if wire.is_empty() => Ok(None),
            None => {
                let expected =
                    self.limit.check_header(wire)?.map_or(HEADER_LEN, |length| HEADER_LEN + length);
                Err(FrameError::Truncated { received: wire.len(), expected }.into())
            }
        }
    }
}

/// How many fields a message has, counting nested messages down to this many levels. What can't be decoded ends the count.
fn parts(mut message: &[u8], levels: u32) -> usize {
    let mut count = 0;
    while let Ok((tag, kind)) = decode_key(&mut message) {
        count += 1;
        if kind == WireType::LengthDelimited {
            let Ok(length) = decode_varint(&mut message) else { break };
            let Some((inside, rest)) =
                usize::try_from(length).ok().and_then(|length| message.split_at_checked(length))
            else {
                break;
            };
            if levels > 0 {
                count += parts(inside, levels - 1);
            }
            message = rest;
        } else if skip_field(kind, tag, &mut message, DecodeContext::default()).is_err() {
            break;
        }
    }
    count
}

/// Decodes the message of a frame, without its header.
///
/// # Errors
///
/// [`FrameError::Undecodable`], the peer's fault.
pub fn decode_frame<M: Message + Default>(frame: &[u8]) -> Result<M, FrameError> {
    M::decode(frame).map_err(|error| FrameError::undecodable(frame, &error))
}

/// Encodes one message as a whole frame, to be shared by any number of writers.
///
/// # Errors
///
/// [`FrameError::TooLarge`] if the message is over `limit`; nothing was written.
pub fn encode_frame<M: Message>(message: &M, limit: FrameLimit) -> Result<Bytes, FrameError> {
    let mut wire = BytesMut::new();
    encode_into(message, limit, &mut wire)?;
    Ok(wire.freeze())
}

fn encode_into<M: Message>(message: &M, limit: FrameLimit, wire: &mut BytesMut) -> Result<(), FrameError> {
    let length = message.encoded_len();
    limit.check_length(length)?;
    wire.reserve(HEADER_LEN + length);
    wire.put_u32(length as u32);
    message.encode(wire).expect("a BytesMut grows as needed");
    Ok(())
}

/// Why a framed connection cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A frame is malformed: the peer's fault, or on sending the caller's.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The socket failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::latest::{Hello, Status, WorkerFrame, worker_frame::Body};

    type Codec = FrameCodec<WorkerFrame, WorkerFrame>;

    fn frame(text: String) -> WorkerFrame {
        WorkerFrame {
            body: Some(Body::Status(Status { text, in_flight: 3, requests: 9, gauges: Vec::new() })),
            ..Default::default()
        }
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut_of_the_stream(
            texts in prop::collection::vec(".{0,40}", 1..6),
            cuts in prop::collection::vec(1usize..20, 1..40),
        ) {
            let mut stream = BytesMut::new();
            for text in &texts {
                Codec::new(FrameLimit::WORKER).encode(frame(text.clone()), &mut stream).unwrap();
            }
            let (mut reader, mut buffer, mut read) = (Codec::new(FrameLimit::WORKER), BytesMut::new(), Vec::new());
            let mut cuts = cuts.into_iter().cycle();
            while !stream.is_empty() {
                let piece = stream.split_to(cuts.next().unwrap().min(stream.len()));
                buffer.extend_from_slice(&piece);
                while let Some(message) = reader.decode(&mut buffer).unwrap() {
                    read.push(message);
                }
            }
            prop_assert_eq!(read, texts.into_iter().map(frame).collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_make_the_decoder_panic_or_allocate_over_the_limit(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let limit = FrameLimit::new(64);
            let mut buffer = BytesMut::from(&bytes[..]);
            let _ = FrameCodec::<WorkerFrame, Hello>::new(limit).decode(&mut buffer);
            prop_assert!(buffer.capacity() <= bytes.len().max(64 + HEADER_LEN) * 2);
        }
    }

    #[test]
    fn a_stream_that_ends_inside_a_frame_says_where() {
        let mut whole = BytesMut::new();
        Codec::new(FrameLimit::WORKER).encode(frame("half".into()), &mut whole).unwrap();
        for cut in 1..whole.len() {
            let mut wire = BytesMut::from(&whole[..cut]);
            let expected = if cut < HEADER_LEN { HEADER_LEN } else { whole.len() };
            match Codec::new(FrameLimit::WORKER).decode_eof(&mut wire) {
                Err(CodecError::Frame(error)) => {
                    assert_eq!(error, FrameError::Truncated { received: cut, expected });
                }
                other => panic!("cut at {cut}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_message_over_the_limit_is_refused_before_anything_is_written() {
        let mut wire = BytesMut::new();
        let error = Codec::new(FrameLimit::new(10)).encode(frame("x".repeat(50)), &mut wire).unwrap_err();
        assert!(matches!(error, CodecError::Frame(FrameError::TooLarge { limit: 10, .. })), "{error:?}");
        assert!(wire.is_empty());
    }

    #[test]
    fn fields_without_end_are_refused_before_they_are_built() {
        use crate::latest::{ControlRequest, DescribeRequest, control_request};

        let request = |names| ControlRequest {
            seq: 1,
            body: Some(control_request::Body::Describe(DescribeRequest {
                names: vec![String::new(); names],
                ..Default::default()
            })),
        };
        let codec = || FrameCodec::<ControlRequest, ControlRequest>::new(FrameLimit::CONTROL).with_parts(100);
        for (names, is_taken) in [(0, true), (98, true), (99, false), (100_000, false)] {
            let mut wire = BytesMut::new();
            codec().encode(request(names), &mut wire).unwrap();
            let decoded = codec().decode(&mut wire);
            match decoded {
                Ok(decoded) => assert_eq!((decoded, is_taken), (Some(request(names)), true)),
                Err(CodecError::Frame(FrameError::TooManyParts { limit: 100 })) => {
                    assert!(!is_taken, "{names}")
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    #[test]
    fn bytes_that_are_no_message_are_quoted() {
        let mut wire = BytesMut::from(&[0, 0, 0, 2, 0xff, 0xff][..]);
        let error = Codec::new(FrameLimit::WORKER).decode(&mut wire).unwrap_err();
        assert!(error.to_string().contains(r#"it begins "\xff\xff""#), "{error}");
    }
}
