//! How a request ends: with a reply, or with the reason why there is none.

use bytes::Bytes;
use drover_proto::latest::ErrorCode;

use crate::ids::SlotIndex;

/// The end of a request.
pub(crate) type Answer = Result<Bytes, NoReply>;

/// What comes instead of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoReply {
    /// Whoever was asked says why.
    Error(ErrorCode, String),
    /// The worker that was asked, of this slot, is gone.
    Gone(SlotIndex),
}
