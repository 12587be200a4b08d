//! A log file with those that it has become, which a rotation may be at work on.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use drover_proto::latest::LogLine;
use flate2::read::MultiGzDecoder;
use nix::fcntl::OFlag;

use super::file_line::FileForm;

/// The longest line that is read, in bytes: far longer than the master writes any. More is another program's.
const LONGEST: u64 = 4 * 1024 * 1024;

/// All of them, open: whoever renames or removes them takes nothing away.
#[derive(Debug)]
pub(super) struct LogSource {
    form: FileForm,
    /// Newest first.
    files: Vec<OldFile>,
    /// What can't be read.
    pub faults: Vec<(PathBuf, io::Error)>,
}

#[derive(Debug)]
struct OldFile {
    file: File,
    is_compressed: bool,
    /// When it was written last, in milliseconds since 1970.
    until_ms: u64,
}

impl LogSource {
    /// Those of this path.
    pub(super) fn open(form: FileForm, path: &Path) -> Self {
        let mut source = Self { form, files: Vec::new(), faults: Vec::new() };
        let mut known = HashSet::new();
        let (mut number, mut last) = (0, 0);
        // While they are renamed one is missing.
        while number <= last + 2 {
            for end in ["", ".gz"] {
                let mut name = path.as_os_str().to_owned();
                match number {
                    0 => name.push(end),
                    _ => name.push(format!(".{number}{end}")),
                }
                if source.add(Path::new(&name), end == ".gz", &mut known) {
                    last = number;
                    // The other one is the same, and not finished or not yet removed.
                    break;
                }
            }
            number += 1;
        }
        source
    }

    /// Whether there is such a file.
    fn add(&mut self, path: &Path, is_compressed: bool, known: &mut HashSet<(u64, u64)>) -> bool {
        // What is not a file, a FIFO for example, would block.
        let opened = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
        let opened = opened.and_then(|file| file.metadata().map(|of| (file, of)));
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
            Err(error) => self.faults.push((path.to_owned(), error)),
            Ok((_, of)) if !of.is_file() => {}
            Ok((file, of)) => {
                let modified = of.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                let until_ms = modified.map_or(u64::MAX, milliseconds);
                // It may have been renamed since it was opened.
                if known.insert((of.dev(), of.ino())) {
                    self.files.push(OldFile { file, is_compressed, until_ms });
                }
            }
        }
        true
    }

    /// The lines of so many of the newest files, from this time on, the oldest first; and whether there are more files.
    pub(super) fn lines(&self, newest: usize, since_ms: u64) -> io::Result<(FileLines, bool)> {
        let wanted = || self.files.iter().filter(|file| file.until_ms >= since_ms);
        let mut readers = Vec::new();
        for OldFile { file, is_compressed, .. } in wanted().take(newest) {
            let mut file = file.try_clone()?;
            // The offset is that of all clones.
            io::Seek::rewind(&mut file)?;
            readers.push(match is_compressed {
                true => Box::new(BufReader::new(MultiGzDecoder::new(file))) as Box<dyn BufRead>,
                false => Box::new(BufReader::with_capacity(128 * 1024, file)),
            });
        }
        let has_more = wanted().count() > newest;
        Ok((FileLines { form: self.form.clone(), readers, buffer: Vec::new(), before: None }, has_more))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The files of slots: `SLOT.log` and old ones.
pub(super) fn slots_in(dir: &Path) -> Vec<u32> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    let slot = |name: &str| name.split_once(".log")?.0.parse().ok();
    let mut slots: Vec<u32> = names.filter_map(|entry| slot(entry.file_name().to_str()?)).collect();
    slots.sort_unstable();
    slots.dedup();
    slots
}

/// Lines of several files, one after the other.
pub(super) struct FileLines {
    form: FileForm,
    /// The oldest is the last.
    readers: Vec<Box<dyn BufRead>>,
    buffer: Vec<u8>,
    before: Option<LogLine>,
}

impl Iterator for FileLines {
    type Item = io::Result<LogLine>;

    fn next(&mut self) -> Option<io::Result<LogLine>> {
        loop {
            let reader = self.readers.last_mut()?;
            self.buffer.clear();
            match reader.take(LONGEST).read_until(b'\n', &mut self.buffer) {
                Ok(0) => drop(self.readers.pop()),
                Ok(_) => {
                    if let Some(line) = self.form.read(&self.buffer, self.before.as_ref()) {
                        let LogLine { slot, time_ms, .. } = line;
                        self.before = Some(LogLine { slot, time_ms, ..LogLine::default() });
                        return Some(Ok(line));
                    }
                }
                Err(error) => {
                    self.readers.pop();
                    return Some(Err(error));
                }
            }
        }
    }
}
