//! What a successor has to know of a write to a log file: how much of it has been done is told by the file's length.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use super::layout::{self, ENTRIES_OF_FILE, as_bytes, as_words, file, file_at};
use super::shared::TransitShared;
use super::stream::{Receipt, Taker};

/// Notes the writes of one thread.
#[derive(Debug)]
pub(in crate::process::output) struct FileWrites {
    shared: Arc<TransitShared>,
    index: usize,
}

impl FileWrites {
    /// Where the thread notes writes of what came by this stream. None: there are too many.
    pub(in crate::process::output) fn of(receipt: &Receipt) -> Option<Self> {
        let shared = Arc::clone(receipt.stream().shared());
        let index = shared.take_file()?;
        Some(Self { shared, index })
    }

    /// Before a write to the end of a file, of entries which end at so many of its bytes each. More than [`ENTRIES_OF_FILE`], or a path
    /// that is too long, are not noted.
    pub(in crate::process::output) fn begin(&self, path: &Path, open: &File, entries: &[(usize, Receipt)]) {
        let path = path.as_os_str().as_bytes();
        let is_noted = entries.len() <= ENTRIES_OF_FILE && path.len() <= file::PATH_WORDS * 8;
        let Some(there) = is_noted.then(|| open.metadata().ok()).flatten() else { return };
        let store = |word, value| self.shared.memory.store(file_at(self.index) + word, value);
        store(file::OFFSET, there.len());
        store(file::DEVICE, there.dev());
        store(file::INODE, there.ino());
        store(file::PATH_LENGTH, path.len() as u64);
        as_words(path).enumerate().for_each(|(at, word)| store(file::PATH + at, word));
        store(file::COUNT, entries.len() as u64);
        for (at, (end, receipt)) in entries.iter().enumerate() {
            let [index, place] = receipt.words();
            store(file::ENTRIES + 2 * at, index | (*end as u64) << 32);
            store(file::ENTRIES + 2 * at + 1, place);
        }
        store(file::IS_WRITING, 1);
    }

    /// After it, and after the receipts are given.
    pub(in crate::process::output) fn end(&self) {
        self.shared.memory.store(file_at(self.index) + file::IS_WRITING, 0);
    }
}

impl Drop for FileWrites {
    fn drop(&mut self) {
        self.shared.give_back_file(self.index);
    }
}

/// Settles what writes were under way when the process before was killed.
pub(super) fn settle_writes(shared: &TransitShared) {
    for index in shared.files() {
        if shared.memory.load(file_at(index) + file::IS_WRITING) != 0 {
            settle(shared, index);
            shared.memory.store(file_at(index) + file::IS_WRITING, 0);
        }
    }
}

fn settle(shared: &TransitShared, index: usize) {
    let load = |word| shared.memory.load(file_at(index) + word);
    let count = usize::try_from(load(file::COUNT)).map_or(0, |count| count.min(ENTRIES_OF_FILE));
    let entries: Vec<(u64, [u64; 2])> = (0..count)
        .map(|at| {
            let word = load(file::ENTRIES + 2 * at);
            (word >> 32, [word & u64::from(u32::MAX), load(file::ENTRIES + 2 * at + 1)])
        })
        .collect();
    let Some(last) = entries.last().map(|(end, _)| *end) else { return };
    let path = as_bytes(load(file::PATH_LENGTH), file::PATH..file::PATH + file::PATH_WORDS, load);
    let path = path.unwrap_or_default();
    let path = Path::new(OsStr::from_bytes(&path));
    let same = [load(file::DEVICE), load(file::INODE)];
    let written = match written(path, same, load(file::OFFSET), &entries) {
        Ok(written) => written,
        Err(error) => {
            tracing::warn!(target: "drover::output", %error, "how much of the last lines is in `{}` can't be told; they are taken for written", path.display());
            last
        }
    };
    for (end, entry) in entries {
        if end <= written {
            shared.raise_done(Taker::Files, entry);
        }
    }
}

/// How many bytes of the entries the file has. A torn entry is taken out of it: it comes again as a whole.
fn written(path: &Path, same: [u64; 2], offset: u64, entries: &[(u64, [u64; 2])]) -> io::Result<u64> {
    let open = File::options().write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let there = open.metadata()?;
    if [there.dev(), there.ino()] != same {
        return Err(io::Error::other("it is another file by now"));
    }
    let Some(more) = there.len().checked_sub(offset) else {
        return Err(io::Error::other("it has become shorter"));
    };
    let whole = entries.iter().map(|(end, _)| *end).take_while(|end| *end <= more).last().unwrap_or(0);
    let last = entries.last().map_or(0, |(end, _)| *end);
    // Somebody else has written behind it.
    if more > last {
        return Ok(last);
    }
    if more > whole {
        open.set_len(offset + whole)?;
    }
    Ok(whole)
}

const _: () = assert!(file::ENTRIES + 2 * ENTRIES_OF_FILE <= file::WORDS);
const _: () = assert!(layout::STREAMS <= u32::MAX as usize);
