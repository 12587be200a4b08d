//! What a master in the background tells whoever started it: one JSON object a line.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One thing it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Said {
    /// It answers at this socket.
    Serves(PathBuf),
    /// Every app is ready, or has completed. Nothing follows.
    Ready,
    /// An error, as it also stands in the log.
    Error(String),
    /// The last words of the worker that the error before this is about.
    LastWords(Vec<String>),
    /// Mistakes of the file.
    Plain(String),
    /// It ends with this exit code. Nothing follows.
    Ended(u8),
}

/// Whom it is told. Only a master in the background has somebody.
static LISTENER: Mutex<Option<UnixStream>> = Mutex::new(None);

/// How long a listener that does not read (one that is stopped) may hold up the master.
const PATIENCE: Duration = Duration::from_secs(1);

/// Begins to tell this listener.
pub(crate) fn begin(listener: UnixStream) -> io::Result<()> {
    listener.set_write_timeout(Some(PATIENCE))?;
    *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    Ok(())
}

/// Says something, if there is a listener. One that has gone is told no more.
pub(crate) fn say(said: &Said) {
    let mut listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(stream) = listener.as_mut() else { return };
    let Ok(mut line) = serde_json::to_vec(said) else { return };
    line.push(b'\n');
    let is_last = matches!(said, Said::Ready | Said::Ended(_));
    if stream.write_all(&line).is_err() || is_last {
        *listener = None;
    }
}
