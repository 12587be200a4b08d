//! The worker's end of things: one Unix socket an app, one connection a worker.
//!
//! Only bytes are carried here. Who a worker is, and what its words mean, the driver says.

mod carry;
mod connection;
mod directory;
mod directory_error;
mod drained;
mod news;
mod own_place;
mod place;
mod reader;
mod seat;
mod server;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod token;
mod words;

pub(crate) use directory::Directory;
pub use directory_error::DirectoryError;
pub(crate) use news::{ConnectionId, ConnectionNews, LinkNews, RefusalKind, WorkerAdmission};
pub(crate) use own_place::{marked_places, own_place};
pub(crate) use seat::Seat;
pub(crate) use server::{LinkServer, Outgoing, outgoing};
pub(crate) use token::Token;
