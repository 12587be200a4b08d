//! Whether threads can be made, which a master needs and what waits for a disk does.

use std::io;
use std::thread;

/// Makes a thread and waits for its end. A container may allow none, and then whoever waits for the work of one would wait forever.
///
/// # Errors
///
/// Why it could not be made, and what to do.
pub(super) fn can_be_made() -> Result<(), String> {
    let ran = thread::Builder::new().stack_size(64 * 1024).spawn(|| {}).map(|thread| drop(thread.join()));
    ran.map_err(|error| sentence(&error))
}

fn sentence(error: &io::Error) -> String {
    let what = format!("no thread can be started: {error}");
    match error.kind() {
        // The C library asks by clone3, and falls back to clone only where it is told that there is no such call.
        io::ErrorKind::PermissionDenied => format!(
            "{what}; the container's filter of system calls (seccomp) refuses clone3: use a newer container engine, or a filter that \
             allows it or answers ENOSYS"
        ),
        _ => format!("{what}; allow more processes: `--pids-limit`, pids.max of the cgroup, or ulimit -u"),
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn what_refuses_threads_is_named_with_what_to_do() {
        assert_eq!(can_be_made(), Ok(()));
        for (errno, words) in [(Errno::EPERM, "refuses clone3"), (Errno::EAGAIN, "pids.max")] {
            let told = sentence(&io::Error::from_raw_os_error(errno as i32));
            assert!(told.starts_with("no thread can be started: ") && told.contains(words), "{told}");
        }
    }
}
