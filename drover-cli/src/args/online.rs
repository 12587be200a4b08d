//! What can be typed to verbs that ask a running master about single apps and workers.

use std::time::Duration;

use clap::{Args, ValueEnum};
use drover_master::Signal;
use drover_master::config::parse_duration;
use drover_master::control::{Name, NameError};

/// Arguments of `start`, `restart` and the like.
#[derive(Debug, Args)]
pub struct OperateArgs {
    /// APP, APP/SLOT or APP@ID; `*`, `?` and `[abc]` match any
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<Name>,
    /// How long to wait.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Whether the user has agreed.
    #[command(flatten)]
    pub consent: Consent,
}

/// Arguments of `scale`.
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// How many workers an app should have: APP=N, APP=+N, APP=-N or APP=auto (one per CPU); in APP, `*`, `?` and `[abc]`
    /// match any
    #[arg(required = true, value_name = "APP=COUNT")]
    pub targets: Vec<Scale>,
    /// How long to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// How many workers an app is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// The app, or a pattern.
    pub app: Name,
    /// How many.
    pub count: ScaleCount,
}

/// A number of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScaleCount {
    /// This number.
    To(u32),
    /// More or fewer by this number.
    By(i32),
    /// One a CPU that the master may use.
    Auto,
}

impl std::str::FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected APP=N, APP=+N, APP=-N or APP=auto, for example web=4".to_owned();
        let (app, count) = text.split_once('=').ok_or_else(wrong)?;
        let app: Name = app.parse().map_err(|error: NameError| error.to_string())?;
        if !app.is_of_apps() {
            return Err(format!("only apps can be scaled, and `{app}` is not an app"));
        }
        let count = match count {
            "auto" => ScaleCount::Auto,
            _ if count.starts_with(['+', '-']) => ScaleCount::By(count.parse().map_err(|_| wrong())?),
            _ => ScaleCount::To(count.parse().map_err(|_| wrong())?),
        };
        Ok(Self { app, count })
    }
}

/// Arguments of `restart`.
#[derive(Debug, Args)]
pub struct RestartArgs {
    /// What every operation has.
    #[command(flatten)]
    pub operate: OperateArgs,
    /// Start the new worker first, and drain the old one once it is ready: no gap, at the cost of one more worker's memory
    #[arg(long)]
    pub surge: bool,
}

/// Arguments of `stop`.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// What every operation has.
    #[command(flatten)]
    pub operate: OperateArgs,
    /// Kill instead of draining; only for whole apps
    #[arg(long)]
    pub now: bool,
}

/// How long a verb waits for the verdict.
#[derive(Debug, Clone, Copy, Args)]
pub struct Waiting {
    /// Return as soon as the master has accepted it, not when it is done
    #[arg(long, conflicts_with = "timeout")]
    pub no_wait: bool,
    /// Wait at most this long, such as 30s; the operation continues after that [default: until it is done]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
}

/// Whether the user has agreed already.
#[derive(Debug, Clone, Copy, Args)]
pub struct Consent {
    /// Do not ask before ending whole apps; without a terminal there is no question anyway
    #[arg(short, long)]
    pub yes: bool,
}

/// Arguments of `reset`.
#[derive(Debug, Args)]
pub struct ResetArgs {
    /// APP, APP/SLOT or APP@ID; `*`, `?` and `[abc]` match any
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<Name>,
}

/// Arguments of `signal`.
#[derive(Debug, Args)]
pub struct SignalArgs {
    /// Its name, such as USR1 or SIGUSR1, or its number
    #[arg(value_name = "SIGNAL", value_parser = signal)]
    pub signal: String,
    /// APP, APP/SLOT or APP@ID; `*`, `?` and `[abc]` match any
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<Name>,
    /// Whether the user has agreed.
    #[command(flatten)]
    pub consent: Consent,
}

/// Arguments of `send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// Who gets it: APP is all its ready workers, APP/SLOT or APP@ID one of them; `*`, `?` and `[abc]` match any
    #[arg(value_name = "NAME")]
    pub name: Name,
    /// The topic, a word that the app defines
    #[arg(value_name = "TOPIC")]
    pub topic: String,
    /// The payload, up to 1 MiB; `-` reads stdin [default: empty]
    #[arg(value_name = "PAYLOAD")]
    pub payload: Option<String>,
    /// Send a request: each worker must reply, and the replies are printed
    #[arg(short, long, conflicts_with = "publish")]
    pub request: bool,
    /// Send it only to workers that have subscribed to the topic
    #[arg(long)]
    pub publish: bool,
    /// How long to wait for replies [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "request")]
    pub timeout: Option<Duration>,
    /// One JSON object for each worker
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `healthcheck`.
#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// Only these apps
    #[arg(value_name = "APP")]
    pub apps: Vec<String>,
}

/// Arguments of `describe`.
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// APP, APP/SLOT or APP@ID; `*`, `?` and `[abc]` match any
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<Name>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Only these apps
    #[arg(value_name = "APP")]
    pub apps: Vec<String>,
    /// Only look: no key changes anything
    #[arg(long)]
    pub read_only: bool,
}

/// Arguments of `wait`.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// APP, APP/SLOT or APP@ID; `*`, `?` and `[abc]` match any
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<Name>,
    /// What to wait for
    #[arg(long = "for", value_name = "WHAT", default_value = "ready")]
    pub goal: Goal,
    /// Wait at most this long, such as 30s [default: until it happens, or can't happen any more]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
}

/// What `wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// Every worker that is meant is ready; a completed app is, too.
    Ready,
    /// None of them has a process, or gets one by itself.
    Stopped,
    /// All of them are suspended.
    Suspended,
    /// The processes that run now have ended, however.
    Exited,
}

/// A length of time, as in `drover.toml`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| format!("it {error}; {}", error.help()))
}

/// A whole number.
pub(super) fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "expected a whole number, such as 10".to_owned())
}

/// A signal's name with or without `SIG`, or its number.
fn signal(text: &str) -> Result<String, String> {
    match text.parse::<Signal>() {
        Ok(_) => Ok(text.to_uppercase()),
        Err(_) => {
            Err("expected a name as in signal(7), such as HUP or SIGUSR1, or a number from 1 to 64"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_absolute_relative_or_left_to_the_cpus() {
        for (text, count) in [
            ("web=4", ScaleCount::To(4)),
            ("web=+2", ScaleCount::By(2)),
            ("web=-1", ScaleCount::By(-1)),
            ("w*=auto", ScaleCount::Auto),
        ] {
            assert_eq!(text.parse::<Scale>().unwrap().count, count, "{text}");
        }
        for text in
            ["web", "web=", "web=four", "web=+", "=4", "web/0=1", "web@3=1", "web=4.5", "web=99999999999"]
        {
            assert!(text.parse::<Scale>().is_err(), "{text}");
        }
    }
}
