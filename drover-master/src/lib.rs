//! A process master to embed: it starts the workers of an app, knows from the app itself when each is ready, shares
//! listening sockets among them, brings back the ones that fail, ends them without losing work, and tells exactly why each
//! one ended.
//!
//! # Theory of operation
//!
//! [`Master`] is a handle. Behind it one task, the driver, owns all state of one app. It waits for one input at a time (a
//! request, an exit, a worker's message, a deadline), gives it to a pure machine (`machine::fleet`), and carries out the
//! actions that come back. All other tasks carry bytes, exits and signals.
//!
//! * **Ready** is what the worker says over the protocol, or, for a plain program, that it has been alive for
//!   [`StartPolicy::min_uptime`](config::StartPolicy::min_uptime).
//! * **Stop** is two steps: *stop* (cease taking work, drain) and *quit* (leave). Each has a deadline; then SIGTERM, then
//!   SIGKILL, to the worker's whole process group.
//! * **Exits** have reasons: [`ExitReason`], judged from what the master intended and what the kernel said,
//!   with the evidence beside it.
//! * **Restarting** belongs to the library. Events are for watching; none needs a reaction. A program that wants its say has
//!   [`MasterBuilder::on_exit`].
//!
//! The library installs no signal handler by itself, reaps only its own children, and never waits in the driver.
//!
//! # Example
//!
//! ```no_run
//! use drover_master::{Command, Master, Signals};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let master = Master::builder("web", Command::new("./web-worker"))
//!         .workers(4)
//!         .listen("http", "127.0.0.1:8080")
//!         .signals(Signals::shutdown())
//!         .build()?;
//!     master.start().await?;
//!     for worker in master.snapshot().workers {
//!         println!("[web-{}]: {}", worker.slot, worker.phase);
//!     }
//!     let outcome = master.wait().await?;
//!     println!("web {outcome}");
//!     Ok(())
//! }
//! ```
//!
//! Several apps that belong together, with a control socket for the `drover` command, are a
//! [`Supervisor`](supervisor::Supervisor).

#![deny(unsafe_code)]

mod builder;
mod bus;
pub mod config;
pub mod control;
mod cpu_watch;
mod driver;
mod feed;
mod file_watch;
mod frames;
mod handle;
#[cfg(feature = "http")]
pub mod http;
mod ids;
pub mod keeper;
mod link;
mod listener;
#[cfg(feature = "logging")]
pub mod logging;
#[expect(unreachable_pub, reason = "what is public in it is its own interface; the crate's is below")]
mod machine;
mod nofile;
mod notify;
#[cfg(feature = "file")]
mod obstacle;
mod patience;
mod probe;
mod process;
mod sentence;
mod service_manager;
mod signal;
mod signals;
mod state;
mod supervision;
pub mod supervisor;
mod sys;
pub mod turns;
mod upkeep;
pub mod usage;
mod written;

pub use builder::MasterBuilder;
pub use bus::{Bus, Delivery, Message, Recipient, RequestError, Responder, SendError};
pub use config::{
    AccountError, Colours, Command, Line, OnUpdateFailure, Output, OutputSink, Protocol, RecyclePolicy,
    ReloadSignal, Share, ShareError, Stream, SuspendSignals, UpdateOrder, UpdatePolicy,
};
pub use drover_proto::latest::ErrorCode;
pub use handle::{
    BuildError, EndError, Event, EventLog, EventStream, ExitContext, Master, Missed, Occurrence,
    OperateError, Reload, Snapshot, StartError, Ticket, Unavailable,
};
pub use ids::{Generation, SlotIndex, WorkerId};
pub use link::DirectoryError;
pub use listener::{InheritError, InheritedSockets, ListenError, PortHolder, SocketStore, UnixPathError};
pub use machine::exit::{Exit, ExitReason, ExitStatus, KillCause, SpawnStep, Usage};
pub use machine::fleet::{
    Count, CronStatus, EventKind, ExitDecision, FAILED_START, NotReloaded, Outcome, RecycleReason,
    ReloadFailure, Role, Run, RunFate, SkipReason, SocketLoss, SocketRenewal, StartFailure, Target,
    WorkerStatus,
};
pub use machine::gate::{DenyReason, Request};
pub use machine::phase::Phase;
pub use machine::readable::Readable;
pub use machine::wish::SAME_WISH;
pub use nofile::raise_nofile;
#[cfg(feature = "file")]
pub use obstacle::obstacles;
pub use process::{
    flush_output, keep_standing, limits_out_of_reach, passed_in_vain, say_aside, settle_output,
    tend_output_files, write_output,
};
pub use service_manager::notify_service_manager;
pub use signal::{Signal, SignalError};
pub use signals::Signals;
pub use sys::{reap_strangers, release_startup_pages, restore_child_signal, unblock_signals};
