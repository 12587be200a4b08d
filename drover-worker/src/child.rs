//! Children of a worker, which are none of the master's workers.

use std::ffi::OsStr;
use std::process::Command;

use crate::listener::listen_fds::ListenFds;

/// The variables by which sockets are handed over. Others that begin alike, such as a `LISTEN_ADDRESS`, are the app's.
const LISTEN: [&str; 4] = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "LISTEN_PIDFDID"];

/// A command that does not pass on what was meant for this process alone: every `DROVER_*` variable, those of `LISTEN_FDS`, and the
/// sockets that these tell of.
///
/// A child that kept the variables would take itself for the worker, and one that kept a socket would hold its port. So the sockets are
/// marked close-on-exec here, as [`connect`](crate::MessageBus::connect) does too. The environment of this process is not changed.
///
/// # Examples
///
/// ```
/// let output = drover_worker::command("env").env("COLOUR", "blue").output()?;
/// assert!(!String::from_utf8_lossy(&output.stdout).contains("DROVER_"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn command(program: impl AsRef<OsStr>) -> Command {
    // Without usable variables nothing was handed over.
    let _none = ListenFds::of_process();
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if is_ours(&name) {
            command.env_remove(name);
        }
    }
    command
}

fn is_ours(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"DROVER_") || LISTEN.iter().any(|ours| name == *ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_for_the_worker_is_kept_from_its_children() {
        for (name, ours) in [
            ("DROVER_TOKEN", true),
            ("DROVER_ANYTHING_LATER", true),
            ("LISTEN_FDS", true),
            ("LISTEN_FDNAMES", true),
            ("LISTEN_PID", true),
            ("LISTEN_ADDRESS", false),
            ("MY_DROVER_TOKEN", false),
            ("PATH", false),
        ] {
            assert_eq!(is_ours(OsStr::new(name)), ours, "{name}");
        }
    }
}
