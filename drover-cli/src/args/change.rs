//! What can be typed to verbs that compare what runs with a file.

use std::path::PathBuf;

use clap::Args;

use drover_master::control::Name;

use super::online::Waiting;

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Another file for the master to read [default: the one that it was started with]
    #[arg(short, long)]
    pub file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// End with 1 if there is any difference
    #[arg(long)]
    pub exit_code: bool,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Another file for the master to read [default: the one that it was started with]
    #[arg(short, long)]
    pub file: Option<PathBuf>,
    /// Only show the plan
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before changing anything; without a terminal there is no question anyway
    #[arg(short, long)]
    pub yes: bool,
    /// How long to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The apps; `*`, `?` and `[abc]` match any
    #[arg(required = true, value_name = "APP")]
    pub apps: Vec<Name>,
    /// Only show what it would change
    #[arg(long)]
    pub dry_run: bool,
    /// Print what it changes as JSON, as `diff --json` does
    #[arg(long)]
    pub json: bool,
    /// Do not ask before changing anything; without a terminal there is no question anyway
    #[arg(short, long)]
    pub yes: bool,
    /// How long to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}
