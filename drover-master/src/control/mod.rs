//! The control socket: people and scripts ask a running master, by typed messages with limits.
//!
//! Sessions read what everybody may read (views, the event log) and send requests to the supervisor; none of them can make
//! it wait.

mod client;
mod client_change;
mod convert;
mod error;
#[cfg(feature = "http")]
mod inside;
#[cfg(feature = "json")]
pub mod json;
mod name;
mod overview;
mod path;
mod place;
mod server;
mod session;

pub use client::{ClientError, ControlClient, Follow, LogFollow};
#[cfg(feature = "http")]
pub(crate) use convert::event as event_of;
pub use error::ControlError;
#[cfg(feature = "http")]
pub(crate) use inside::Inside;
pub use name::{Name, NameError};
#[cfg(feature = "http")]
pub(crate) use overview::status as status_of;
pub use path::{ControlPath, ControlPathError, goes_with_login};
pub(crate) use server::ControlServer;
