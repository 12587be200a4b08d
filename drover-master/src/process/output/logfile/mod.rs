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
mod lost;
mod queue;
mod rotate;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};
use std::{collections::BTreeMap, thread};

use bytes::Bytes;

use self::file::LogFile;
pub(super) use self::format::timestamp;
use self::lost::LostLines;
#[cfg(any(feature = "http", test))]
pub(crate) use self::lost::lost_lines;
use self::queue::{Batch, Queue};
pub(super) use self::rotate::rotate;
use super::lines::LineBlock;
use super::{Printer, Stream};
use crate::config::{LogFiles, LogOwner};
use crate::ids::SlotIndex;

/// Where the lines of an app's workers are written to files. A clone is the same; with the last of them the thread ends, after
/// it has written everything.
#[derive(Debug)]
pub(crate) struct FileLog {
    queue: Arc<Queue>,
}

/// Those whose threads run, for whoever wants all of them to reopen their files, or to finish.
static ALL: Mutex<Vec<Weak<Queue>>> = Mutex::new(Vec::new());

fn all() -> Vec<Arc<Queue>> {
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|queue| queue.strong_count() > 0);
    all.iter().filter_map(Weak::upgrade).collect()
}

/// Has the files of all apps opened again by their names. The answer is how many apps have files.
pub(super) fn reopen_log_files() -> usize {
    let all = all();
    all.iter().for_each(|queue| queue.reopen());
    all.len()
}

/// Has the files of an app opened again by their names.
pub(crate) fn reopen_files_of(app: &str) {
    all().iter().filter(|queue| *queue.app() == *app).for_each(|queue| queue.reopen());
}

/// Waits until everything so far is in the files, at most for so long.
pub(super) async fn flush_log_files(within: Duration) {
    let written = async {
        for queue in all() {
            queue.written().await;
        }
    };
    // A disk that hangs does not keep the process.
    let _ = tokio::time::timeout(within, written).await;
}

impl FileLog {
    /// The files of an app in a directory. Whoever has them open already writes as is wished now. None: no thread could be made,
    /// which has been told.
    pub(crate) fn of(app: &Arc<str>, wish: &LogFiles) -> Option<Self> {
        if let Some(queue) = all().into_iter().find(|queue| queue.join(app, wish)) {
            return Some(Self { queue });
        }
        let queue = Arc::new(Queue::new(Arc::clone(app), wish.clone()));
        let writer = Arc::clone(&queue);
        let thread = thread::Builder::new().name("drover-logs".into()).stack_size(256 * 1024);
        if let Err(error) = thread.spawn(move || write_until_end(&writer)) {
            tracing::error!(target: "drover::output", %error, %app, "no thread for its log files; they are not written");
            return None;
        }
        ALL.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&queue));
        Some(Self { queue })
    }

    /// Has lines written that were read at once.
    ///
    /// Waits while the queue is full, and only as long as the disk makes progress; what finds no room is counted.
    pub(super) async fn put(&self, from: Printer, stream: Stream, time: SystemTime, lines: &LineBlock) {
        self.queue.put(from, stream, time, lines).await;
    }

    /// Resolves once everything so far is in the files.
    pub(super) async fn written(&self) {
        self.queue.written().await;
    }
}

impl Clone for FileLog {
    fn clone(&self) -> Self {
        self.queue.hold();
        Self { queue: Arc::clone(&self.queue) }
    }
}

impl Drop for FileLog {
    fn drop(&mut self) {
        self.queue.let_go();
    }
}

fn write_until_end(queue: &Queue) {
    let mut files = Files { app: queue.app(), files: BTreeMap::new(), buffer: Vec::new() };
    while let Some(batch) = queue.take() {
        let until = batch.until;
        files.write(batch);
        queue.is_written(until);
    }
}

/// Of one app.
struct Files {
    app: Arc<str>,
    /// By their slots; of the app, under none.
    files: BTreeMap<Option<SlotIndex>, LogFile>,
    buffer: Vec<u8>,
}

/// How much is gathered before it is written, in bytes.
const GATHERED: usize = 256 * 1024;

impl Files {
    fn write(&mut self, batch: Batch) {
        if batch.reopens {
            self.files.clear();
        }
        let wish = &*batch.wish;
        let owner = |slot| (wish.per == LogOwner::Worker).then_some(slot);
        // As it was read.
        let is_plain = format::is_plain(wish);
        let (mut gathered_for, mut gathered, mut size) = (None, Vec::new(), 0);
        for entry in batch.entries {
            let of = owner(entry.from.slot);
            if gathered_for != Some(of) || size + self.buffer.len() >= GATHERED {
                self.flush(gathered_for, &mut gathered, wish);
                size = 0;
            }
            gathered_for = Some(of);
            if is_plain {
                size += entry.text.len();
                gathered.push(entry.text);
            } else {
                format::entry(wish, &self.app, &entry, &mut self.buffer);
            }
        }
        self.flush(gathered_for, &mut gathered, wish);
        for (slot, count) in &batch.lost {
            format::lost(wish, &self.app, *slot, *count, batch.time, &mut self.buffer);
            self.flush(Some(owner(*slot)), &mut gathered, wish);
        }
        // A burst of long lines is over some time.
        self.buffer.shrink_to(GATHERED);
    }

    /// Writes what was gathered of lines as they were read, and of lines that were made.
    fn flush(&mut self, of: Option<Option<SlotIndex>>, gathered: &mut Vec<Bytes>, wish: &LogFiles) {
        let Some(of) = of else { return };
        if !gathered.is_empty() {
            self.file(of, wish).put(gathered, wish);
            gathered.clear();
        }
        if !self.buffer.is_empty() {
            let buffer = std::mem::take(&mut self.buffer);
            self.file(of, wish).put(&[&buffer], wish);
            self.buffer = buffer;
            self.buffer.clear();
        }
    }

    fn file(&mut self, of: Option<SlotIndex>, wish: &LogFiles) -> &mut LogFile {
        let path = match of {
            None => wish.dir.join(format!("{}.log", self.app)),
            Some(slot) => wish.dir.join(&*self.app).join(format!("{}.log", slot.0)),
        };
        self.files.entry(of).or_insert_with(|| LogFile::new(path, LostLines::of(&self.app)))
    }
}

#[cfg(test)]
mod tests;
