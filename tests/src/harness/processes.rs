//! Processes as the kernel shows them in `/proc`, whatever a master says of them.

use std::fs;
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Signals a process.
///
/// # Panics
///
/// If there is none.
pub fn signal(pid: u32, signal: Signal) {
    kill(pid_of(pid), signal).unwrap_or_else(|error| panic!("{signal} to {pid}: {error}"));
}

/// Kills a child that was not waited for, and everything below it: what a keeper has started outlives its keeper.
pub fn kill_all_of(child: Child) {
    let mut all = vec![child.id()];
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let lists = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
        let below: Vec<u32> =
            lists.flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<_>>()).collect();
        all.extend(below);
        next += 1;
    }
    for pid in all {
        // It may have left in this moment.
        let _ = kill(pid_of(pid), Signal::SIGKILL);
    }
    let _ = child.wait_with_output();
}

/// Whether a process exists and is not a zombie.
pub fn is_running(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The name stands in brackets and may hold any character; the state follows the last bracket (proc_pid_stat(5)).
    !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X']))
}

/// The environment a process was started with; empty if it is gone.
pub fn environ_of(pid: u32) -> Vec<(String, String)> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let pairs = bytes.split(|byte| *byte == 0).map(|pair| String::from_utf8_lossy(pair).into_owned());
    pairs
        .filter_map(|pair| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())))
        .collect()
}

/// One variable of the environment that a process was started with.
pub fn variable_of(pid: u32, name: &str) -> Option<String> {
    environ_of(pid).into_iter().find_map(|(key, value)| (key == name).then_some(value))
}

/// Every process that was started for this app: workers and what they started in turn.
pub fn of_app(name: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("there is a /proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| variable_of(*pid, "DROVER_APP").as_deref() == Some(name)).collect()
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(pid.try_into().expect("pids are positive"))
}
