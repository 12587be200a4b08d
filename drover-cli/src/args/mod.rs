//! What can be typed.

mod change;
mod conform;
mod export;
mod import;
mod logs;
mod moment;
mod offline;
mod online;
mod reload;
mod serving;
mod time;
mod upgrade;

pub use change::{ApplyArgs, DiffArgs, ProfileChoice, RollbackArgs};
pub use conform::{CaseArgs, ConformArgs, ConformMasterArgs, ConformWorkerArgs, Side};
pub use export::{ExportArgs, ExportTarget};
pub use import::ImportArgs;
pub use logs::{LogsArgs, ReopenLogsArgs, StreamArg};
pub use moment::{Moment, Since};
pub use offline::{
    BlameArgs, CompletionArgs, ConfigArgs, DoctorArgs, InitArgs, ListArgs, ManArgs, ValidateArgs,
};
pub use online::{
    Consent, DescribeArgs, Goal, HealthcheckArgs, OperateArgs, ResetArgs, RestartArgs, Scale, ScaleArgs,
    ScaleCount, SendArgs, SignalArgs, StopArgs, TopArgs, WaitArgs, Waiting,
};
pub use reload::{OnFailure, ReloadArgs};
pub use serving::{AdminArgs, DemoArgs, Listen, ProbeArg, Protocol, Restart, RunArgs, UpArgs, Workers};
pub(crate) use time::VerbTime;
pub use upgrade::UpgradeArgs;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The hidden verb by which `drover demo` starts its own program as a worker.
pub(crate) const DEMO_WORKER: &str = "__demo-worker";

/// Runs N workers of an app: readiness, restarts, exit reasons, graceful stop.
#[derive(Debug, Parser)]
#[command(name = "drover", version, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed or refused, 2 usage or bad config, 3 not running or not ready, 4 no such app \
    or worker, 5 not permitted, 6 no master answers, 7 protocol mismatch, 8 rolled back, 124 timeout, 130 interrupted or hurried, 137 killed."
)]
pub struct Cli {
    /// What holds for every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Args)]
pub struct Global {
    /// The control socket: `demo`, `run` and `up` serve at it, the other verbs ask there [env: DROVER_CONTROL]
    #[arg(short, long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// The drover.toml of the master to ask [default: the one in this directory]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Say less: no progress; of `status`, names only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more: trace every state change and message; twice, everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What the verb does to a master.
    #[arg(skip)]
    pub(crate) intent: Intent,
    /// Whether the socket was typed, so that nobody has to be told which master is meant.
    #[arg(skip)]
    pub(crate) is_socket_typed: bool,
    /// The socket of the master that was found to be meant.
    #[arg(skip)]
    pub(crate) located: std::sync::OnceLock<PathBuf>,
    /// How long the verb waits.
    #[arg(skip)]
    pub(crate) time: VerbTime,
    /// Whether all that is printed is for a program.
    #[arg(skip)]
    pub(crate) is_json: bool,
    /// Whether the user was told which master that is.
    #[arg(skip)]
    pub(crate) introduced: std::sync::OnceLock<()>,
}

/// What a verb does to the master that it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Intent {
    /// It only looks.
    #[default]
    Looks,
    /// It changes something.
    Changes,
    /// It compares with a file, or applies it; `-f` may name another file than the master's own.
    Applies,
}

