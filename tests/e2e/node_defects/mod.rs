//! The defects of the Node module drover 1.0, each with the proof that Drover does not have it.
//!
//! `docs/guides/from-drover-js.md` lists them by number. A test is named after the number that it belongs to, and quotes the defect.

mod ending;
mod healing;
mod reloading;
mod scaling;
mod starting;
mod watching;

use drover_e2e::harness::App;
use drover_master::config::AppSpec;
use drover_master::{Command, MasterBuilder};

/// An app of two workers that are what this shell script becomes.
fn scripted(script: &str) -> MasterBuilder {
    let command = Command::new("/bin/sh").args(["-c", script]);
    MasterBuilder::from_spec(AppSpec { command, ..App::builder("/bin/sh").workers(2).spec().clone() })
}

/// The pids of all workers as the master tells them, in the order of numbers.
fn told(app: &App) -> Vec<u32> {
    let mut pids: Vec<u32> = app.master().snapshot().workers.iter().filter_map(|worker| worker.pid).collect();
    pids.sort_unstable();
    pids
}

/// The pids of all its processes as the kernel tells them, in the order of numbers.
fn running(app: &App) -> Vec<u32> {
    let mut pids = drover_e2e::harness::of_app(app.name());
    pids.sort_unstable();
    pids
}
