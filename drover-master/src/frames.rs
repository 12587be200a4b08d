//! Frames of the master that more than one part of it sends.

use bytes::Bytes;
use drover_proto::codec::encode_frame;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{Error, ErrorCode, MasterFrame, master_frame};

/// An Error that answers the frame `reply_to`; 0 if that could not be read.
pub(crate) fn error_frame(reply_to: u64, code: ErrorCode, message: &str) -> Bytes {
    let error = Error { code: code.into(), message: message.to_owned() };
    let frame = MasterFrame { reply_to, body: Some(master_frame::Body::Error(error)), ..Default::default() };
    encode_frame(&frame, FrameLimit::WORKER).expect("an error's sentence is far below the limit")
}
