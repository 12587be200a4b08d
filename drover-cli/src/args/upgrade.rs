//! What can be typed to `upgrade`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::online::duration;

/// Arguments of `upgrade`.
#[derive(Debug, Args)]
pub struct UpgradeArgs {
    /// The program to go on with [default: the file that the master was started from, as it is now]
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// Only see whether that program could go on; nothing changes
    #[arg(long)]
    pub check: bool,
    /// Wait at most this long until the other program answers, such as 10s
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub timeout: Duration,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
