//! Bytes of a message, kept beyond its handler.

use bytes::Bytes;
use drover_proto::bus::Frames;

/// How a part of what was received is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keep<'a> {
    /// It lies among other frames.
    Frames(&'a Frames),
    /// It is this.
    Payload(&'a Bytes),
}

impl Keep<'_> {
    pub(super) fn keep(self, part: &[u8]) -> Bytes {
        match self {
            Self::Frames(frames) => frames.keep(part),
            Self::Payload(payload) => payload.clone(),
        }
    }
}
