//! What can be typed to `reload`.

use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use drover_master::Share;
use drover_master::control::{Name, NameError};

use super::online::{Waiting, duration};

/// Arguments of `reload`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("decision").args(["promote", "abort"])))]
pub struct ReloadArgs {
    /// The apps; `*`, `?` and `[abc]` match any [default: every app that runs]
    #[arg(value_name = "APP", value_parser = app)]
    pub apps: Vec<Name>,
    /// Replace N workers, then wait for --promote or --abort
    #[arg(long, value_name = "N", value_parser = canary, conflicts_with = "decision")]
    pub canary: Option<u32>,
    /// Continue a reload that waits with canaries, or is paused
    #[arg(long)]
    pub promote: bool,
    /// Roll back a reload that waits or is under way
    #[arg(long)]
    pub abort: bool,
    /// How many new workers may run beside the old ones, such as 2 or 25% [default: as the app is configured]
    #[arg(long, value_name = "N|N%", conflicts_with = "decision")]
    pub max_surge: Option<Share>,
    /// How many workers may be missing, such as 1 or 25% [default: as the app is configured]
    #[arg(long, value_name = "N|N%", conflicts_with = "decision")]
    pub max_unavailable: Option<Share>,
    /// How long a new worker must live before it takes over, such as 10s [default: as the app is configured]
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "decision")]
    pub soak: Option<Duration>,
    /// How long all replacements may take together before the reload fails [default: as the app is configured]
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "decision")]
    pub update_timeout: Option<Duration>,
    /// What to do when a new worker fails [default: as the app is configured]
    #[arg(long, value_name = "WHAT", conflicts_with = "decision")]
    pub on_failure: Option<OnFailure>,
    /// Print progress and result as JSON, one object a line
    #[arg(long)]
    pub json: bool,
    /// How long to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// What to do when a new worker fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnFailure {
    /// Bring the old workers back.
    Rollback,
    /// Leave everything as it is until somebody promotes or aborts the reload.
    Pause,
}

fn canary(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count @ 1..) => Ok(count),
        _ if text.ends_with('%') => {
            Err("canaries are counted, for example --canary 1; a percentage is for --max-surge".to_owned())
        }
        _ => Err("expected a number of workers from 1, for example --canary 1".to_owned()),
    }
}

fn app(text: &str) -> Result<Name, String> {
    let name: Name = text.parse().map_err(|error: NameError| error.to_string())?;
    if !name.is_of_apps() {
        return Err(format!(
            "only whole apps are reloaded, and `{name}` is none; `drover restart --surge {name}` replaces a worker"
        ));
    }
    Ok(name)
}
