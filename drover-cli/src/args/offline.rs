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
    /// Refuse also what would not work on this machine, as a command that is not there
    #[arg(long)]
    pub strict: bool,
}

/// Arguments of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "drover.toml")]
    pub file: PathBuf,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Show the values of env too, which may be secrets
    #[arg(long)]
    pub show_env: bool,
}

/// Arguments of `completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// For which shell
    pub shell: Shell,
}
