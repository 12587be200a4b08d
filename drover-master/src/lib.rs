//! stub
pub mod config;
mod link;
mod listener;
pub mod machine;
mod master;
mod nofile;
mod process;
mod signals;
mod sys;

pub use config::Command;
pub use link::DirectoryError;
pub use listener::{ListenError, UnixPathError};
pub use master::*;
pub use nofile::raise_nofile;
pub use process::{Line, OutputSink, Stream};
pub use signals::Signals;
