//! One log file: opened when there is something to write, rotated, and opened again where it was moved or removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::super::lost::LostLines;
use super::super::transit::{FileWrites, Receipt};
use super::compress::Compressor;
use super::{format, rotate};
use crate::config::LogPolicy;
use crate::sys::step;

/// How often it is looked whether the file still has its name, while it is written to.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    open: Option<OpenFile>,
    /// What it did not take.
    fault: Option<Fault>,
    lost: LostLines,
    compressor: Compressor,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    size: u64,
    /// When it was made.
    since: SystemTime,
    /// When it was looked after last.
    looked: Instant,
}

/// It is told once, and again when it is over.
#[derive(Debug, Default)]
struct Fault {
    lines: u64,
    /// The last line that it took has no end.
    is_torn: bool,
}

impl LogFile {
    pub(super) fn new(path: PathBuf, lost: LostLines) -> Self {
        Self { path, open: None, fault: None, lost, compressor: Compressor::default() }
    }

    /// Writes texts of whole lines, and before that notes what is to be written. What can't be written is counted, and told where it is
    /// missing.
    pub(super) fn put(
        &mut self,
        texts: &[impl AsRef<[u8]>],
        wish: &LogPolicy,
        noted: Option<(&FileWrites, &[(usize, Receipt)])>,
    ) {
        let path = self.path.clone();
        let size = texts.iter().map(|text| text.as_ref().len()).sum::<usize>();
        let pending = self.fault.as_ref().map(|fault| {
            let torn = if fault.is_torn { "\n" } else { "" };
            format!("{torn}{}", format::not_taken(wish, fault.lines, SystemTime::now()))
        });
        let written = self.ready(size as u64, wish).map_err(|error| (0, error));
        let written = written.and_then(|file| {
            if let Some(pending) = &pending {
                file.write(&[pending.as_bytes()]).map_err(|(_, error)| (0, error))?;
            }
            if let Some((writes, entries)) = noted {
                writes.begin(&path, &file.file, entries);
            }
            file.write(texts)
        });
        match written {
            Ok(()) if self.fault.take().is_some() => {
                tracing::info!(target: "drover::output", path = %self.path.display(), "a log file is written again");
            }
            Ok(()) => {}
            Err((taken, error)) => self.fail(texts, taken, &error),
        }
    }

    fn fail(&mut self, texts: &[impl AsRef<[u8]>], taken: usize, error: &io::Error) {
        if self.fault.is_none() {
            tracing::error!(
                target: "drover::output",
                %error,
                "`{}` can't be written; its lines are lost and counted until it can",
                self.path.display(),
            );
        }
        let fault = self.fault.get_or_insert_default();
        let bytes = || texts.iter().flat_map(AsRef::as_ref);
        let lines = bytes().skip(taken).filter(|byte| **byte == b'\n').count() as u64;
        fault.lines += lines;
        self.lost.add(lines);
        fault.is_torn |= taken > 0 && bytes().nth(taken - 1) != Some(&b'\n');
    }

    /// The file, open and with room for so much.
    fn ready(&mut self, more: u64, wish: &LogPolicy) -> io::Result<&mut OpenFile> {
        let now = Instant::now();
        if let Some(open) = self.open.take_if(|open| now.duration_since(open.looked) >= LOOK) {
            let is_there = open.has_name(&self.path);
            self.open = is_there.then_some(OpenFile { looked: now, ..open });
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => OpenFile::open(&self.path)?,
        };
        if !open.is_over(more, wish) || !self.compressor.is_idle() {
            return Ok(self.open.insert(open));
        }
        match rotate(&self.path, wish.keep) {
            Ok(rotated) => {
                if wish.compress {
                    self.compressor.begin(rotated);
                }
            }
            Err(error) => {
                let path = self.path.display();
                tracing::error!(target: "drover::output", %error, "`{path}` can't be rotated, and grows");
            }
        }
        Ok(self.open.insert(OpenFile::open(&self.path)?))
    }
}

