//! The lines of an app as entries of the system's journal, on a thread of their own: a journal that takes nothing holds up neither
//! supervision nor the files. A worker waits a moment at most; then its lines are lost, and counted where they are missing.
//!
//! ```text
//!   readers of pipes ──put──► queue (256 KiB) ──► thread ──► one datagram a line ──► /run/systemd/journal/socket
//! ```

mod entry;
mod socket;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use self::socket::JournalSocket;
use super::lost::{LostBy, LostLines};
use super::queue::{Batch, PATIENCE, Queue};
use super::queues::{HeldQueue, Queues};
use super::transit::Receipt;
use crate::config::LogPolicy;
use crate::sys::step;

/// Where systemd-journald listens (systemd-journald.socket(8)).
const SOCKET: &str = "/run/systemd/journal/socket";

/// Names another socket, for tests.
const SOCKET_VARIABLE: &str = "DROVER_JOURNAL_SOCKET";

/// How many bytes may wait: what four reads of pipes bring. A journal takes some ten thousand entries a second, so that with more the
/// worker whose lines come last would wait longer for room than it may.
const WAITING: usize = 256 * 1024;

static ALL: Queues<PathBuf> = Queues::new();

/// Where the journal listens.
pub(crate) fn journal_socket() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| std::env::var_os(SOCKET_VARIABLE).map_or_else(|| SOCKET.into(), PathBuf::from))
}

/// Waits until everything so far is in the journal, at most for so long.
pub(super) async fn flush_journal(within: Duration) {
    ALL.written(within).await;
}

/// Where the lines of an app's workers become entries of the journal.
pub(super) type JournalLog = HeldQueue<PathBuf>;

/// The journal, if an app's lines are to go there. None also: no thread could be made, which has been told.
pub(super) fn journal_of(app: &Arc<str>, wish: &LogPolicy) -> Option<JournalLog> {
    wish.journald.then(|| journal_at(app, journal_socket()))?
}

fn journal_at(app: &Arc<str>, socket: &Path) -> Option<JournalLog> {
    let wish = socket.to_owned();
    let new = || Queue::new(Arc::clone(app), wish.clone(), WAITING, LostBy::Journal);
    let queue = ALL.join_or_start(app, &wish, |other| *other == wish, new, write_until_end);
    let told = |error: &_| {
        tracing::error!(target: "drover::output", %error, %app, "no thread for its entries of the journal; they are not written");
    };
    queue.inspect_err(told).ok()
}

fn write_until_end(queue: &Queue<PathBuf>) {
    let mut journal = AppJournal::new(queue.app());
    while let Some(batch) = queue.take() {
        let until = batch.until;
        journal.write(batch);
        queue.is_written(until);
    }
}

/// Of one app.
struct AppJournal {
    app: Arc<str>,
    lost: LostLines,
    socket: JournalSocket,
    /// How many lines it has not got, and was not told of yet.
    missing: u64,
    /// It was told that the journal takes nothing. Until it takes something, it is not waited for.
    is_faulty: bool,
    buffer: Vec<u8>,
}

impl AppJournal {
    fn new(app: Arc<str>) -> Self {
        Self {
            lost: LostLines::of(&app, LostBy::Journal),
            app,
            socket: JournalSocket::default(),
            missing: 0,
            is_faulty: false,
            buffer: Vec::new(),
        }
    }

    fn write(&mut self, batch: Batch<PathBuf>) {
        let path = &*batch.wish;
        for entry in batch.entries {
            // The last end is followed by nothing.
            let mut left = entry.text.len();
            for line in entry.text[..entry.text.len() - 1].split(|byte| *byte == b'\n') {
                left -= line.len() + 1;
                if let Some(receipt) = &entry.receipt {
                    // Before it is sent: a successor does not send it again.
                    receipt.reaches(left);
                }
                if !self.tell_missing(path) {
                    self.lose_line();
                    continue;
                }
                entry::line(&self.app, entry.from, entry.stream, line, &mut self.buffer);
                if !self.send(path) {
                    self.lose_line();
                }
            }
            entry.receipt.into_iter().for_each(Receipt::give);
        }
        // Those that found no room behind them are counted by the queue.
        self.missing += batch.lost.values().sum::<u64>();
        self.tell_missing(path);
        // A long line is seldom.
        self.buffer.shrink_to(WAITING);
    }

    fn lose_line(&mut self) {
        self.missing += 1;
        self.lost.add(1);
    }

    /// Tells the journal what is missing in it. Whether it knows.
    fn tell_missing(&mut self, path: &Path) -> bool {
        if self.missing == 0 {
            return true;
        }
        entry::missing(&self.app, self.missing, &mut self.buffer);
        let is_told = self.send(path);
        if is_told {
            self.missing = 0;
        }
        is_told
    }

    /// Sends what is in the buffer. Whether the journal has it.
    fn send(&mut self, path: &Path) -> bool {
        let patience = if self.is_faulty { Duration::ZERO } else { PATIENCE };
        if !step() {
            return true;
        }
        let sent = self.socket.send(path, &self.buffer, patience);
        match &sent {
            Ok(()) if self.is_faulty => {
                tracing::info!(target: "drover::output", app = %self.app, "the journal takes its lines again");
            }
            Ok(()) => {}
            Err(error) if !self.is_faulty => self.warn(path, error),
            Err(_) => {}
        }
        self.is_faulty = sent.is_err();
        sent.is_ok()
    }

    fn warn(&self, path: &Path, error: &io::Error) {
        tracing::error!(
            target: "drover::output",
            %error,
            "the journal at `{}` does not take the lines of `{}`, which are lost and counted until it does; see to systemd-journald, or write to files by `logs.dir`",
            path.display(),
            self.app,
        );
    }
}

#[cfg(test)]
mod tests;
