//! Processes: created by one thread, known by their pidfd, signalled as a tree, reaped where they were made.

mod account;
mod census;
mod command_line;
mod exit_watch;
mod explain;
mod holding;
mod limits;
mod memory;
mod output;
mod predecessor;
mod request;
mod spawn;
mod spawn_threads;
mod spawner;
mod stamp;
mod succession;
mod tree;
mod warnings;

pub use command_line::passed_in_vain;
pub(crate) use exit_watch::{Death, Ended, aftermath, until_empty, until_ended, until_gone};
pub(crate) use holding::{is_held, socket_numbers};
pub use limits::limits_out_of_reach;
#[cfg(feature = "file")]
pub(crate) use output::journal_socket;
pub(crate) use output::{
    AppLog, AwaitedText, LogNext, LogSinks, LogStream, OutputLog, OutputReader, OutputTransit, Piece,
    Printer, Tail, follow_files, protect_output, remember_files, reopen_files, reopen_files_of,
};
#[cfg(feature = "http")]
pub(crate) use output::{LogCounts, LostBy, lost_lines};
pub use output::{flush_output, keep_standing, say_aside, settle_output, tend_output_files, write_output};
pub(crate) use predecessor::{MARK, end_remnants, mark, started_at};
pub(crate) use request::{KeptSpawn, NotifyBy, SpawnFailure, SpawnRequest, Spawned, StdinSource, pipe_name};
pub(crate) use spawner::spawn;
pub(crate) use stamp::Stamp;
pub(crate) use tree::Tree;