impl Global {
    /// Completes what was typed by what the environment says. A variable that is empty says nothing.
    pub(crate) fn with_environment(mut self) -> Self {
        let named = || std::env::var_os("DROVER_CONTROL").filter(|path| !path.is_empty());
        self.is_socket_typed = self.socket.is_some();
        self.socket = self.socket.or_else(|| named().map(PathBuf::from));
        self
    }
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR says otherwise.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Makes it the choice of every stream of this process.
    pub(crate) fn write_global(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run 4 workers of a built-in HTTP app, to try Drover out
    Demo(DemoArgs),
    /// Run N workers of one command, without a file
    Run(RunArgs),
    /// Run the apps of drover.toml, in the foreground or with -d in the background
    Up(UpArgs),
    /// Write a drover.toml to begin with
    Init(InitArgs),
    /// Make a drover.toml of what another program runs, such as pm2 or supervisord
    Import(ImportArgs),
    /// Write what starts Drover elsewhere: a unit of systemd, a compose file, a stack of Swarm, a Deployment of Kubernetes
    Export(ExportArgs),
    /// Stop everything gracefully, the master too
    Down(DownArgs),
    /// Show apps and workers
    #[command(visible_aliases = ["ps", "ls"])]
    Status(StatusArgs),
    /// Look for what is wrong, or will be, with the machine, drover.toml and the master; each with a remedy
    Doctor(DoctorArgs),
    /// Tell by the exit code, 0 or 1, whether every app is ready or has completed
    Healthcheck(HealthcheckArgs),
    /// Show every running master of this user; for root, of all users
    List(ListArgs),
    /// Show how much CPU and memory workers use, and refresh it
    Top(TopArgs),
    /// Show what happened
    Events(EventsArgs),
    /// Show what the start waited for: how long each app and worker took, and the chain that took longest
    Blame(BlameArgs),
    /// Start stopped apps and workers, and wait until they are ready
    Start(OperateArgs),
    /// Drain and end apps and workers
    Stop(StopArgs),
    /// Drain apps and workers, and start new ones in their place
    Restart(RestartArgs),
    /// Drain apps and workers, and keep their processes
    Suspend(OperateArgs),
    /// Let suspended apps and workers take work again
    Resume(OperateArgs),
    /// Replace all workers by new ones without a gap, or roll back
    Reload(ReloadArgs),
    /// Change the number of workers
    Scale(ScaleArgs),
    /// Show what `drover apply` would change
    Diff(DiffArgs),
    /// Make the running apps match drover.toml, with the least disruption
    Apply(ApplyArgs),
    /// Bring apps back to what they were before the last apply
    Rollback(RollbackArgs),
    /// Forget what failed before, and try again what was given up
    Reset(ResetArgs),
    /// Send a signal to workers
    Signal(SignalArgs),
    /// Send a message to workers that speak the protocol, and show their replies
    Send(SendArgs),
    /// Show all details of apps and workers
    Describe(DescribeArgs),
    /// Show what workers printed
    Logs(LogsArgs),
    /// Have the master open its log files again, after a rotation has moved them
    ReopenLogs(ReopenLogsArgs),
    /// Replace the master by another version of drover; whatever runs goes on
    Upgrade(UpgradeArgs),
    /// Wait until apps and workers are ready, stopped, suspended, or have ended
    Wait(WaitArgs),
    /// Check drover.toml, show every mistake, and start nothing
    Validate(ValidateArgs),
    /// Show what drover.toml means, with every default written out
    Config(ConfigArgs),
    /// Print the JSON Schema of drover.toml, for editors
    Schema,
    /// Print completions for a shell
    Completion(CompletionArgs),
    /// Write a manual page for each verb
    Man(ManArgs),
    /// Check case by case that a worker or a master follows the protocol
    Conform(ConformArgs),
    /// Show the version of this program, and of the master
    Version,
    /// Names to complete a command line with
    #[command(name = "complete-names", hide = true)]
    CompleteNames,
    /// The demo's own worker
    #[command(name = DEMO_WORKER, hide = true)]
    DemoWorker,
}

impl Verb {
    /// What it does to the master that it asks.
    pub(crate) const fn intent(&self) -> Intent {
        match self {
            Self::Diff(_) | Self::Apply(_) => Intent::Applies,
            Self::Down(_)
            | Self::Rollback(_)
            | Self::Reset(_)
            | Self::Start(_)
            | Self::Stop(_)
            | Self::Restart(_)
            | Self::Suspend(_)
            | Self::Resume(_)
            | Self::Reload(_)
            | Self::Scale(_)
            | Self::Signal(_)
            | Self::Send(_)
            | Self::ReopenLogs(_)
            | Self::Upgrade(_)
            | Self::Conform(_) => Intent::Changes,
            _ => Intent::Looks,
        }
    }

    /// Whether a verb that changes something prints JSON.
    pub(crate) const fn is_json(&self) -> bool {
        match self {
            Self::Reload(args) => args.json,
            Self::Rollback(args) => args.json,
            Self::Upgrade(args) => args.json,
            _ => false,
        }
    }

