//! Both sides of the handshake as pure machines: each step takes itself, so none can happen twice.
//!
//! ```text
//!  worker                                                    master
//!  WorkerSide ── hello() ──────────── Hello ───────────────► MasterSide
//!      │                                                        │ hello_received()
//!      ▼                                                        ▼
//!  AwaitingReply                                     Claim (whose token is it?)
//!      │                                                 accept() │ refuse()
//!      │ reply_received()                                         │
//!      ▼                                                          ▼
//!  WorkerSession ◄────────── Welcome │ Reject ────────── MasterSession │ the end
//! ```

mod error;
mod master_side;
mod worker_side;

pub use error::{HandshakeError, Refusal};
pub use master_side::{Claim, MasterSession, MasterSide, negotiate_control};
pub use worker_side::{AwaitingReply, WorkerSession, WorkerSide};

use std::time::Duration;

/// How long a new connection may take to send its `Hello`. Longer keeps strangers' sockets open; shorter refuses
/// an honest worker on a starved machine.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
