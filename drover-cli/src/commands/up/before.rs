//! What `up` does while it has no thread yet: it takes what whoever started it knows it by, and becomes a keeper and its master.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use drover_master::config::file as config;
use drover_master::keeper::{Kept, STANDBY, keep};
use drover_master::supervisor::go_on_after;
use drover_master::{InheritError, InheritedSockets};

use crate::args::UpArgs;
use crate::commands::detach;
use crate::commands::file_lock::{self, FileLock, Running};
use crate::exit_status::ExitStatus;
use crate::output::{message, start_report, termination_log};
use crate::path::whole;

/// How large the log of a master in the background gets: some hundred thousand lines.
const LOG_SIZE: u64 = 16 * 1024 * 1024;

/// How many old ones of it are kept.
const LOGS_KEPT: u32 = 4;

/// What there is from then on. All of it is there in each master that follows a crash, too: it is forked from the keeper.
pub(crate) struct Before {
    /// The file by its whole path; of a stream, where it was read.
    pub(super) file: PathBuf,
    /// Where it is read from.
    pub(super) to_read: PathBuf,
    pub(super) is_stream: bool,
    /// What whoever started a master in the background has read already.
    pub(super) handed_over: Option<String>,
    /// Taken by the process that whoever started this knows, and held by it until all is over. None if this starts a master in the
    /// background.
    pub(super) lock: Option<Result<FileLock, Running>>,
    /// Meant for that process too (`LISTEN_PID`).
    pub(super) inherited: Result<InheritedSockets, InheritError>,
    pub(super) kept: Option<Kept>,
}

/// Returns in the master; in each that follows a crash as well.
pub(super) fn begin(args: &UpArgs) -> Result<Before, ExitStatus> {
    if let Some(word) = &args.standby {
        return stand_by(args, word);
    }
    let in_background = args.detach || args.wait;
    let (mut starter, handed_over) = match args.detached.then(detach::become_master).transpose() {
        Ok(Some((starter, text))) => (Some(starter), text),
        Ok(None) => (None, None),
        Err(error) => {
            message::error_text(&format!("--detached is for `drover up -d` itself: {error}"));
            return Err(ExitStatus::Usage);
        }
    };
    if args.detached {
        drover_master::tend_output_files(LOG_SIZE, LOGS_KEPT);
    }
    // The file is known by one path wherever it is named, also after a link that led here was moved. A stream has none, and is
    // known by where it was read.
    let is_stream = handed_over.is_some() || config::is_stream(&args.file);
    let file = if is_stream { whole(Path::new(config::STDIN)) } else { whole(&args.file) };
    let to_read = if is_stream { args.file.clone() } else { file.clone() };
    let lock = (!in_background).then(|| file_lock::take(&file));
    let inherited = InheritedSockets::from_environment();
    let is_kept = !in_background && !args.no_keeper;
    let kept = if is_kept { kept(&mut starter) } else { None };
    if !in_background && !args.detached {
        termination_log::begin();
    }
    if let Some(starter) = starter
        && let Err(error) = start_report::begin(starter)
    {
        message::error(&error);
        return Err(ExitStatus::Failed);
    }
    Ok(Before { file, to_read, is_stream, handed_over, lock, inherited, kept })
}

/// In the place of a master of another version: what that one was started with is known, and what it held is held.
fn stand_by(args: &UpArgs, word: &str) -> Result<Before, ExitStatus> {
    let is_stream = config::is_stream(&args.file);
    let file = if is_stream { whole(Path::new(config::STDIN)) } else { whole(&args.file) };
    match go_on_after(word) {
        Ok(kept) => {
            if args.detached {
                drover_master::tend_output_files(LOG_SIZE, LOGS_KEPT);
            } else {
                termination_log::begin();
            }
            Ok(Before {
                to_read: file.clone(),
                file,
                is_stream,
                handed_over: None,
                lock: None,
                inherited: Ok(InheritedSockets::default()),
                kept: Some(kept),
            })
        }
        Err(error) => {
            message::error_text(&format!("{STANDBY} is for a keeper alone: {error}"));
            Err(ExitStatus::Usage)
        }
    }
}

/// Only the first master tells whoever started it how the start goes, and they read until nobody can.
fn kept(starter: &mut Option<UnixStream>) -> Option<Kept> {
    match keep(|| drop(starter.take())) {
        Ok(kept) => Some(kept),
        Err(error) => {
            message::note(&format!("there is no keeper, so what runs ends if this master crashes: {error}"));
            None
        }
    }
}
