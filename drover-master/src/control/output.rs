//! What workers printed, as it is sent, and where it is written to.

use std::os::unix::ffi::OsStrExt as _;
use std::path::absolute;
use std::time::SystemTime;

use drover_proto::latest::{AppLogFiles, LogLine, OutputStream};

use super::exit::milliseconds;
use crate::config::{LogFormat, LogOwner, LogPolicy, Stream};
use crate::process::Piece;

/// One line of a piece.
pub(crate) fn log_line(piece: &Piece, text: &[u8]) -> LogLine {
    let from = piece.from;
    LogLine {
        app: piece.app.to_string(),
        slot: from.slot.0,
        stream: stream(piece.stream).into(),
        time_ms: time_ms(piece),
        text: text.to_vec(),
        generation: from.generation.0,
        worker: from.worker.0,
        pid: from.pid,
    }
}

/// When it was read, in milliseconds since 1970.
pub(super) fn time_ms(piece: &Piece) -> u64 {
    piece.time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, milliseconds)
}

/// The same stream on the wire.
pub(super) const fn stream(stream: Stream) -> OutputStream {
    match stream {
        Stream::Stdout => OutputStream::Stdout,
        Stream::Stderr => OutputStream::Stderr,
    }
}

/// Where an app has its log files, if it has any, and what their lines are.
pub(super) fn log_files(logs: &LogPolicy) -> Option<AppLogFiles> {
    let dir = logs.dir.as_ref()?;
    // Without a current directory it is told as it is.
    let dir = absolute(dir).unwrap_or_else(|_| dir.clone());
    Some(AppLogFiles {
        dir: dir.as_os_str().as_bytes().to_vec(),
        per_worker: logs.per == LogOwner::Worker,
        json: logs.format == LogFormat::Json,
        timestamps: logs.timestamps,
    })
}
