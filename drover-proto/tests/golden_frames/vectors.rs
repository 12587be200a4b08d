//! Reads `proto/vectors/v1/`, and a message of any type behind one type.

use bytes::BytesMut;
use drover_proto::codec::{CodecError, FrameCodec, encode_frame};
use drover_proto::frame::FrameLimit;
use drover_proto::latest::*;
use serde_json::Value;
use tokio_util::codec::Decoder;

use crate::common::proto_folder;

/// One line of a vector file.
#[derive(Debug)]
pub(crate) struct Vector {
    /// The name, unique in its file.
    pub(crate) name: String,
    /// The type of the message that the frame holds.
    pub(crate) message: String,
    /// The frame with its header.
    pub(crate) frame: Vec<u8>,
    /// The readable twin; null where the frame has to be refused.
    pub(crate) json: Value,
}

/// The vectors of one file. None is missing, none is there twice.
pub(crate) fn read(file: &str) -> Vec<Vector> {
    let path = proto_folder().join("vectors/v1").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let vectors: Vec<_> = text.lines().map(parse).collect();
    assert!(!vectors.is_empty(), "{file} is empty");
    for (index, vector) in vectors.iter().enumerate() {
        let twice = vectors[..index].iter().any(|earlier| earlier.name == vector.name);
        assert!(!twice, "{file} holds {} twice", vector.name);
    }
    vectors
}

fn parse(line: &str) -> Vector {
    let mut row: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
    let text = |key: &str| row[key].as_str().unwrap_or_else(|| panic!("no {key} in {line}")).to_owned();
    let (name, message, hex) = (text("name"), text("message"), text("hex"));
    Vector { name, message, frame: bytes_of(&hex), json: row["json"].take() }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "an odd number of digits: {hex}");
    let pairs = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{error} in {hex}"))
}

impl Vector {
    /// A decoder of the stream that this vector's frames stand in.
    pub(crate) fn reader(&self) -> Reader {
        Reader { message: self.message.clone() }
    }
}

/// Reads one type of message from a stream, with the limit of its connection.
#[derive(Debug)]
pub(crate) struct Reader {
    message: String,
}

macro_rules! any_message {
    ($($message:ident),*) => {
        /// A message of any type that opens a frame.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(clippy::large_enum_variant, reason = "a few of them, in a test")]
        pub(crate) enum AnyMessage {
            $($message($message)),*
        }

        $(impl From<$message> for AnyMessage {
            fn from(message: $message) -> Self {
                Self::$message(message)
            }
        })*

        impl AnyMessage {
            /// The whole frame as this crate sends it.
            pub(crate) fn to_frame(&self) -> Vec<u8> {
                let frame = match self {
                    $(Self::$message(message) => encode_frame(message, limit(stringify!($message)))),*
                };
                frame.expect("within the limit").to_vec()
            }
        }

        impl Reader {
            /// The next message of the stream; none if it needs more bytes.
            pub(crate) fn decode(&self, wire: &mut BytesMut) -> Result<Option<AnyMessage>, CodecError> {
                match self.message.as_str() {
                    $(stringify!($message) => {
                        let mut codec = FrameCodec::<$message, $message>::new(limit(&self.message));
                        Ok(codec.decode(wire)?.map(AnyMessage::from))
                    })*
                    other => panic!("no frame begins with {other}"),
                }
            }

            /// As [`decode`](Self::decode), for a stream that has ended.
            pub(crate) fn decode_eof(&self, wire: &mut BytesMut) -> Result<Option<AnyMessage>, CodecError> {
                match self.message.as_str() {
                    $(stringify!($message) => {
                        let mut codec = FrameCodec::<$message, $message>::new(limit(&self.message));
                        Ok(codec.decode_eof(wire)?.map(AnyMessage::from))
                    })*
                    other => panic!("no frame begins with {other}"),
                }
            }
        }
    };
}

any_message!(
    Hello,
    HelloReply,
    WorkerFrame,
    MasterFrame,
    ControlHello,
    ControlHelloReply,
    ControlRequest,
    ControlResponse
);

fn limit(message: &str) -> FrameLimit {
    if message.starts_with("Control") { FrameLimit::CONTROL } else { FrameLimit::WORKER }
}
