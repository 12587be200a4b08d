//! The file that is locked for a path, so that two masters can't share it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::unix_path_error::UnixPathError;
use crate::sys::lock_file;

/// What is appended for the file that is locked.
const LOCK: &str = ".lock";

/// Device and inode.
pub(super) type FileId = (u64, u64);

pub(super) fn id_of(path: &Path) -> io::Result<FileId> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// The file that stands for a path.
pub(super) fn lock_path_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(LOCK);
    name.into()
}

/// Whether the file that is locked is still the one at its path.
pub(super) fn is_locked_at(lock: &File, lock_path: &Path) -> bool {
    let mine = lock.metadata().ok().map(|found| (found.dev(), found.ino()));
    mine.is_some() && mine == id_of(lock_path).ok()
}

/// Locks the file that stands for a path. Its owner removes it while it holds the lock, so a lock that was won on a file
/// which is gone by then is worth nothing and is tried again. What is in it is the process id of who has it.
pub(super) fn lock(path: &Path, lock_path: &Path) -> Result<File, UnixPathError> {
    let failed = |source| UnixPathError::Io { path: lock_path.to_owned(), source };
    loop {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(lock_path)
            .map_err(failed)?;
        match lock_file(file.as_fd()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let holder = written_in(&mut file);
                return Err(UnixPathError::InUse { path: path.to_owned(), holder });
            }
            other => other.map_err(failed)?,
        }
        if !is_locked_at(&file, lock_path) {
            continue;
        }
        sign(&file);
        return Ok(file);
    }
}

/// Writes this process's id into the file. For people alone: on a full disk the lock is as good without.
pub(super) fn sign(lock: &File) {
    let pid = format!("{}\n", std::process::id());
    let _ = lock.set_len(0).and_then(|()| lock.write_all_at(pid.as_bytes(), 0));
}

/// The process id that a lock file tells.
fn written_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    // No number of digits is longer.
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
