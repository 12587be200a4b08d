//! The files that this process's stdout and stderr are, opened again by their names after somebody has moved them away: a rotation of
//! logs renames a file, and whoever has it open goes on writing to what is now called `app.log.1`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Stream;

/// The names that they had at the start; none for a terminal, a pipe or a socket.
static NAMES: OnceLock<[Option<PathBuf>; 2]> = OnceLock::new();

/// Notes what stdout and stderr are called now. Later a name of the kernel's is that which the file was moved to.
pub(crate) fn remember_files() {
    NAMES.get_or_init(|| [name(io::stdout().as_fd()), name(io::stderr().as_fd())]);
}

/// The names of those that are files; both may have the same.
pub(super) fn names() -> impl Iterator<Item = &'static PathBuf> {
    NAMES.get().into_iter().flatten().flatten()
}

/// Why a file was not opened again. It is written to as before.
#[derive(Debug, thiserror::Error)]
#[error("`{}` can't be opened again; {stream:?} goes where it went before", path.display())]
pub(super) struct ReopenError {
    path: PathBuf,
    stream: Stream,
    #[source]
    source: io::Error,
}

/// Opens again what is a file. Tells which streams are anew; none is one.
///
/// For the thread that writes: a file may be on a disk that is slow to answer.
pub(super) fn reopen() -> Vec<Result<Stream, ReopenError>> {
    let Some([stdout, stderr]) = NAMES.get() else { return Vec::new() };
    let mut reopened = Vec::new();
    if let Some(path) = stdout {
        let done = again(path, io::stdout().as_fd(), nix::unistd::dup2_stdout);
        reopened.push(told(path, Stream::Stdout, done));
    }
    if let Some(path) = stderr {
        let done = again(path, io::stderr().as_fd(), nix::unistd::dup2_stderr);
        reopened.push(told(path, Stream::Stderr, done));
    }
    reopened
}

/// Goes on with what their names mean now, if that is another file: for a process that did not hear of their rotation. Nothing is told of
/// a failure; then they are written to as before.
pub(crate) fn follow_files() {
    let Some([stdout, stderr]) = NAMES.get() else { return };
    if let Some(path) = stdout.as_ref().filter(|path| !is_at(io::stdout().as_fd(), path)) {
        let _ = again(path, io::stdout().as_fd(), nix::unistd::dup2_stdout);
    }
    if let Some(path) = stderr.as_ref().filter(|path| !is_at(io::stderr().as_fd(), path)) {
        let _ = again(path, io::stderr().as_fd(), nix::unistd::dup2_stderr);
    }
}

fn told(path: &Path, stream: Stream, done: io::Result<()>) -> Result<Stream, ReopenError> {
    done.map(|()| stream).map_err(|source| ReopenError { path: path.to_owned(), stream, source })
}

/// A file that has to be made gets the mode of the one before it, whose words may have been private.
fn again(path: &Path, old: BorrowedFd<'_>, put: impl FnOnce(File) -> nix::Result<()>) -> io::Result<()> {
    let mode = File::from(old.try_clone_to_owned()?).metadata()?.mode() & 0o777;
    let file = OpenOptions::new().append(true).create(true).mode(mode).open(path)?;
    Ok(put(file)?)
}

/// The name of a regular file that is open at this descriptor and still has that name.
fn name(fd: BorrowedFd<'_>) -> Option<PathBuf> {
    let path = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok()?;
    // One that was removed is called `… (deleted)`.
    is_at(fd, &path).then_some(path)
}

/// Whether this is the regular file of this name.
fn is_at(fd: BorrowedFd<'_>, path: &Path) -> bool {
    let open = fd.try_clone_to_owned().and_then(|fd| File::from(fd).metadata());
    let (Ok(open), Ok(named)) = (open, fs::metadata(path)) else { return false };
    open.is_file() && (open.dev(), open.ino()) == (named.dev(), named.ino())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_was_moved_is_made_anew_with_its_name_and_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("a.log"), dir.path().join("a.log.1"));
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).unwrap();
        let named = name(file.as_fd()).expect("a file has a name");
        writeln!(file, "before").unwrap();
        fs::rename(&path, &moved).unwrap();
        let old = file.try_clone().unwrap();
        let put = |anew| {
            file = anew;
            Ok(())
        };
        again(&named, old.as_fd(), put).unwrap();
        writeln!(file, "after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
        assert_eq!(fs::read_to_string(&moved).unwrap(), "before\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // What was moved or removed has no name by which it could be opened again.
        assert_eq!(name(old.as_fd()), Some(moved.clone()));
        fs::remove_file(&moved).unwrap();
        assert_eq!(name(old.as_fd()), None);
        let (_read, write) = io::pipe().unwrap();
        assert_eq!(name(write.as_fd()), None);
    }

    #[test]
    fn a_file_that_cannot_be_opened_again_is_named() {
        let path = Path::new("/nonexistent/a.log");
        let failed = again(path, io::stderr().as_fd(), |_| panic!("there is nothing to put"));
        let error = told(path, Stream::Stderr, failed).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`/nonexistent/a.log` can't be opened again; Stderr goes where it went before"
        );
    }
}