impl OpenFile {
    /// What is not a regular file is refused: to open a FIFO that nobody reads, or to write to it, would block.
    fn open(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(there) if !there.is_file() => return Err(io::Error::other("it is not a regular file")),
            Ok(_) => {}
            Err(_) => path.parent().map_or(Ok(()), fs::create_dir_all)?,
        }
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path)?;
        let there = file.metadata()?;
        if !there.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let since = there.created().or_else(|_| there.modified())?;
        Ok(Self { file, size: there.len(), since, looked: Instant::now() })
    }

    /// Writes all of it; otherwise tells how much it took.
    fn write(&mut self, texts: &[impl AsRef<[u8]>]) -> Result<(), (usize, io::Error)> {
        let mut taken = 0;
        // The kernel takes some more at once (IOV_MAX, `writev(2)`).
        for texts in texts.chunks(1024) {
            let mut slices: Vec<_> = texts.iter().map(|text| IoSlice::new(text.as_ref())).collect();
            let mut rest = &mut slices[..];
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                if !step() {
                    return Ok(());
                }
                match self.file.write_vectored(rest) {
                    Ok(0) => return Err((taken, io::ErrorKind::WriteZero.into())),
                    Ok(count) => {
                        taken += count;
                        self.size += count as u64;
                        IoSlice::advance_slices(&mut rest, count);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err((taken, error)),
                }
            }
        }
        Ok(())
    }

    /// Whether another file should take its place before so much more comes.
    fn is_over(&self, more: u64, wish: &LogPolicy) -> bool {
        let age = || SystemTime::now().duration_since(self.since).unwrap_or_default();
        self.size > 0 && (self.size + more > wish.max_size || wish.max_age.is_some_and(|most| age() > most))
    }

    /// Whether the file at this path is still this one; a rotation by somebody else has moved it.
    fn has_name(&self, path: &Path) -> bool {
        match (self.file.metadata(), fs::metadata(path)) {
            (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};

    use super::super::super::lost::LostBy;
    use super::*;

    fn opened(file: File) -> OpenFile {
        OpenFile { file, size: 0, since: SystemTime::now(), looked: Instant::now() }
    }

    fn next_text(path: &Path, log: &mut LogFile, wish: &LogPolicy) -> String {
        // As when its file has lost its name.
        log.open = None;
        log.put(&["next\n"], wish, None);
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn lines_that_a_full_disk_did_not_take_are_counted_where_they_are_missing() {
        let dir = tempfile::tempdir().unwrap();
        let (path, wish) = (dir.path().join("web.log"), LogPolicy::in_dir(dir.path()));
        let mut log = LogFile::new(path.clone(), LostLines::of(&"lost".into(), LostBy::Files));
        log.open = Some(opened(File::options().write(true).open("/dev/full").unwrap()));
        log.put(&["one\ntwo\n", "three\n"], &wish, None);
        let said = "drover: 3 lines are missing here: this file could not be written\nnext\n";
        assert_eq!(next_text(&path, &mut log, &wish), said);
    }

    #[test]
    fn a_line_that_was_written_in_part_is_ended_before_what_is_missing_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (path, wish) = (dir.path().join("web.log"), LogPolicy::in_dir(dir.path()));
        let mut log = LogFile::new(path.clone(), LostLines::of(&"lost".into(), LostBy::Files));
        // Takes so much and no more, as the last block of a disk.
        let (_read, write) = io::pipe().unwrap();
        let write = File::from(std::os::fd::OwnedFd::from(write));
        let room = fcntl(&write, FcntlArg::F_SETPIPE_SZ(4096)).unwrap() as usize;
        fcntl(&write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        log.open = Some(opened(write));
        let line = format!("{}\n", "x".repeat(room - 10));
        log.put(&[&line, "a line that is torn\n", "lost\n"].map(str::to_owned), &wish, None);
        let said = "\ndrover: 2 lines are missing here: this file could not be written\nnext\n";
        assert_eq!(next_text(&path, &mut log, &wish), said);
    }
}
