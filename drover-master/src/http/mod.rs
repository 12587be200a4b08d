//! The admin HTTP of a supervisor: metrics, health, an API and a page for people.
//!
//! ```text
//!             ┌─ guard ─┐   ┌─ route ─┐
//!  request ──►│ Host,   ├──►│ a path  ├──► page      one file, without anything from elsewhere
//!             │ Origin, │   │ is one  │    health    /livez, /readyz
//!             │ token   │   │ of these│    metrics   /metrics: counted from events, read from /proc when asked
//!             └─────────┘   └─────────┘    look      /api/…: status, description, history, events and logs as they come
//!                                          operate   POST /api/…: what `drover` does, by the same requests
//! ```
//!
//! It reads what everybody may read and asks as a control client does, so it can't make the supervisor wait. It serves on a
//! loopback address or a Unix socket only: who may reach that is the machine's or a proxy's business.

mod admin;
mod follow;
mod guard;
mod health;
mod history;
mod look;
mod metrics;
mod operate;
mod page;
mod reply;
mod route;
mod serve;
mod server;
mod spec;
mod stream;
#[cfg(test)]
mod tests;

pub use server::{AdminError, AdminServer};
pub use spec::{AdminSpec, ControlToken, TokenError};