    /// How long it waits.
    pub(crate) fn time(&self) -> VerbTime {
        let is_patient = self.intent() != Intent::Looks || matches!(self, Self::Wait(_) | Self::Up(_));
        VerbTime::new(self.timeout(), is_patient)
    }

    /// The timeout that was typed.
    fn timeout(&self) -> Option<Duration> {
        match self {
            Self::Start(args) | Self::Suspend(args) | Self::Resume(args) => args.waiting.timeout,
            Self::Stop(args) => args.operate.waiting.timeout,
            Self::Restart(args) => args.operate.waiting.timeout,
            Self::Reload(args) => args.waiting.timeout,
            Self::Scale(args) => args.waiting.timeout,
            Self::Apply(args) => args.waiting.timeout,
            Self::Rollback(args) => args.waiting.timeout,
            Self::Wait(args) => args.timeout,
            Self::Send(args) => args.timeout,
            Self::Up(args) => args.timeout,
            _ => None,
        }
    }
}

/// Arguments of `down`.
#[derive(Debug, Args)]
pub struct DownArgs {
    /// Kill instead of draining
    #[arg(long)]
    pub now: bool,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only these apps
    #[arg(value_name = "APP")]
    pub apps: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Refresh whenever something changes, until interrupted
    #[arg(short, long, conflicts_with = "json")]
    pub watch: bool,
}

/// Arguments of `events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// APP, APP/SLOT or APP@ID, or a pattern [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<drover_master::control::Name>,
    /// Keep showing new events
    #[arg(short, long)]
    pub follow: bool,
    /// Only events after this number, or since this time: how long ago, such as 5m, or when in UTC, such as 2026-03-01T09:30:00Z
    #[arg(long, value_name = "SEQ|TIME")]
    pub since: Option<Since>,
    /// Only the last N of the kept events
    #[arg(short = 'n', long = "tail", visible_alias = "lines", value_name = "N", value_parser = online::number::<u32>)]
    pub lines: Option<u32>,
    /// The drover.toml of the master to ask [default: the one in this directory]
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_reference_lists_every_verb_with_every_option() {
        let page = include_str!("../../../docs/reference/verbs.md");
        for verb in Cli::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let name = verb.get_name();
            let row = page.lines().find(|line| line.starts_with(&format!("| `{name}")));
            let row = row.unwrap_or_else(|| panic!("{name} is missing"));
            let options =
                verb.get_arguments().filter(|option| !option.is_positional() && !option.is_hide_set());
            for option in options {
                let written = |text: String| row.contains(&text);
                let short = option.get_short().is_some_and(|short| written(format!("`-{short}")));
                let long = option.get_long().is_some_and(|long| written(format!("`--{long}")));
                assert!(short || long, "{name}: {} is missing", option.get_id());
            }
        }
    }

    #[test]
    fn the_words_after_two_dashes_are_the_command_whatever_they_look_like() {
        let cli = Cli::try_parse_from(["drover", "run", "-n", "2", "--", "ls", "-n", "--json"]).unwrap();
        let Verb::Run(run) = cli.verb else { panic!() };
        assert_eq!(
            (run.workers, run.command),
            (Workers::Count(2), vec!["ls".into(), "-n".into(), "--json".into()])
        );
    }

    #[test]
    fn each_verb_waits_for_a_busy_master_as_long_as_it_says() {
        let time = |line: &str| {
            let words = ["drover"].into_iter().chain(line.split(' '));
            Cli::try_parse_from(words).unwrap().verb.time()
        };
        for (line, seconds) in [
            ("status", 5),
            ("logs web", 5),
            ("diff", 30),
            ("down", 30),
            ("stop web", 30),
            ("wait web", 30),
            ("stop web --timeout 90s", 90),
            ("start web --timeout 90s", 90),
            ("restart web --timeout 90s", 90),
            ("scale web=1 --timeout 90s", 90),
            ("reload web --timeout 90s", 90),
            ("apply --timeout 90s", 90),
            ("wait web --timeout 90s", 90),
            ("send web hello --request --timeout 90s", 90),
        ] {
            let time = time(line);
            assert_eq!(time.to_reach(), Duration::from_secs(seconds), "{line}");
            assert_eq!(time.left().is_some(), line.contains("--timeout"), "{line}");
        }
    }
}
