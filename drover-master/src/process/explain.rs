//! Why a process could not be created, in a sentence that a person can act on.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::{Account, Command};
use crate::machine::exit::SpawnStep;

/// The kernel reads this much of a script's first line (`execve(2)`, BINPRM_BUF_SIZE).
const FIRST_LINE: u64 = 256;

/// The sentence. `found`: the file that was tried, if the program was found. `user`: who it was to run as, if not as the
/// master.
pub(crate) fn explain(
    command: &Command,
    step: SpawnStep,
    errno: i32,
    found: Option<&Path>,
    user: Option<&Account>,
) -> String {
    let program = command.program.display();
    let error = io::Error::from_raw_os_error(errno);
    match (step, errno, found) {
        (SpawnStep::WorkingDirectory, _, _) => {
            let dir = command.cwd.as_deref().unwrap_or(Path::new(".")).display();
            let by = user.map_or_else(String::new, |user| format!(" by {user}"));
            match errno {
                libc::ENOENT => {
                    format!("the working directory `{dir}` does not exist; make it, or name another")
                }
                libc::ENOTDIR => format!("the working directory `{dir}` is not a directory; name another"),
                libc::EACCES => format!(
                    "the working directory `{dir}` can't be entered{by}; it and each directory above it has to let this \
                     user in"
                ),
                _ => format!("the working directory `{dir}` can't be entered{by}: {error}"),
            }
        }
        (SpawnStep::Groups | SpawnStep::Group | SpawnStep::User, _, _) => {
            let who = user.map_or_else(|| "another user".to_owned(), Account::to_string);
            format!(
                "the worker can't become {who}: {error}; the master needs CAP_SETUID and CAP_SETGID, and its user namespace \
                 these ids"
            )
        }
        (SpawnStep::Exec, libc::ENOENT, None) if command.program.as_bytes().contains(&b'/') => {
            match command.program.as_bytes() {
                [b'/', ..] => format!("the command `{program}` does not exist"),
                _ => format!("the command `{program}` does not exist in `{}`", seen_from(command).display()),
            }
        }
        (SpawnStep::Exec, libc::ENOENT, None) => format!("the command `{program}` was not found in PATH"),
        (SpawnStep::Exec, libc::ENOENT, Some(file)) => match interpreter(file) {
            Some(interpreter) if interpreter.ends_with('\r') => format!(
                "the command `{program}` has Windows line ends, which become part of the name of its interpreter, `{}`; write it \
                 with Unix ones: sed -i 's/\\r$//' {}",
                interpreter.escape_debug(),
                file.display()
            ),
            Some(interpreter) => format!(
                "the command `{program}` names the interpreter `{interpreter}` in its first line, which does not exist"
            ),
            None => format!("the command `{program}` exists, but the loader it was linked for does not"),
        },
        (SpawnStep::Exec, libc::EACCES, Some(file))
            if file.is_file() && is_executable(file) && user.is_some() =>
        {
            let who = user.map_or_else(String::new, Account::to_string);
            format!(
                "the command `{program}` can't be executed by {who}; the file `{}` and each directory above it has to let \
                 this user in",
                file.display()
            )
        }
        (SpawnStep::Exec, libc::EACCES, None) if command.program.as_bytes().contains(&b'/') => {
            format!("the command `{program}` can't be reached: this user may not enter a directory above it")
        }
        (SpawnStep::Exec, libc::EACCES, None) => {
            format!(
                "the command `{program}` was not found in PATH, of which this user may not enter every directory"
            )
        }
        (SpawnStep::Exec, libc::EACCES, Some(file)) if file.is_dir() => {
            format!("the command `{program}` is a directory")
        }
        (SpawnStep::Exec, libc::EACCES, Some(file)) if file.exists() && !file.is_file() => {
            format!("the command `{program}` is not a regular file")
        }
        (SpawnStep::Exec, libc::EACCES, Some(file)) => match interpreter(file) {
            Some(interpreter) if is_executable(file) => {
                format!(
                    "the command `{program}` names the interpreter `{interpreter}`, which is not executable"
                )
            }
            _ => format!("the command `{program}` is not executable; try `chmod +x {}`", file.display()),
        },
        (SpawnStep::Exec, libc::ENOEXEC, _) => {
            format!("the command `{program}` is neither a program nor a script with `#!` in its first line")
        }
        (SpawnStep::Exec, libc::EAGAIN, _) => {
            // execve(2): of a process whose user has changed the limit is checked here.
            format!(
                "the user of `{program}` has as many processes as it may (ulimit -u, limit nproc): {error}"
            )
        }
        (SpawnStep::Fork, libc::EAGAIN, _) => {
            format!("the limit of processes is reached (ulimit -u, or pids.max of the cgroup): {error}")
        }
        (SpawnStep::Prepare | SpawnStep::Pidfd, libc::EMFILE | libc::ENFILE, _) => {
            format!("no more files can be opened (ulimit -n): {error}")
        }
        (SpawnStep::Pidfd, libc::ENOSYS | libc::EINVAL | libc::EPERM, _) => {
            format!(
                "this system does not let a process be known by a descriptor: {error}; Drover needs Linux 5.4, and a sandbox or filter \
                 of system calls that allows pidfd_open, pidfd_send_signal and waitid"
            )
        }
        (step, _, _) => format!("step {step} failed for `{program}`: {error}"),
    }
}

