//! Messages of the application on their way, at the speed that both ends need.
//!
//! ```text
//!  Outbound ──► Mailbox ──► Batch ──► socket ──► Incoming ──► View
//!  encoded once   bounded    one        ·          whole        read in place
//!                 in bytes   writev     ·          frames
//! ```
//!
//! The bytes are those of [`MasterFrame`](crate::latest::MasterFrame) and [`WorkerFrame`](crate::latest::WorkerFrame); nothing
//! here is a second format. Small frames are gathered in one buffer and written together, the payload of a large one is
//! never copied, and what is read is looked at where it lies. Like the rest of this crate, nothing here does I/O.

mod incoming;
mod lull;
mod mailbox;
mod outbound;
mod queue;
mod varint;
mod view;

pub use incoming::{Frames, Incoming};
pub use lull::Lull;
pub use mailbox::{Closed, Mailbox, Refused};
pub use outbound::{EncodedFrame, Outbound, OutboundBody};
pub use queue::Batch;
pub use view::{MessageView, View, ViewBody};

/// The longest topic, in bytes.
pub const TOPIC_LIMIT: usize = 255;

/// The largest payload of a message or a reply, in bytes: 1 MiB.
pub const PAYLOAD_LIMIT: usize = 1024 * 1024;

/// How long to wait for the answer to a request that does not say.
pub const REQUEST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// Which way a frame goes: the bodies have other numbers in each envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// In a `WorkerFrame`.
    ToMaster,
    /// In a `MasterFrame`.
    ToWorker,
}

impl Direction {
    /// The keys of the bodies `Message` and `Reply`: field number and wire type 2, as protobuf has it.
    const fn keys(self) -> (u64, u64) {
        match self {
            Self::ToMaster => (17 << 3 | 2, 18 << 3 | 2),
            Self::ToWorker => (14 << 3 | 2, 15 << 3 | 2),
        }
    }
}
