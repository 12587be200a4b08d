//! What the crates are to whoever depends on them: their public API, how many crates they bring along, what crates.io shows; and that
//! they name each type once.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

mod api;
mod dependencies;
mod metadata;
mod names;

use std::process::{Command, Stdio};

/// The cargo that runs these tests, for another command.
fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    cargo
}

/// What a command of cargo prints.
fn output(cargo: &mut Command) -> String {
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{cargo:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
