//! What can be typed.

mod offline;
mod online;

pub use offline::{CompletionArgs, ConfigArgs, ValidateArgs};
pub use online::{
    Consent, DescribeArgs, Goal, LogsArgs, OperateArgs, SignalArgs, StopArgs, WaitArgs, Waiting,
};

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

/// Runs apps as N workers: known ready, healed, explained, stopped clean.
#[derive(Debug, Parser)]
#[command(name = "drover", version, propagate_version = true, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed or refused, 2 usage or bad config, 3 not running or not ready, 4 no such app \
    or worker, 5 not permitted, 6 no master answers, 7 protocol mismatch, 124 timeout, 130 interrupted or hurried, 137 killed."
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
    /// The control socket: `demo`, `run` and `up` serve there, the others ask there [env: DROVER_CONTROL]
    #[arg(short, long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Say less: no progress; of `status`, names only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more: traces of every state change and message; twice, of everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Global {
    /// Completes what was typed by what the environment says. A variable that is empty says nothing.
    pub(crate) fn with_environment(mut self) -> Self {
        let named = || std::env::var_os("DROVER_CONTROL").filter(|path| !path.is_empty());
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
    /// Run 4 workers of a built-in HTTP app, to see how it is
    Demo(DemoArgs),
    /// Run N workers of one command, without a file
    Run(RunArgs),
    /// Run what drover.toml says, in the foreground or with -d in the background
    Up(UpArgs),
    /// End everything gracefully, the master too
    Down(DownArgs),
    /// Show apps and workers
    #[command(visible_aliases = ["ps", "ls"])]
    Status(StatusArgs),
    /// Show what happened
    Events(EventsArgs),
    /// Start apps and workers that do not run, until they are ready
    Start(OperateArgs),
    /// Drain and end apps and workers, until they are started
    Stop(StopArgs),
    /// Drain and end apps and workers, and have others ready in their place
    Restart(OperateArgs),
    /// Send a signal to workers
    Signal(SignalArgs),
    /// Show everything about apps and workers
    Describe(DescribeArgs),
    /// Show what workers printed
    Logs(LogsArgs),
    /// Wait until apps and workers are ready, stopped, or have ended
    Wait(WaitArgs),
    /// Check drover.toml: every mistake at once, nothing is started
    Validate(ValidateArgs),
    /// Show what drover.toml means, with every default written out
    Config(ConfigArgs),
    /// Print the JSON Schema of drover.toml, for editors
    Schema,
    /// Print completions for a shell
    Completion(CompletionArgs),
    /// The demo's own worker
    #[command(name = crate::demo::WORKER_VERB, hide = true)]
    DemoWorker,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where the app listens
    #[arg(short, long, value_name = "ADDR", default_value = "127.0.0.1:1999")]
    pub listen: String,
    /// How many workers
    #[arg(short = 'n', long, value_name = "N|auto", default_value = "4")]
    pub workers: Workers,
    /// The master's name, by which the other verbs find it [default: demo-PID]
    #[arg(long, value_parser = name)]
    pub name: Option<String>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// How many workers; `auto`: one a CPU
    #[arg(short = 'n', long, value_name = "N|auto", default_value = "1")]
    pub workers: Workers,
    /// A socket that every worker inherits, as LISTEN_FDS from descriptor 3; HOST:PORT or unix:PATH
    #[arg(short, long, value_name = "NAME=ADDR")]
    pub listen: Vec<Listen>,
    /// How workers say that they are ready
    #[arg(long, value_name = "PROTOCOL", default_value = "none")]
    pub protocol: Protocol,
    /// Ready when this answers, instead of after 1 s: tcp=HOST:PORT
    #[arg(long, value_name = "KIND=ADDR")]
    pub probe: Option<ProbeArg>,
    /// When an ended worker is started again
    #[arg(long, value_name = "POLICY", default_value = "on-failure")]
    pub restart: Restart,
    /// The app's and the master's name [default: the command's, and for the master with -PID]
    #[arg(long, value_parser = name)]
    pub name: Option<String>,
    /// The command and its arguments; no shell is involved
    #[arg(required = true, last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// Arguments of `up`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("background").args(["detach", "wait"]).multiple(true)))]
pub struct UpArgs {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "drover.toml")]
    pub file: PathBuf,
    /// Run only these apps, and what they depend on
    #[arg(long, value_name = "APP", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Go on when an app fails to start: its workers are tried again
    #[arg(long)]
    pub keep_going: bool,
    /// Run in the background, and return when every app is ready
    #[arg(short, long)]
    pub detach: bool,
    /// The same as -d, which waits
    #[arg(long)]
    pub wait: bool,
    /// With -d: return as soon as the master can be asked
    #[arg(long, requires = "background", conflicts_with_all = ["wait", "timeout"])]
    pub no_wait: bool,
    /// With -d: wait no longer than this, such as 30s; the start goes on
    #[arg(long, requires = "background", value_name = "DURATION", value_parser = online::duration)]
    pub timeout: Option<Duration>,
    /// With -d: where the master and its workers write to [default: beside the control socket, as NAME.log]
    #[arg(long, requires = "background", value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// This is the master in the background
    #[arg(long, hide = true, conflicts_with = "background")]
    pub detached: bool,
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
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Again whenever something changes, until interrupted
    #[arg(short, long, conflicts_with = "json")]
    pub watch: bool,
}

