//! The control socket: people and scripts ask a running master, by typed messages with limits.
//!
//! Sessions read what everybody may read (views, the event log) and send requests to the supervisor; none of them can make
//! it wait.

mod client;
mod convert;
mod cron;
mod error;
mod exit;
#[cfg(feature = "http")]
mod inside;
#[cfg(feature = "json")]
pub mod json;
mod name;
mod output;
mod overview;
mod path;
mod place;
mod server;
mod session;

pub use client::{Answers, ClientError, ControlClient, Follow, LogFollow};
#[cfg(feature = "http")]
pub(crate) use convert::event as event_of;
/// The messages that a [`ControlClient`] takes and gives: those of the protocol, `proto/drover/v1/control.proto`, in the latest
/// version that this crate speaks.
///
/// They are no copies, because a client may ask a master of another build, and what an older or a newer one says has its place in
/// them. So they grow as the protocol does, by fields and values: build one with `..Default::default()`, and give unknown values of
/// an enum a branch.
pub use drover_proto::latest as wire;
pub use error::ControlError;
#[cfg(feature = "http")]
pub(crate) use inside::OwnClients;
pub use name::{Name, NameError};
#[cfg(feature = "http")]
pub(crate) use output::log_line;
pub use overview::status as status_of;
pub use path::{ControlPath, ControlPathError, goes_with_login};
pub(crate) use server::ControlServer;
