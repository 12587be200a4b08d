//! The master's end of `sd_notify(3)`: a datagram socket a worker, or the descriptor that s6 calls notification fd.
//!
//! ```text
//!  worker ──datagram──► socket of its own ──► ear: whose? what? ──Notification──► driver ──Notice──► the worker's machine
//!                                                                            └──► store of its slot, main process
//! ```
//!
//! Only bytes and descriptors are carried here. What they mean for the worker's life, its machine says. Why it is so stands in
//! `docs/design/notify.md`.

mod ear;
mod hearing;
mod kinship;
mod lasting;
mod message;
mod notification;
mod notifier;
mod pipe;
mod place;
#[cfg(test)]
mod sleeper;
mod store;

pub(crate) use ear::{Applied, Ear, Source, hear};
pub(crate) use hearing::Refusals;
pub(crate) use kinship::is_in_group;
pub(crate) use notification::Notification;
pub(crate) use notifier::Notifier;
pub(crate) use place::{NotifyPath, NotifyPlace, notify_name};
pub(crate) use store::FdStore;
