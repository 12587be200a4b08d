//! Old log files: `web.log.1` is the newest, and each may end in `.gz`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The old file with this number, and the same compressed.
fn old(path: &Path, number: u32) -> [PathBuf; 2] {
    ["", ".gz"].map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}{end}"));
        name.into()
    })
}

/// Moves the file out of the way, and all old ones one further; those that are too many are removed. The answer is its new name.
pub(in crate::process::output) fn rotate(path: &Path, keep: u32) -> io::Result<Option<PathBuf>> {
    // Also those that an earlier, larger number has left.
    let mut number = keep.max(1);
    while remove(path, number)? {
        number += 1;
    }
    if keep == 0 {
        fs::remove_file(path)?;
        return Ok(None);
    }
    for number in (1..keep).rev() {
        for (from, to) in old(path, number).iter().zip(old(path, number + 1)) {
            unless_missing(fs::rename(from, to))?;
        }
    }
    let [newest, _] = old(path, 1);
    fs::rename(path, &newest)?;
    Ok(Some(newest))
}

/// Whether there was one.
fn remove(path: &Path, number: u32) -> io::Result<bool> {
    let mut was_there = false;
    for old in old(path, number) {
        was_there |= unless_missing(fs::remove_file(old))?;
    }
    Ok(was_there)
}

/// Whether it was there.
fn unless_missing(done: io::Result<()>) -> io::Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
