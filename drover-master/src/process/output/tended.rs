//! The files that stdout and stderr of a master in the background are: nobody looks after them, so each line gets its time, and one that
//! has become large makes place for another.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::time::SystemTime;

use super::logfile::{rotate, timestamp};
use super::{Stream, files};

/// How much is written before it is looked how large the files are.
const LOOK: usize = 64 * 1024;

static BOUND: OnceLock<(u64, u32)> = OnceLock::new();

/// Has every line that goes to this process's own stdout and stderr begin with its time, in UTC, where they are files; and has such a file
/// that is larger than so many bytes become an old one, as `NAME.1`, of which so many are kept. For a master in the background, whose log
/// would else grow without an end. Call it before anything is written.
pub fn tend_output_files(max_size: u64, keep: u32) {
    files::remember_files();
    if files::names().next().is_some() {
        let _ = BOUND.set((max_size, keep));
    }
}

/// How far the thread that writes is.
#[derive(Debug, Default)]
pub(super) struct Tending {
    /// Whether the last line of stdout has begun, and of stderr.
    begun: [bool; 2],
    unlooked: usize,
}

impl Tending {
    /// The same with the time before each line.
    pub(super) fn stamped<'b>(&mut self, stream: Stream, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        if BOUND.get().is_none() {
            return Cow::Borrowed(bytes);
        }
        let ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        self.unlooked += bytes.len();
        let time = timestamp(u64::try_from(ms).unwrap_or(u64::MAX)) + " ";
        Cow::Owned(stamped(&mut self.begun[stream as usize], &time, bytes))
    }

    /// Moves what has become too large out of the way. Whether the files are to be opened again.
    pub(super) fn rotates(&mut self) -> bool {
        let Some((max_size, keep)) = BOUND.get().filter(|_| self.unlooked >= LOOK) else { return false };
        self.unlooked = 0;
        let mut is_moved = false;
        for path in files::names() {
            // Both streams may have the same.
            if std::fs::metadata(path).is_ok_and(|file| file.len() > *max_size) {
                match rotate(path, *keep) {
                    Ok(_) => is_moved = true,
                    Err(error) => {
                        tracing::error!(target: "drover::output", %error, "`{}` can't be rotated, and grows", path.display());
                    }
                }
            }
        }
        is_moved
    }
}

fn stamped(begun: &mut bool, time: &str, bytes: &[u8]) -> Vec<u8> {
    let mut into = Vec::with_capacity(bytes.len() + bytes.len() / 2 + time.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if !*begun {
            into.extend_from_slice(time.as_bytes());
        }
        into.extend_from_slice(line);
        *begun = !line.ends_with(b"\n");
    }
    into
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_gets_one_time_however_it_is_cut() {
        let mut begun = false;
        let got: Vec<u8> = ["one\ntw", "o\n", "\nthree", "", "\nfour\n"]
            .into_iter()
            .flat_map(|bytes| stamped(&mut begun, "T ", bytes.as_bytes()))
            .collect();
        assert_eq!(String::from_utf8(got).unwrap(), "T one\nT two\nT \nT three\nT four\n");
    }
}
