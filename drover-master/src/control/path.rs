//! Where the control socket is.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::link::{marked_places, own_place};
use crate::listener::{UnixPath, is_served};

/// Where a master serves, or is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlPath {
    /// This path, in a directory that is taken as it is.
    Given(PathBuf),
    /// `NAME.sock` in the user's runtime directory: `$XDG_RUNTIME_DIR/drover`, else `/run/drover` if it is writable, else
    /// `/tmp/drover-UID`.
    Named(String),
    /// The same for a master that is to outlive the login that starts it: the runtime directory of a login (`/run/user/UID`), which goes
    /// with the last one, comes after all others.
    Lasting(String),
}

/// Why no path can be had: misuse, or the environment's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlPathError {
    /// Others could replace the socket.
    #[error("others may write to `{}` (mode {mode:o}) and could replace the socket; choose another directory, or set its sticky bit", path.display())]
    Writable {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Somebody else owns the directory that should be ours.
    #[error("`{}` belongs to user {owner}; remove it, or name a socket with -s", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// The kernel says no.
    #[error("the directory `{}` for the control socket can't be used; name a socket with -s, or set XDG_RUNTIME_DIR to a directory of yours", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl ControlPath {
    /// The path to serve at. The user's own directory is made if it is not there, with mode 0700; a given one is checked.
    ///
    /// # Errors
    ///
    /// [`ControlPathError`] if others could put their socket in the place of this one.
    pub fn to_serve(&self) -> Result<PathBuf, ControlPathError> {
        match self {
            Self::Given(path) => {
                let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let found = fs::metadata(dir)
                    .map_err(|source| ControlPathError::Io { path: dir.to_owned(), source })?;
                let is_open_to_others = found.mode() & 0o022 != 0 && found.mode() & 0o1000 == 0;
                if is_open_to_others {
                    return Err(ControlPathError::Writable {
                        path: dir.to_owned(),
                        mode: found.mode() & 0o7777,
                    });
                }
                Ok(path.clone())
            }
            Self::Named(name) | Self::Lasting(name) => {
                let dir = own_directory(self.candidates())?;
                // What masters that were killed have left.
                sockets_in(&dir).iter().for_each(|path| UnixPath::clear_away(path));
                Ok(dir.join(format!("{name}.sock")))
            }
        }
    }

    /// The path to ask at.
    pub fn to_ask(&self) -> PathBuf {
        match self {
            Self::Given(path) => path.clone(),
            Self::Named(name) | Self::Lasting(name) => {
                let file = format!("{name}.sock");
                let mut places = self.candidates().into_iter().map(|dir| dir.join(&file));
                let first = places.clone().next();
                places.find(|path| path.exists()).or(first).unwrap_or_else(|| file.into())
            }
        }
    }

    fn candidates(&self) -> Vec<PathBuf> {
        let mut dirs = candidates();
        if matches!(self, Self::Lasting(_)) {
            put_logins_last(&mut dirs);
        }
        dirs
    }

    /// Every master of this user that is alive: the sockets in the user's directories that somebody listens on. A
    /// master that is stopped (SIGSTOP) is one of them and is not waited for.
    pub fn live() -> Vec<PathBuf> {
        served_in(places_to_look())
    }

    /// The sockets in the user's directories that nobody listens on: what masters that were killed have left.
    pub fn stale() -> Vec<PathBuf> {
        let sockets = places_to_look().into_iter().flat_map(|dir| sockets_in(&dir));
        sockets.filter(|path| !is_served(path)).collect()
    }

    /// Every master of other users that is alive, in the places where they serve unless told otherwise. For root alone, which
    /// may ask all of them; for others there is none.
    #[expect(clippy::disallowed_methods, reason = "for the command, which has no runtime to hold up")]
    pub fn live_of_others() -> Vec<PathBuf> {
        if !nix::unistd::geteuid().is_root() {
            return Vec::new();
        }
        let own = places_to_look();
        let entries = |dir: &str| fs::read_dir(dir).into_iter().flatten().flatten();
        let runtime = entries("/run/user").map(|user| user.path().join("drover"));
        let temporary = entries("/tmp").filter_map(|entry| {
            // What a directory is named after, its owner made: others can't put a socket there in his name.
            let uid: u32 = entry.file_name().to_str()?.strip_prefix("drover-")?.parse().ok()?;
            let found = entry.metadata().ok()?;
            (found.is_dir() && found.uid() == uid).then(|| entry.path())
        });
        served_in(runtime.chain(temporary).filter(|dir| !own.contains(dir)))
    }
}

