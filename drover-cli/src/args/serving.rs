//! What can be typed to verbs that run a master.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use drover_master::config::{ConfigError, ListenAddr, Probe, Stdin};

use super::online::duration;

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
    /// What is served over HTTP
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// How many workers; `auto`: one per CPU
    #[arg(short = 'n', long, value_name = "N|auto", default_value = "1")]
    pub workers: Workers,
    /// A socket that every worker inherits, as LISTEN_FDS from descriptor 3; HOST:PORT or unix:PATH
    #[arg(short, long, value_name = "NAME=ADDR")]
    pub listen: Vec<Listen>,
    /// The workers' standard input: null; open, which never ends; or socket:NAME, a socket that --listen names
    #[arg(long, value_name = "STDIN", default_value = "null")]
    pub stdin: Stdin,
    /// How workers say that they are ready
    #[arg(long, value_name = "PROTOCOL", default_value = "none")]
    pub protocol: Protocol,
    /// Ready when this succeeds, instead of after 1 s: tcp=HOST:PORT, http=URL, exec=COMMAND, or log=TEXT for a
    /// line of its output with this text in it
    #[arg(long, value_name = "KIND=WHAT")]
    pub probe: Option<ProbeArg>,
    /// When to restart a worker that ended
    #[arg(long, value_name = "POLICY", default_value = "on-failure")]
    pub restart: Restart,
    /// The app's and the master's name [default: the command's, and for the master with -PID]
    #[arg(long, value_parser = name)]
    pub name: Option<String>,
    /// What is served over HTTP
    #[command(flatten)]
    pub admin: AdminArgs,
    /// The command and its arguments; no shell is involved
    #[arg(required = true, last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// What a master without a file serves over HTTP.
#[derive(Debug, Args)]
pub struct AdminArgs {
    /// Serve metrics, health and a page for people at this address of this machine: HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDR")]
    pub http: Option<ListenAddr>,
    /// Whoever shows the token in this file may also change something by HTTP
    #[arg(long, value_name = "FILE", requires = "http")]
    pub http_token: Option<PathBuf>,
}

/// Arguments of `up`.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("background").args(["detach", "wait"]).multiple(true)))]
pub struct UpArgs {
    /// The configuration; `-` is standard input
    #[arg(short, long, value_name = "FILE", default_value = "drover.toml")]
    pub file: PathBuf,
    /// Lay this profile of the file over it
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Run only these apps, and what they depend on
    #[arg(long, value_name = "APP", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Keep going when an app fails to start, and try its workers again
    #[arg(long)]
    pub keep_going: bool,
    /// Run in the background, and return when every app is ready
    #[arg(short, long)]
    pub detach: bool,
    /// The same as -d
    #[arg(long)]
    pub wait: bool,
    /// With -d: return as soon as the master answers
    #[arg(long, requires = "background", conflicts_with_all = ["wait", "timeout"])]
    pub no_wait: bool,
    /// With -d: wait at most this long, such as 30s; the start continues after that
    #[arg(long, requires = "background", value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// With -d: the file that the master and its workers write to [default: beside the control socket, as NAME.log]
    #[arg(long, requires = "background", value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Start no keeper: then a crash of the master ends everything that runs
    #[arg(long)]
    pub no_keeper: bool,
    /// This goes on in the place of a master of another version: what its keeper has given it
    #[arg(long, hide = true, value_name = "WORD")]
    pub standby: Option<String>,
    /// This is the master in the background
    #[arg(long, hide = true, conflicts_with = "background")]
    pub detached: bool,
}

/// How many workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One a CPU.
    Auto,
    /// This number.
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
    match drover_master::config::name_fault(text) {
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
    pub addr: ListenAddr,
}

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, addr) =
            text.split_once('=').ok_or("expected NAME=ADDR, for example http=127.0.0.1:8080")?;
        let addr = addr.parse().map_err(|error: ConfigError| error.to_string())?;
        Ok(Self { name: name.to_owned(), addr })
    }
}

/// A question from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeArg(pub Probe);

impl std::str::FromStr for ProbeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let probe = match text.split_once('=') {
            Some(("tcp", addr)) => Probe::tcp(addr),
            Some(("http", url)) => Probe::http(url.parse().map_err(|error: ConfigError| error.to_string())?),
            Some(("exec", command)) => {
                let mut words = shlex::split(command)
                    .ok_or("the command has a quote that is not closed, or ends in a backslash")?
                    .into_iter();
                Probe::exec(words.next().unwrap_or_default(), words)
            }
            Some(("log", text)) => Probe::log(text),
            _ => {
                return Err(
                    "expected tcp=HOST:PORT, http=URL, exec=COMMAND or log=TEXT, for example tcp=127.0.0.1:8080"
                        .to_owned(),
                );
            }
        };
        Ok(Self(probe))
    }
}

/// What workers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Nothing: ready when alive for 1 s, ended by signals.
    None,
    /// sd_notify(3) on the socket in NOTIFY_SOCKET, as for systemd; ended by signals.
    Notify,
    /// drover.v1 on the socket in DROVER_SOCKET.
    Drover,
}

/// When to restart a worker that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Restart {
    /// Whenever it ends.
    Always,
    /// After failures.
    OnFailure,
    /// Never.
    Never,
}
