//! `drover reopen-logs`: the master opens its log files again; all of them as SIGUSR1 has it.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{find, refusal::report};
use crate::args::{Global, ReopenLogsArgs};
use crate::exit_status::ExitStatus;
use crate::output::message;

pub(super) async fn run(global: &Global, args: &ReopenLogsArgs) -> ExitStatus {
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    if !args.apps.is_empty() {
        let apps = args.apps.iter().map(ToString::to_string).collect();
        return match client.reopen_logs(apps).await {
            Ok(()) => ExitStatus::Done,
            Err(error) => report(&error),
        };
    }
    let pid = match client.status(&[]).await {
        Ok(status) => status.master.unwrap_or_default().pid,
        Err(error) => return report(&error),
    };
    // A program that embeds a master may have no use for the signal, which then would end it.
    if !is_caught(pid) {
        message::error_text(&format!(
            "the master (pid {pid}) does not open log files again: it ignores SIGUSR1"
        ));
        return ExitStatus::Failed;
    }
    let sent = i32::try_from(pid).map_err(|_| nix::errno::Errno::ESRCH);
    match sent.and_then(|pid| kill(Pid::from_raw(pid), Signal::SIGUSR1)) {
        Ok(()) => ExitStatus::Done,
        Err(error) => {
            message::error_text(&format!(
                "SIGUSR1 can't be sent to the master (pid {pid}): {}",
                error.desc()
            ));
            ExitStatus::Failed
        }
    }
}

/// Whether a process has a handler for SIGUSR1: bit 9 of `SigCgt` in `proc_pid_status(5)`.
fn is_caught(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & 1 << (Signal::SIGUSR1 as u32 - 1) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_a_handler_is_told_from_one_that_has_it() {
        assert!(!is_caught(std::process::id()), "this one has none");
        assert!(!is_caught(u32::MAX), "there is no such process");
    }
}
