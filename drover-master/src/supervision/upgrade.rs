//! Another program goes on in the place of this one. Until that has said that it can, nothing changes; then this one ends as if it had
//! crashed between two inputs, with all that it has written down, and whatever can go wrong after that has the same remedy: another
//! master.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::handle::SupervisorHandle;
use crate::keeper::PANICKED;
use crate::process::flush_output;

/// How long the keeper may take to answer: what it gives the program, and some more.
const WITHIN: Duration = Duration::from_secs(15);

/// How long a slow reader is given for the last lines of output, before the end.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Who goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upgraded {
    pub(crate) pid: u32,
    pub(crate) version: String,
}

/// Why nobody goes on in the place of this master, which runs on as if nobody had asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum UpgradeError {
    /// Misuse: it was started without one.
    #[error(
        "this master has no keeper, which would start the other program: it was started with --no-keeper, or by `run` or `demo`"
    )]
    NoKeeper,
    /// The keeper was killed.
    #[error(
        "the keeper is gone, and only it could start the other program; `drover down` and `drover up` begin anew"
    )]
    KeeperGone,
    /// Another upgrade is under way.
    #[error("another upgrade is under way")]
    Busy,
    /// Misuse: what was given is not a program.
    #[error("`{path}` can't be started")]
    Program {
        /// It.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program has said that it can't go on, or has said nothing.
    #[error("`{path}` can't go on here: {why}; the master (version {version}) goes on as before")]
    Unable {
        /// It.
        path: PathBuf,
        /// Why.
        why: String,
        /// Of this one.
        version: &'static str,
    },
}

impl SupervisorHandle {
    /// Starts a program beside this one and has it look whether it can go on. None: the file that this program was started from, which may
    /// be another by now.
    pub(crate) async fn stand_by(
        &self,
        program: Option<PathBuf>,
        is_check: bool,
    ) -> Result<Upgraded, UpgradeError> {
        let keeper = self.holds.keeper().cloned().ok_or(UpgradeError::NoKeeper)?;
        if keeper.is_lost() {
            return Err(UpgradeError::KeeperGone);
        }
        // A file may lie on a disk that hangs.
        let opened = tokio::task::spawn_blocking(move || {
            let path = program.map_or_else(own_program, Ok)?;
            match open(&path) {
                Ok(file) => Ok((path, file)),
                Err(source) => Err(UpgradeError::Program { path, source }),
            }
        });
        let (path, file) = opened.await.map_err(|_| UpgradeError::KeeperGone)??;
        let unable = |why: String| UpgradeError::Unable {
            path: path.clone(),
            why,
            version: env!("CARGO_PKG_VERSION"),
        };
        let word = match tokio::time::timeout(WITHIN, keeper.stand_by(file.as_fd(), is_check)).await {
            Ok(Some(word)) => word.map_err(unable)?,
            Ok(None) if keeper.is_lost() => return Err(UpgradeError::KeeperGone),
            Ok(None) => return Err(UpgradeError::Busy),
            Err(_) => return Err(unable("the keeper did not answer".to_owned())),
        };
        let mut words = word.split_whitespace();
        let pid = words.next().and_then(|pid| pid.parse().ok());
        match (pid, words.next()) {
            (Some(pid), Some(version)) => Ok(Upgraded { pid, version: version.to_owned() }),
            _ => Err(unable(format!("it answered `{word}`"))),
        }
    }

    /// Ends this process, and leaves everything to the program that stands by.
    #[expect(clippy::disallowed_methods, reason = "what would be ended or removed is another's by now")]
    pub(crate) async fn make_way(&self) -> ! {
        flush_output(LAST_LINES).await;
        if let Some(keeper) = self.holds.keeper().cloned() {
            // Not on this thread: the keeper may first need somebody who reads its answers.
            let _ = tokio::task::spawn_blocking(move || keeper.make_way()).await;
        }
        // Should the keeper not know that this is meant, it was a crash, and this program goes on.
        std::process::exit(PANICKED);
    }
}

/// The file that this program was started from, by its name: after a package was upgraded, another one has it.
fn own_program() -> Result<PathBuf, UpgradeError> {
    let own = PathBuf::from("/proc/self/exe");
    let path = std::fs::read_link(&own).map_err(|source| UpgradeError::Program { path: own, source })?;
    // proc_pid_exe(5): of a file that is not there any more.
    let name = path.to_string_lossy();
    Ok(name.strip_suffix(" (deleted)").map_or_else(|| path.clone(), PathBuf::from))
}

fn open(path: &Path) -> io::Result<File> {
    let found = std::fs::metadata(path)?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    if found.mode() & 0o111 == 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not executable"));
    }
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_program_is_told_as_such() {
        for (path, why) in
            [("/", "not a file"), ("/etc/passwd", "not executable"), ("/nowhere/drover", "No such file")]
        {
            let error = open(Path::new(path)).unwrap_err().to_string();
            assert!(error.contains(why), "{path}: {error}");
        }
        assert!(open(&own_program().unwrap()).is_ok());
    }
}
