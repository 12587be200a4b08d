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
    /// What is laid over the file.
    #[command(flatten)]
    pub profile: ProfileChoice,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// End with 1 if there is any difference
    #[arg(long)]
    pub exit_code: bool,
}

/// Which profile is laid over the file that a master reads again.
#[derive(Debug, Args)]
pub struct ProfileChoice {
    /// Lay this profile over the file [default: the one that the master was started with]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Lay no profile over the file
    #[arg(long, conflicts_with = "profile")]
    pub no_profile: bool,
}

impl ProfileChoice {
    /// As a master is asked: none for its own, empty for none at all.
    pub(crate) fn asked(&self) -> Option<String> {
        if self.no_profile { Some(String::new()) } else { self.profile.clone() }
    }
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Another file for the master to read [default: the one that it was started with]
    #[arg(short, long)]
    pub file: Option<PathBuf>,
    /// What is laid over the file.
    #[command(flatten)]
    pub profile: ProfileChoice,
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
