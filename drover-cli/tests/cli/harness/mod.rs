//! A private home, masters in the background, and the proof that nothing of them is left behind.

mod captured;
mod home;
mod http;
mod patience;
mod running;
#[expect(unsafe_code, reason = "what has no safe function")]
mod sys;
mod terminal;
mod tmux;

pub(crate) use captured::Captured;
pub(crate) use home::{Ended, Home, events_of};
pub(crate) use http::{body, get, request};
pub(crate) use patience::eventually;
pub(crate) use running::Running;
pub(crate) use terminal::Terminal;
pub(crate) use tmux::Tmux;

/// Whether a process runs; one that only waits to be reaped does not.
pub(crate) fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

/// Signals a process.
pub(crate) fn signal(pid: u32, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a pid fits"));
    nix::sys::signal::kill(pid, signal).expect("the process is there");
}

/// Says that something is not tried here; not by a macro, whose words are kept from who runs the tests.
pub(crate) fn skipped(why: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("SKIPPED: {why}\n").as_bytes());
}
