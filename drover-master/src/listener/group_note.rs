//! The group of a port in a memory that outlives the master (`memfd_create(2)`): the kernel tells nobody in which order it has the
//! sockets.
//!
//! It is written before a socket that has joined is held, and after one that has left is shut down. So a master that is killed in between
//! leaves either a member without a socket, which the kernel has let go of with it, or one that is shut down, which is opened again.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::group::Group;
use crate::config::ListenMode;
use crate::keeper::{Hold, Holds};

/// How many members are read at most, two bytes each, after their number.
const LONGEST: usize = 2 + 2 * ListenMode::MAX_SLOTS as usize;

/// Where the next master reads it. Without a keeper it is nowhere.
#[derive(Debug, Default)]
pub(super) struct GroupNote {
    file: Option<File>,
    _hold: Hold,
}

impl GroupNote {
    /// A new one, held by this name.
    pub(super) fn new(holds: &Holds, name: String) -> io::Result<Self> {
        if !holds.are_protected() {
            return Ok(Self::default());
        }
        let file = File::from(memfd_create(c"drover-group", MFdFlags::MFD_CLOEXEC)?);
        Ok(Self { _hold: holds.hold(name, file.as_fd()), file: Some(file) })
    }

    /// The one that this is, and what it says.
    pub(super) fn resume(file: File, holds: &Holds, name: String) -> Option<(Self, Group)> {
        let mut bytes = vec![0; LONGEST];
        let length = file.read_at(&mut bytes, 0).ok()?;
        let group = Group::from_bytes(&bytes[..length])?;
        Some((Self { _hold: holds.hold(name, file.as_fd()), file: Some(file) }, group))
    }

    /// Writes it down.
    pub(super) fn write(&self, group: &Group) {
        if let Some(file) = &self.file
            && let Err(error) = file.write_all_at(&group.to_bytes(), 0)
        {
            tracing::error!(target: "drover::keeper", %error, "the next master will not know the sockets of a port");
        }
    }
}
