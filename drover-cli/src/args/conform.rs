//! What can be typed to `drover conform`.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::online::{duration, number};

/// Arguments of `conform`.
#[derive(Debug, Args)]
pub struct ConformArgs {
    /// Which side to test.
    #[command(subcommand)]
    pub side: Side,
}

/// The side that is tested.
#[derive(Debug, Subcommand)]
pub enum Side {
    /// Check a worker by playing the master's part
    Worker(ConformWorkerArgs),
    /// Check a running master by playing the workers of an app whose command is `drover conform stand-in`
    Master(ConformMasterArgs),
    /// The command of the app for `conform master`: a worker whose part the cases play
    StandIn,
}

/// Options of both sides.
#[derive(Debug, Args)]
pub struct CaseArgs {
    /// Only cases whose number matches, such as W-HS-* or M-KA-0?
    #[arg(long = "case", value_name = "GLOB")]
    pub only: Option<glob::Pattern>,
    /// List the cases with the sentences they check, and run none
    #[arg(long)]
    pub list: bool,
    /// Print JSON, one object a line: one for each case, then the summary
    #[arg(long)]
    pub json: bool,
    /// How many mutated frames to send
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = mutations)]
    pub mutations: u32,
    /// The seed of the mutations: the same one gives the same frames [default: random; the summary prints it]
    #[arg(long, value_name = "N", value_parser = number::<u64>)]
    pub seed: Option<u64>,
}

/// Arguments of `conform master`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 every case passed or was skipped, 1 a case failed, 2 usage, 130 interrupted."
)]
pub struct ConformMasterArgs {
    /// The app whose command is `drover conform stand-in`; each case stops and starts it
    #[arg(long, required_unless_present = "list", value_name = "APP")]
    pub app: Option<String>,
    /// Which cases, and how.
    #[command(flatten)]
    pub cases: CaseArgs,
}

/// Arguments of `conform worker`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 every case passed or was skipped, 1 a case failed, 2 usage, 130 interrupted."
)]
pub struct ConformWorkerArgs {
    /// Which cases, and how.
    #[command(flatten)]
    pub cases: CaseArgs,
    /// How many cases to run at once [default: one per CPU, from 2 to 4]
    #[arg(long, value_name = "N", value_parser = number::<NonZeroUsize>)]
    pub jobs: Option<NonZeroUsize>,
    /// How long the first start may take to connect, and then to be ready: it may install something
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub first_start: Duration,
    /// How long every later start may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub start_timeout: Duration,
    /// Pass no listening socket and skip the cases that need one: for a worker that does not serve
    #[arg(long)]
    pub no_listener: bool,
    /// The worker's command
    #[arg(last = true, required_unless_present = "list", value_name = "CMD")]
    pub command: Vec<OsString>,
}

fn mutations(text: &str) -> Result<u32, String> {
    number(text)
        .ok()
        .filter(|count| (1..=10_000).contains(count))
        .ok_or("expected a number from 1 to 10000".to_owned())
}
