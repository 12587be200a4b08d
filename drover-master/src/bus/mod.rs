//! Messages of the application: between the program and its workers, and among the workers through the master.
//!
//! ```text
//!  worker ──► its connection's task ──► Exchange ──► mailbox of a worker ──► that one's connection task ──► worker
//!                                          │  ▲
//!                                 handler ◄┘  └── Bus, the program's handle
//! ```
//!
//! Nothing of this passes through the driver: it says who is here and who is ready, and messages go from task to task. So a flood
//! of them costs supervision nothing but CPU, and a worker that does not read costs the others nothing: its mailbox is full, and
//! whoever sends to it is told.
//!
//! What is promised stands in docs/reference/protocol.md, "Messages of the application".

mod answer;
mod deadlines;
mod error;
mod exchange;
mod handle;
mod handler;
mod keep;
mod ledger;
mod peer;
mod route;
#[cfg(test)]
mod tests;
mod traffic;

pub(crate) use answer::NoReply;
pub use error::{RequestError, SendError};
pub(crate) use exchange::Exchange;
pub use handle::{Bus, Delivery, Recipient};
pub(crate) use handler::Handler;
pub use handler::{Message, Responder};
pub(crate) use keep::Keep;
pub(crate) use peer::Peer;
pub(crate) use route::FollowUp;
#[cfg(feature = "http")]
pub(crate) use traffic::TrafficCounts;
