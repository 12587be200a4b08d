//! The file that a master in the background and its workers write to.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::whole;

/// This much of the end of a log is read for its last lines.
const TAIL: u64 = 8 * 1024;

/// This many last lines are shown.
const LINES: usize = 20;

/// A log that is open, and where this master's part of it begins.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    begin: u64,
}

impl Log {
    /// Opens it to write at its end; a new one is for its user only, as workers may print what is private.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let begin = file.metadata()?.len();
        Ok(Self { path: whole(path), file, begin })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn to_stdio(&self) -> io::Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }

    /// The last lines that were written since it was opened; none if they can't be read.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let text = self.tail().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].iter().map(|line| (*line).to_owned()).collect()
    }

    fn tail(&self) -> io::Result<String> {
        let mut file = &self.file;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(self.begin.max(end.saturating_sub(TAIL))))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn its_last_lines_are_those_of_this_master_and_nobody_else_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, "of another\n").unwrap();
        let mut log = Log::open(&path).unwrap();
        assert_eq!(log.last_lines(), [""; 0]);
        for number in 0..100 {
            writeln!(log.file, "line {number}").unwrap();
        }
        let last = log.last_lines();
        assert_eq!((last.len(), last[0].as_str(), last[19].as_str()), (20, "line 80", "line 99"));
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("of another\nline 0\n"));
        let new = dir.path().join("new.log");
        Log::open(&new).unwrap();
        assert_eq!(std::fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
