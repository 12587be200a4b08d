//! The files of an app's output, on a thread of their own: a disk may take as long as it likes, and neither supervision nor another app
//! waits for it. A worker waits a moment at most; then its lines are lost, and counted where they are missing.
//!
//! ```text
//!   readers of pipes ──put──► queue (2 MiB) ──► thread ──► one file, or one a slot ──► compressor, after a rotation
//! ```

mod compress;
mod file;
mod format;
#[cfg(feature = "compress")]
mod gzip;
mod rotate;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::file::LogFile;
pub(super) use self::format::timestamp;
pub(super) use self::rotate::rotate;
use super::lost::{LostBy, LostLines};
use super::queue::{Batch, Queue};
use super::queues::{HeldQueue, Queues};
use super::transit::{ENTRIES_OF_FILE, FileWrites, Receipt};
use crate::config::{LogOwner, LogPolicy};
use crate::ids::SlotIndex;

/// How many bytes may wait: what thirty-two reads of pipes bring, so that readers and the disk take turns rarely.
const WAITING: usize = 2 * 1024 * 1024;

static ALL: Queues<LogPolicy> = Queues::new();

/// Has the files of all apps opened again by their names. The answer is how many apps have files.
pub(super) fn reopen_log_files() -> usize {
    let all = ALL.all();
    all.iter().for_each(|queue| queue.reopen());
    all.len()
}

/// Has the files of an app opened again by their names.
pub(crate) fn reopen_files_of(app: &str) {
    ALL.all().iter().filter(|queue| *queue.app() == *app).for_each(|queue| queue.reopen());
}

/// Waits until everything so far is in the files, at most for so long.
pub(super) async fn flush_log_files(within: Duration) {
    ALL.written(within).await;
}

/// Where the lines of an app's workers are written to files.
pub(super) type FileLog = HeldQueue<LogPolicy>;

/// The files of an app, if it is to have any. Whoever has them open already writes as is wished now. None also: no thread could be
/// made, which has been told.
pub(super) fn files_of(app: &Arc<str>, wish: &LogPolicy) -> Option<FileLog> {
    wish.dir.as_ref()?;
    let is_same_place = |other: &LogPolicy| other.dir == wish.dir;
    let new = || Queue::new(Arc::clone(app), wish.clone(), WAITING, LostBy::Files);
    let queue = ALL.join_or_start(app, wish, is_same_place, new, write_until_end);
    let told = |error: &_| {
        tracing::error!(target: "drover::output", %error, %app, "no thread for its log files; they are not written");
    };
    queue.inspect_err(told).ok()
}

fn write_until_end(queue: &Queue<LogPolicy>) {
    let mut files = Files::new(queue.app());
    while let Some(batch) = queue.take() {
        let until = batch.until;
        files.write(batch);
        queue.is_written(until);
    }
}

/// Of one app.
pub(super) struct Files {
    app: Arc<str>,
    /// By their slots; of the app, under none.
    files: BTreeMap<Option<SlotIndex>, LogFile>,
    buffer: Vec<u8>,
    /// Where writes are noted of what a successor may have to go on with.
    writes: Option<FileWrites>,
}

/// How much is gathered before it is written, in bytes.
const GATHERED: usize = 256 * 1024;

impl Files {
    pub(super) fn new(app: Arc<str>) -> Self {
        Self { app, files: BTreeMap::new(), buffer: Vec::new(), writes: None }
    }

    pub(super) fn write(&mut self, batch: Batch<LogPolicy>) {
        if batch.reopens {
            self.files.clear();
        }
        let wish = &*batch.wish;
        let owner = |slot| (wish.per == LogOwner::Worker).then_some(slot);
        // As it was read.
        let is_plain = format::is_plain(wish);
        let (mut gathered_for, mut gathered, mut receipts, mut size) = (None, Vec::new(), Vec::new(), 0);
        for entry in batch.entries {
            let of = owner(entry.from.slot);
            if gathered_for != Some(of) || size >= GATHERED || receipts.len() == ENTRIES_OF_FILE {
                self.flush(gathered_for, &mut gathered, &mut receipts, wish);
                size = 0;
            }
            gathered_for = Some(of);
            if !is_plain {
                format::entry(wish, &self.app, &entry, &mut self.buffer);
                size = self.buffer.len();
            }
            if is_plain {
                size += entry.text.len();
                gathered.push(entry.text);
            }
            receipts.extend(entry.receipt.map(|receipt| (size, receipt)));
        }
        self.flush(gathered_for, &mut gathered, &mut receipts, wish);
        for (slot, count) in &batch.lost {
            format::lost(wish, &self.app, *slot, *count, batch.time, &mut self.buffer);
            self.flush(Some(owner(*slot)), &mut gathered, &mut receipts, wish);
        }
        // A burst of long lines is over some time.
        self.buffer.shrink_to(GATHERED);
    }

    /// Writes what was gathered of lines as they were read, or of lines that were made; with where the entry of each receipt ends in it.
    fn flush(
        &mut self,
        of: Option<Option<SlotIndex>>,
        gathered: &mut Vec<Bytes>,
        receipts: &mut Vec<(usize, Receipt)>,
        wish: &LogPolicy,
    ) {
        let Some(of) = of else { return };
        if self.writes.is_none()
            && let Some((_, receipt)) = receipts.first()
        {
            self.writes = FileWrites::of(receipt);
        }
        let writes = self.writes.take();
        let noted =
            writes.as_ref().map(|writes| (writes, &receipts[..])).filter(|(_, ends)| !ends.is_empty());
        if !gathered.is_empty() {
            self.file(of, wish).put(gathered, wish, noted);
            gathered.clear();
        }
        if !self.buffer.is_empty() {
            let buffer = std::mem::take(&mut self.buffer);
            self.file(of, wish).put(&[&buffer], wish, noted);
            self.buffer = buffer;
            self.buffer.clear();
        }
        let has_noted = noted.is_some();
        receipts.drain(..).for_each(|(_, receipt)| receipt.give());
        if let Some(writes) = writes.as_ref().filter(|_| has_noted) {
            writes.end();
        }
        self.writes = writes;
    }

    fn file(&mut self, of: Option<SlotIndex>, wish: &LogPolicy) -> &mut LogFile {
        // Without a directory nobody has files.
        let dir = wish.dir.as_deref().unwrap_or(Path::new(""));
        let path = match of {
            None => dir.join(format!("{}.log", self.app)),
            Some(slot) => dir.join(&*self.app).join(format!("{}.log", slot.0)),
        };
        self.files.entry(of).or_insert_with(|| LogFile::new(path, LostLines::of(&self.app, LostBy::Files)))
    }
}

#[cfg(test)]
mod tests;