/// Arguments of `events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Go on with what happens from now on
    #[arg(short, long)]
    pub follow: bool,
    /// Only events after this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub since: u64,
    /// As JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

/// How many workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One a CPU.
    Auto,
    /// So many.
    Count(u32),
}

impl Workers {
    /// The number.
    pub fn count(self) -> u32 {
        match self {
            Self::Auto => drover_master::config::cpus(),
            Self::Count(count) => count,
        }
    }
}

impl std::str::FromStr for Workers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse::<u32>()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(count @ 1..=100_000)) => Ok(Self::Count(count)),
            _ => Err("expected a number from 1 to 100000, or `auto`".to_owned()),
        }
    }
}

/// A name, which becomes part of a socket's path.
fn name(text: &str) -> Result<String, String> {
    match crate::config::name_fault(text) {
        Some((fault, remedy)) => Err(format!("the name {fault}; {remedy}")),
        None => Ok(text.to_owned()),
    }
}

/// A named listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Its name.
    pub name: String,
    /// Where.
    pub addr: drover_master::config::ListenAddr,
}

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, addr) =
            text.split_once('=').ok_or("expected NAME=ADDR, for example http=127.0.0.1:8080")?;
        let addr = addr.parse().map_err(|error: drover_master::config::ConfigError| error.to_string())?;
        Ok(Self { name: name.to_owned(), addr })
    }
}

/// A question from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeArg(pub drover_master::config::Probe);

impl std::str::FromStr for ProbeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some(("tcp", addr)) => Ok(Self(drover_master::config::Probe::tcp(addr))),
            _ => Err("expected tcp=HOST:PORT, for example tcp=127.0.0.1:8080".to_owned()),
        }
    }
}

/// What workers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Nothing: ready when alive for 1 s, ended by signals.
    None,
    /// drover.v1 on the socket in DROVER_SOCKET.
    Drover,
}

/// When an ended worker is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Restart {
    /// After every end.
    Always,
    /// After failures.
    OnFailure,
    /// Never.
    Never,
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
    fn the_readme_lists_every_verb_with_every_option() {
        let readme = include_str!("../../../README.md");
        for verb in Cli::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let name = verb.get_name();
            let row = readme.lines().find(|line| line.starts_with(&format!("| `{name}")));
            let row = row.unwrap_or_else(|| panic!("{name} is missing"));
            let options =
                verb.get_arguments().filter(|option| !option.is_positional() && !option.is_hide_set());
            for option in options {
                let written = |text: String| row.contains(&text);
                let short = option.get_short().is_some_and(|short| written(format!("`-{short}")));
                let long = option.get_long().is_some_and(|long| written(format!("`--{long}")));
                assert!(short || long, "{name}: {option} is missing");
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
}
