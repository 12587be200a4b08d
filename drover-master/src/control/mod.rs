//! The control socket: people and scripts ask a running master, by typed messages with limits.
//!
//! Sessions read what everybody may read (views, the event log) and send requests to the supervisor; none of them can make
//! it wait.

mod client;
mod client_change;
mod convert;
mod error;
mod name;
mod path;
mod place;
mod server;
mod session;

pub use client::{ClientError, ControlClient, Follow, LogFollow};
pub use error::ControlError;
pub use name::{Name, NameError};
pub use path::{ControlPath, ControlPathError, goes_with_login};
pub(crate) use server::ControlServer;
