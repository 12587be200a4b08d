//! What a master in the background tells whoever started it: one JSON object a line.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StartReport {
    /// It answers at this socket, and has a keeper.
    Serves { socket: PathBuf, is_kept: bool },
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

/// How long to wait for a listener that does not read (a stopped one), for each line and at the end for the rest.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many lines may wait for a listener. A start that fails says two for each of its apps; of a thousand apps each with last
/// words of 8 KiB that is 8 MiB, once, and then the process ends. More are lost, as they are in no terminal either.
const WAITING: usize = 2048;

/// Whoever started this master. Only a master in the background reports to somebody.
static STARTER: Mutex<Option<Starter>> = Mutex::new(None);

/// The thread that writes: whoever says something may be the runtime's, which waits for nobody.
struct Starter {
    lines: SyncSender<Vec<u8>>,
    /// Disconnected when all is written, or the listener has gone.
    ended: Receiver<()>,
}

/// Begins to tell this listener.
pub(crate) fn begin(listener: UnixStream) -> io::Result<()> {
    listener.set_write_timeout(Some(PATIENCE))?;
    let (lines, waiting) = sync_channel(WAITING);
    let (has_ended, ended) = sync_channel(0);
    let tell = move || {
        let _until_here = has_ended;
        write_all(listener, &waiting);
    };
    thread::Builder::new().name("drover-reports".into()).stack_size(64 * 1024).spawn(tell)?;
    *STARTER.lock().unwrap_or_else(PoisonError::into_inner) = Some(Starter { lines, ended });
    Ok(())
}

/// Writes until nothing more comes. A listener that has gone, or does not read, is told no more.
fn write_all(mut listener: UnixStream, lines: &Receiver<Vec<u8>>) {
    while let Ok(line) = lines.recv() {
        if listener.write_all(&line).is_err() {
            return;
        }
    }
}

/// Says something, if there is a listener, and does not wait until it is heard.
pub(crate) fn say(report: &StartReport) {
    let mut starter = STARTER.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(Starter { lines, .. }) = starter.as_ref() else { return };
    let Ok(mut line) = serde_json::to_vec(report) else { return };
    line.push(b'\n');
    let is_heard = lines.try_send(line).is_ok();
    // With the last line the thread ends, and the listener reads the end.
    if !is_heard || matches!(report, StartReport::Ready) {
        *starter = None;
    }
}

/// Says the last, and waits until all is heard, but not for long. For the end of the process.
pub(crate) fn end(code: u8) {
    say(&StartReport::Ended(code));
    let starter = STARTER.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Starter { lines, ended }) = starter {
        drop(lines);
        let _ = ended.recv_timeout(PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn who_does_not_listen_holds_nobody_up_and_who_listens_hears_all_in_order() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        begin(ours).unwrap();
        let long = "x".repeat(4096);
        // Far more than a socket takes: whoever waited would wait for ever.
        for number in 0..500 {
            say(&StartReport::Plain(format!("{number} {long}")));
        }
        let reader =
            thread::spawn(move || BufReader::new(theirs).lines().map(Result::unwrap).collect::<Vec<_>>());
        end(7);
        let heard = reader.join().unwrap();
        let report = |line: &String| serde_json::from_str::<StartReport>(line).unwrap();
        assert_eq!(heard.len(), 501);
        assert!(
            heard[..500]
                .iter()
                .enumerate()
                .all(|(number, line)| { report(line) == StartReport::Plain(format!("{number} {long}")) })
        );
        assert_eq!(report(&heard[500]), StartReport::Ended(7));
        // Nobody listens any more.
        say(&StartReport::Ready);
        end(0);
    }
}
