//! The `drover.v1` protocol: its messages, its framing, and both sides of its handshake as pure machines.
//!
//! Nothing in this crate does I/O. A master and a worker share only what stands here, exactly as a master and
//! a worker in another language share only `proto/` and `docs/reference/protocol.md`.
//!
//! | layer | module | what it knows |
//! | --- | --- | --- |
//! | frame | [`frame`] | a `u32` big-endian length, then that many bytes; the limit comes before the allocation |
//! | codec | [`codec`] | one protobuf message in each frame, as a `tokio-util` encoder and decoder |
//! | version | [`version`] | a range each side offers, the highest common one is spoken |
//! | handshake | [`handshake`] | `Hello` → `Welcome` or `Reject`, both sides, each step used once |
//! | bus | [`bus`] | the application's messages: encoded once, bounded, read where they lie |
//! | messages | [`latest`] | what the rest of the workspace names: today `drover.v1` |
//!
//! # Example
//!
//! Both sides of a handshake joined in memory:
//!
//! ```
//! use drover_proto::handshake::{MasterSide, WorkerSide};
//! use drover_proto::latest::{Identity, Limits};
//! use drover_proto::version::SPOKEN;
//!
//! let (hello, awaiting) = WorkerSide::new(SPOKEN, "token").pid(4711).hello();
//! let claim = MasterSide::new(SPOKEN).hello_received(hello).unwrap();
//! assert_eq!(claim.token(), "token");
//!
//! let identity = Identity { app: "web".into(), slot: 2, generation: 1, worker_id: 7 };
//! let (reply, _) = claim.accept(identity, Limits::default(), std::time::Duration::ZERO);
//! let session = awaiting.reply_received(reply).unwrap();
//! assert_eq!(session.identity.slot, 2);
//! ```

#![forbid(unsafe_code)]

pub mod bus;
pub mod codec;
pub mod frame;
pub mod handshake;
pub mod latest;
pub mod names;
pub mod v1;
pub mod version;
