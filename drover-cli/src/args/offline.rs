//! What can be typed to verbs that ask no master.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "drover.toml")]
    pub file: PathBuf,
    /// The same as -f FILE
    #[arg(value_name = "FILE", conflicts_with = "file")]
    pub named: Option<PathBuf>,
    /// Lay this profile of the file over it
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Also refuse what would not work on this machine, such as a missing command
    #[arg(long)]
    pub strict: bool,
}

/// Arguments of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "drover.toml")]
    pub file: PathBuf,
    /// Lay this profile of the file over it
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Show each value in a line, with what it comes from
    #[arg(long)]
    pub origin: bool,
    /// Show the values of env too, which may be secrets
    #[arg(long)]
    pub show_env: bool,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Write what a running master has, or only this app of it, such as what `drover run` was started with
    #[arg(long, value_name = "APP", num_args = 0..=1, default_missing_value = "*", conflicts_with = "command")]
    pub from_running: Option<String>,
    /// What the app runs [default: guessed from the files in this directory]
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `blame`.
#[derive(Debug, Args)]
pub struct BlameArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Where the pages are written to
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// For which shell
    pub shell: Shell,
}
