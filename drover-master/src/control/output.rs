//! What workers printed, as it is sent.

use std::time::SystemTime;

use drover_proto::latest::{LogLine, OutputStream};

use super::convert::milliseconds;
use crate::config::Stream;
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
