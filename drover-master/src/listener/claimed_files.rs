//! What is ours at a path, and what the keeper holds of it: the lock, the socket, and the socket's file, whose number alone could be
//! given to another one.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::socket::{UnixAddr, getsockname};

use super::path_lock::{FileId, sign};
use crate::keeper::{Hold, Holds};

/// What is added to the name of a path for each thing that is held of it.
const LOCK: &str = "/lock";
const FILE: &str = "/file";
const SOCKET: &str = "/socket";

/// What is ours at the path.
#[derive(Debug)]
pub(super) struct ClaimedFiles {
    pub(super) lock: File,
    /// The file of the socket that was made here.
    pub(super) made: Option<FileId>,
    /// The socket of the master before, until somebody listens on it.
    pub(super) resumed: Option<OwnedFd>,
    holds: Holds,
    name: String,
    held_lock: Hold,
    held_file: Hold,
    held_socket: Hold,
}

impl ClaimedFiles {
    pub(super) fn new(lock: File, holds: &Holds, name: &str) -> Self {
        Self {
            held_lock: holds.hold(format!("{name}{LOCK}"), lock.as_fd()),
            lock,
            made: None,
            resumed: None,
            holds: holds.clone(),
            name: name.to_owned(),
            held_file: Hold::default(),
            held_socket: Hold::default(),
        }
    }

    /// The lock of a master that ended before it listened.
    pub(super) fn left_lock(holds: &Holds, name: &str) -> Option<File> {
        holds.take(&format!("{name}{LOCK}")).map(File::from)
    }

    /// What the master before had by this name, where it is, and whose the file is.
    pub(super) fn resume(holds: &Holds, name: &str) -> Option<(Self, PathBuf, u32)> {
        let socket = holds.take(&format!("{name}{SOCKET}"))?;
        let file = File::from(holds.take(&format!("{name}{FILE}"))?);
        let lock = Self::left_lock(holds, name)?;
        let path = getsockname::<UnixAddr>(socket.as_raw_fd()).ok()?.path()?.to_owned();
        let found = file.metadata().ok()?;
        sign(&lock);
        let mut files = Self::new(lock, holds, name);
        files.made = Some((found.dev(), found.ino()));
        files.put(&file, &socket);
        files.resumed = Some(socket);
        Some((files, path, found.uid()))
    }

    /// A socket was made at this path.
    pub(super) fn hold(&mut self, path: &Path, socket: &OwnedFd) {
        if !self.holds.are_protected() {
            return;
        }
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        match File::options().read(true).custom_flags(flags).open(path) {
            Ok(file) => self.put(&file, socket),
            Err(error) => {
                tracing::error!(target: "drover::keeper", %error, "`{}` is not held", path.display());
            }
        }
    }

    /// The same, by this name from now on.
    pub(super) fn hold_by(&mut self, holds: &Holds, name: &str, path: &Path, socket: &OwnedFd) {
        (self.holds, self.name) = (holds.clone(), name.to_owned());
        self.hold(path, socket);
    }

    fn put(&mut self, file: &File, socket: &OwnedFd) {
        let Self { holds, name, .. } = self;
        self.held_lock.put(holds, format!("{name}{LOCK}"), self.lock.as_fd());
        self.held_file.put(holds, format!("{name}{FILE}"), file.as_fd());
        self.held_socket.put(holds, format!("{name}{SOCKET}"), socket.as_fd());
    }

    /// Whether another master goes on with them.
    pub(super) fn are_left(&self) -> bool {
        self.holds.are_left()
    }
}
