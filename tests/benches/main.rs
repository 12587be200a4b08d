//! What Drover costs, beside the physical floor, in the same run: `cargo bench -p drover-e2e [-- [--quick] [LINE…]]`.
//!
//! - [`options`]: which lines, how many rounds.
//! - [`sample`]: rounds of floor and Drover in turns, so that a machine that drifts drifts for both.
//! - [`report`]: the table, and what each figure is to be; [`others`]: what the machine did besides.
//! - [`library`], [`program`]: Drover in this process, and as the command; [`bus_plain`], [`bus_node`]: what its messages are beside.
//! - A file a line: [`start`], [`restart`], [`stop`], [`memory`], [`keeper`], [`idle`], [`scale`], [`fairness`],
//!   [`capture`], [`bus`], [`load`], [`crash`], [`reload`]. Of the last three the run fails if a request is lost.
//!
//! What each line means stands in `docs/benchmarks.md`.

mod bus;
mod bus_node;
mod bus_plain;
mod capture;
mod crash;
mod fairness;
mod idle;
mod keeper;
mod library;
mod load;
mod memory;
mod nginx;
mod options;
mod others;
mod prefork;
mod program;
mod reload;
mod report;
mod restart;
mod sample;
mod scale;
mod start;
mod stop;

use std::process::ExitCode;

use drover_e2e::harness::of_app;

use crate::options::{LINES, Options};

/// The app's name in every line, by which what is left behind would be found.
fn app() -> String {
    format!("bench-{}", std::process::id())
}

/// What a plain worker is.
const PLAIN: [&str; 2] = ["sleep", "1000"];

/// The worker that links the library.
const SDK_WORKER: &str = env!("CARGO_BIN_EXE_worker_sdk");

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(complaint) => {
            drover_e2e::complain(&format!("{complaint}; the lines are {}", LINES.join(", ")));
            return ExitCode::from(2);
        }
    };
    drover_master::raise_nofile().expect("the limit of open files can be raised to its hard limit");
    // As the `drover` command: one thread runs everything.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be had").block_on(run(&options))
}

async fn run(options: &Options) -> ExitCode {
    report::heading();
    let others = others::Others::watch();
    if options.wants("start") {
        start::plain(100, options.rounds(15)).await;
        start::plain(1000, options.rounds(9)).await;
    }
    if options.wants("sdk") {
        start::sdk(options.rounds(15)).await;
    }
    if options.wants("restart") {
        restart::killed(options.rounds(100)).await;
    }
    if options.wants("stop") {
        stop::all(options.rounds(15)).await;
    }
    if options.wants("memory") {
        memory::all(options.rounds(3)).await;
    }
    if options.wants("keeper") {
        keeper::all(options.rounds(3)).await;
    }
    if options.wants("idle") {
        idle::switches(options).await;
    }
    if options.wants("scale") {
        scale::all(options).await;
    }
    if options.wants("fairness") {
        fairness::all(options).await;
    }
    if options.wants("capture") {
        capture::all(options).await;
    }
    if options.wants("bus") {
        bus::all(options).await;
    }
    let mut nothing_lost = true;
    if options.wants("load") {
        nothing_lost &= load::trials(options).await;
    }
    if options.wants("crash") {
        nothing_lost &= crash::trials(options).await;
    }
    if options.wants("reload") {
        nothing_lost &= reload::all(options).await;
    }
    report::closing(others.share());
    assert_eq!(of_app(&app()), [0; 0], "workers are left behind");
    if nothing_lost { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