/// Only of a regular file: to open a FIFO is to wait for its writer (`fifo(7)`), and to open a device may do things. Should
/// the file be replaced by one in between, it is not waited for either.
fn interpreter(file: &Path) -> Option<String> {
    if !file.is_file() {
        return None;
    }
    let file =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(file).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut start = Vec::new();
    file.take(FIRST_LINE).read_to_end(&mut start).ok()?;
    let line = start.split(|byte| *byte == b'\n').next()?.strip_prefix(b"#!")?;
    let line = String::from_utf8_lossy(line);
    // Only spaces and tabs end a word here: `sh\r` is a name to the kernel.
    line.split([' ', '\t']).find(|word| !word.is_empty()).map(str::to_owned)
}

/// The directory that a relative command is looked for in.
fn seen_from(command: &Command) -> PathBuf {
    let own = || std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    command.cwd.clone().unwrap_or_else(own)
}

fn is_executable(file: &Path) -> bool {
    nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use nix::sys::stat::Mode;

    use super::*;

    #[test]
    fn a_fifo_as_the_program_is_named_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        let (tell, told) = mpsc::sync_channel(2);
        std::thread::spawn(move || {
            for errno in [libc::EACCES, libc::ENOENT] {
                let _ = tell.send(explain(&Command::new(&fifo), SpawnStep::Exec, errno, Some(&fifo), None));
            }
        });
        let text = told.recv_timeout(Duration::from_secs(30)).expect("the FIFO was not opened");
        assert!(text.ends_with("is not a regular file"), "{text}");
        told.recv_timeout(Duration::from_secs(30)).expect("the FIFO was not opened");
    }

    #[test]
    fn windows_line_ends_of_a_script_are_told_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script");
        std::fs::write(&script, "#! /bin/sh\r\necho\r\n").unwrap();
        let text = explain(&Command::new(&script), SpawnStep::Exec, libc::ENOENT, Some(&script), None);
        assert!(
            text.contains(
                r"has Windows line ends, which become part of the name of its interpreter, `/bin/sh\r`"
            ),
            "{text}"
        );
        assert!(text.ends_with(&format!(r"sed -i 's/\r$//' {}", script.display())), "{text}");
    }

    #[test]
    fn a_relative_command_is_told_with_the_directory_it_was_looked_for_in() {
        let command = Command::new("./web").current_dir("/srv/shop");
        let text = explain(&command, SpawnStep::Exec, libc::ENOENT, None, None);
        assert_eq!(text, "the command `./web` does not exist in `/srv/shop`");
    }

    #[test]
    fn the_interpreter_of_a_script_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script");
        std::fs::write(&script, "#!/nowhere/python -u\nprint()\n").unwrap();
        let text = explain(&Command::new(&script), SpawnStep::Exec, libc::ENOENT, Some(&script), None);
        assert!(text.contains("the interpreter `/nowhere/python`"), "{text}");
    }
}
