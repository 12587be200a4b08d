//! What the tests of Drover as a whole are made of.
//!
//! - `src/bin/`: workers with one vice each, named after it, and a master to run as a process of its own.
//! - [`raw`]: the protocol by hand, for workers whose vice the SDK would not let them have.
//! - [`harness`]: an app under test, its events, and the proof that nothing of it is left behind.
//! - [`load`]: clients that count what became of each request, while a master is operated.
//! - [`floor`]: processes without a master, for the benchmarks to measure against.
//! - `e2e/`: the tests, a file a behaviour; `benches/`: what things cost.

#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a test ends where what it needs is not there"
)]

pub mod accepts;
pub mod floor;
pub mod harness;
pub mod load;
pub mod raw;
#[expect(unsafe_code, reason = "what has no safe function")]
mod sys;

pub use sys::with_signals_blocked;

use std::io::Write;
use std::net::TcpListener;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A variable of the test, such as `E2E_CODE`; none if it is not set.
///
/// # Panics
///
/// If its value is invalid.
pub fn setting<T: FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is invalid")))
}

/// A duration in milliseconds; zero if it is not set.
pub fn milliseconds(name: &str) -> Duration {
    Duration::from_millis(setting(name).unwrap_or(0))
}

/// A line on stdout, written at once.
pub fn say(line: &str) {
    let mut out = std::io::stdout();
    // Whoever listened may be gone; the vice goes on.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A line on stderr.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The listening socket at the descriptor that `E2E_LISTENER` names; none if it is not set, and the second time.
pub fn inherited_listener() -> Option<TcpListener> {
    static IS_TAKEN: AtomicBool = AtomicBool::new(false);
    let fd = setting("E2E_LISTENER")?;
    (!IS_TAKEN.swap(true, Ordering::Relaxed)).then(|| sys::listener_at(fd))
}

/// The first socket that a master has handed over, whomever it is for; none the second time.
pub fn handed_listener() -> Option<TcpListener> {
    static IS_TAKEN: AtomicBool = AtomicBool::new(false);
    let count: u32 = setting("LISTEN_FDS")?;
    (count > 0 && !IS_TAKEN.swap(true, Ordering::Relaxed)).then(|| sys::listener_at(3))
}

/// Waits for ever, whatever happens.
pub fn wait_for_ever() -> ! {
    loop {
        std::thread::park();
    }
}

/// A worker that will not leave must not outlive a test that was broken off.
pub fn die_with_the_test() {
    nix::sys::prctl::set_pdeathsig(Some(nix::sys::signal::SIGKILL)).expect("the signal exists");
}

/// Ends as `E2E_SIGNAL` or `E2E_CODE` says, the latter being what `main` is to return.
pub fn end_as_told() -> std::process::ExitCode {
    if let Some(signal) = setting::<i32>("E2E_SIGNAL") {
        let signal = nix::sys::signal::Signal::try_from(signal).expect("E2E_SIGNAL is a signal");
        nix::sys::signal::raise(signal).expect("a process may signal itself");
    }
    setting::<u8>("E2E_CODE").unwrap_or(0).into()
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_program_is_taken_for_a_benchmark() {
        let manifest = include_str!("../Cargo.toml");
        for program in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin")).unwrap() {
            let file = program.unwrap().path();
            let name = file.file_stem().unwrap().to_str().unwrap();
            let line = format!("{{ name = \"{name}\", bench = false }}");
            assert!(manifest.contains(&line), "tests/Cargo.toml lacks {line}");
        }
    }
}
