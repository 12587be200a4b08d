//! Who a worker runs as.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Somebody to run as.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Account {
    pub uid: u32,
    pub gid: u32,
    /// The supplementary groups, the group itself among them.
    pub groups: Vec<u32>,
    /// Whether the child has anything to change; only root can.
    pub is_another: bool,
    /// Who logs in; none where only a group was asked for.
    pub login: Option<Login>,
}

/// What a user finds in its environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Login {
    /// None for an id that has no entry.
    pub name: Option<String>,
    #[serde(default, with = "crate::written")]
    pub home: Option<PathBuf>,
    #[serde(default, with = "crate::written")]
    pub shell: Option<PathBuf>,
}

/// Why workers can't run as a user or a group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// No such user.
    #[error("there is no user `{user}`; create it, or name one that `getent passwd` lists")]
    NoUser {
        /// The name.
        user: String,
    },
    /// No such group.
    #[error("there is no group `{group}`; create it, or name one that `getent group` lists")]
    NoGroup {
        /// The name.
        group: String,
    },
    /// A number that is not an id.
    #[error("`{id}` is not a user or group id; the largest is {}", u32::MAX - 1)]
    NoId {
        /// What was given.
        id: String,
    },
    /// A bare id has no group of its own.
    #[error("user {uid} has no entry in the user database that would tell its group; name a group too")]
    GroupUnknown {
        /// The user.
        uid: u32,
    },
    /// Only root can change who a process is.
    #[error(
        "only root can run workers as {wanted}, and the master runs as user {own}; run it as root, or leave the user and the group out"
    )]
    NotRoot {
        /// Who was asked for.
        wanted: String,
        /// Who the master is.
        own: u32,
    },
    /// The databases of users and groups can't be read.
    #[error("`{name}` can't be looked up: {}", io::Error::from_raw_os_error(*errno))]
    Lookup {
        /// Who was looked up.
        name: String,
        /// What the C library said (`errno(3)`).
        errno: i32,
    },
}

impl Account {
    /// Whether it may pass through a directory, by the directory's mode; access control lists are not asked.
    pub(crate) fn may_enter(&self, dir: &std::fs::Metadata) -> bool {
        use std::os::unix::fs::MetadataExt;
        let bit = match dir {
            _ if self.uid == 0 => return true,
            dir if dir.uid() == self.uid => 0o100,
            dir if dir.gid() == self.gid || self.groups.contains(&dir.gid()) => 0o010,
            _ => 0o001,
        };
        dir.mode() & bit != 0
    }
}

/// `nobody (65534)`, or the number alone.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.login {
            Some(Login { name: Some(name), .. }) => {
                write!(f, "user `{name}` ({}), group {}", self.uid, self.gid)
            }
            Some(_) => write!(f, "user {}, group {}", self.uid, self.gid),
            None => write!(f, "group {}", self.gid),
        }
    }
}