fn served_in(dirs: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    let sockets = dirs.into_iter().flat_map(|dir| sockets_in(&dir));
    let mut live: Vec<PathBuf> = sockets.filter(|path| is_served(path)).collect();
    live.sort();
    live
}

/// The control sockets in a directory.
#[expect(clippy::disallowed_methods, reason = "for the command, which has no runtime to hold up")]
fn sockets_in(dir: &Path) -> Vec<PathBuf> {
    let is_socket = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "sock")
            && fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(is_socket).collect()
}

fn candidates() -> Vec<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let own = own_place(Path::new("/tmp"), "drover");
    runtime.map(|dir| dir.join("drover")).into_iter().chain([PathBuf::from("/run/drover"), own]).collect()
}

/// Where masters of this user may serve that were started elsewhere: cron, systemd and `su` don't set the variable that a
/// login sets. None is made there from here: it goes with the login.
fn places_to_look() -> Vec<PathBuf> {
    let mut places = candidates();
    let of_login = PathBuf::from(format!("/run/user/{}/drover", nix::unistd::geteuid()));
    if !places.contains(&of_login) {
        places.push(of_login);
    }
    // Made while somebody else had the usual name.
    for marked in marked_places(Path::new("/tmp"), "drover") {
        if !places.contains(&marked) {
            places.push(marked);
        }
    }
    places
}

fn put_logins_last(dirs: &mut [PathBuf]) {
    // Stable: the others keep their order.
    dirs.sort_by_key(|dir| goes_with_login(dir));
}

/// Whether a path is in what the system removes with the last login of its user (`pam_systemd(8)`).
pub fn goes_with_login(path: &Path) -> bool {
    path.starts_with("/run/user")
}

/// The first candidate that is, or can be made, a directory of our own.
fn own_directory(candidates: Vec<PathBuf>) -> Result<PathBuf, ControlPathError> {
    let own = nix::unistd::geteuid().as_raw();
    let mut last = None;
    for dir in candidates {
        match DirBuilder::new().mode(0o700).create(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                last = Some(ControlPathError::Io { path: dir, source: error });
                continue;
            }
            _ => {}
        }
        match fs::symlink_metadata(&dir) {
            Ok(found) if found.is_dir() && found.uid() == own && found.mode() & 0o022 == 0 => return Ok(dir),
            Ok(found) => last = Some(ControlPathError::Foreign { path: dir, owner: found.uid() }),
            Err(source) => last = Some(ControlPathError::Io { path: dir, source }),
        }
    }
    Err(last.unwrap_or_else(|| ControlPathError::Io {
        path: "/tmp".into(),
        source: io::Error::from(io::ErrorKind::NotFound),
    }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_master_that_outlives_the_login_does_not_serve_where_the_login_ends() {
        let mut dirs = ["/run/user/7/drover", "/run/drover", "/tmp/drover-7"].map(PathBuf::from);
        put_logins_last(&mut dirs);
        assert_eq!(dirs, ["/run/drover", "/tmp/drover-7", "/run/user/7/drover"].map(PathBuf::from));
        let mut own = ["/home/me/run/drover", "/run/drover"].map(PathBuf::from);
        put_logins_last(&mut own);
        assert_eq!(own[0], PathBuf::from("/home/me/run/drover"), "what somebody has set himself is taken");
    }

    #[test]
    fn a_directory_open_to_others_is_refused_unless_it_is_sticky() {
        let dir = tempfile::tempdir().unwrap();
        let path = ControlPath::Given(dir.path().join("x.sock"));
        for (mode, usable) in [(0o700, true), (0o755, true), (0o777, false), (0o775, false), (0o1777, true)] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(path.to_serve().is_ok(), usable, "mode {mode:o}");
        }
    }
}
