//! What a `drover.toml` says, as plain data, with the default of every key that has one.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{
    Dependency, HealthPolicy, Heartbeat, Kind, Limits, ListenMode, NotifyAccess, Probe, RecyclePolicy,
    RestartPolicy, Stdin, StopTo, Strategy, UpdatePolicy,
};

/// A whole, valid `drover.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[master]`.
    pub master: Master,
    /// `[sockets.NAME]`, in file order. No two have the same address.
    pub sockets: Vec<Socket>,
    /// `[app.NAME]`, in file order; at least one.
    pub apps: Vec<App>,
}

/// `[master]`: what holds for all apps together.
#[derive(Clone, Debug, PartialEq)]
pub struct Master {
    /// The master's name; that of the file's directory when absent.
    pub name: Option<String>,
    /// From the begin of the end to SIGKILL for all that is left; more than zero, default 45 s. Too short cuts off apps
    /// that drain one after the other, too long lets a container's runtime kill first.
    pub shutdown_timeout: Duration,
    /// What follows when an app fails for good while it runs; default none.
    pub strategy: Strategy,
}

impl Default for Master {
    fn default() -> Self {
        Self { name: None, shutdown_timeout: Duration::from_secs(45), strategy: Strategy::None }
    }
}

/// A listening socket that the master opens once and gives to workers.
#[derive(Clone, Debug, PartialEq)]
pub struct Socket {
    /// The NAME of `[sockets.NAME]`: what `app.NAME.sockets` and `LISTEN_FDNAMES` call it.
    pub name: String,
    /// Where it listens.
    pub listen: Listen,
    /// How many connections may wait to be accepted: 1 to 65535, default [`Socket::DEFAULT_BACKLOG`]. Too low
    /// refuses clients in a burst; too high lets them wait for an app that cannot keep up. UDP has none.
    pub backlog: u32,
    /// Whether workers share one queue of connections, which is the default, or each slot has its own.
    pub mode: ListenMode,
}

impl Socket {
    /// The backlog of a socket that names none.
    pub const DEFAULT_BACKLOG: u32 = 1024;
}

/// The address of a [`Socket`].
#[derive(Clone, Debug, PartialEq)]
pub enum Listen {
    /// `HOST:PORT`.
    Tcp(HostPort),
    /// `udp:HOST:PORT`.
    Udp(HostPort),
    /// `unix:PATH`. At most 107 bytes, the kernel's limit.
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    /// Writes the address as `drover.toml` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Udp(addr) => write!(f, "udp:{addr}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A host name, an IPv4 address, or an IPv6 address without its brackets.
    pub host: String,
    /// The port; 0 lets the kernel choose one.
    pub port: u16,
}

impl fmt::Display for HostPort {
    /// Writes an IPv6 address with its brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.parse::<Ipv6Addr>().is_ok() {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

/// One app: what is run, how many times, and by which rules.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// The NAME of `[app.NAME]`.
    pub name: String,
    /// The program and its arguments; never empty. No shell is involved.
    pub command: Vec<String>,
    /// How many workers are kept; by default one a CPU, and one of a oneshot.
    pub workers: Workers,
    /// Names of the [`Socket`]s its workers receive, in this order; each exists, none is named twice.
    pub sockets: Vec<String>,
    /// Their standard input; default nothing, else a pipe that does not end, or one of `sockets`.
    pub stdin: Stdin,
    /// How its workers talk to the master.
    pub protocol: Protocol,
    /// Variables added to its workers' environment: of `env_files`, once loaded, then of the file itself, which win.
    pub env: Vec<(String, String)>,
    /// The files that variables are read from, as they are named.
    pub env_files: Vec<PathBuf>,
    /// Whether workers start from an empty environment instead of the master's.
    pub env_clear: bool,
    /// The workers' directory, relative to that of the file once loaded; that of the file when absent.
    pub cwd: Option<PathBuf>,
    /// The workers' file mode creation mask, at most `0o777`; the master's when absent.
    pub umask: Option<u32>,
    /// The user that workers run as, a name or an id; the master's when absent.
    pub user: Option<String>,
    /// The group that workers run as, a name or an id; the user's when absent.
    pub group: Option<String>,
    /// What workers are limited to.
    pub limits: Limits,
    /// How a worker is started.
    pub start: Start,
    /// How a worker is stopped.
    pub stop: Stop,
    /// How one without a protocol is suspended and resumed; it can't be when absent.
    pub suspend: Option<Suspend>,
    /// How it is asked for a sign of life; absent without a protocol, and where the file says `false`.
    pub heartbeat: Option<Heartbeat>,
    /// How often it has to say that it makes progress, once it is ready; more than zero, never when absent. Too short ends a worker
    /// that is busy for a moment, too long finds a hung one late.
    pub watchdog: Option<Duration>,
    /// With [`Protocol::Notify`]: the descriptor by which it says that it is ready, above those of its sockets, at most 255.
    pub notify_fd: Option<u32>,
    /// With [`Protocol::Notify`] and no descriptor: which processes of a worker may speak for it.
    pub notify_access: NotifyAccess,
    /// How it reads its configuration again by itself; a reload replaces it when absent.
    pub reload: Option<ReloadBySignal>,
    /// What its workers are asked from outside while they serve; default nothing.
    pub health: HealthPolicy,
    /// What follows the end of a worker.
    pub restart: RestartPolicy,
    /// How workers are replaced while the app runs.
    pub update: UpdatePolicy,
    /// When a worker that serves has served enough, and another takes its place; default never.
    pub recycle: RecyclePolicy,
    /// What it is for.
    pub kind: Kind,
    /// What has to be there before it starts, and ends only after it; each exists, and none waits for itself by any way.
    pub depends_on: Vec<Dependency>,
    /// Whether its end, if nobody asked for it, ends all apps.
    pub essential: bool,
}

/// How many workers an app has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workers {
    /// One for each CPU that the CPU quota allows.
    #[default]
    Auto,
    /// This many: 1 to 100000.
    Count(u32),
}

/// How workers talk to the master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// They don't: any program.
    #[default]
    None,
    /// They say when they are ready, by `sd_notify(3)` or a newline on a descriptor.
    Notify,
    /// `drover.v1` on the socket in their environment.
    Drover,
}

/// `app.NAME.start`: how a worker is started.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The time from spawn to ready, for a oneshot to its end; more than zero, default 30 s, for a oneshot
    /// [`Duration::MAX`]. Too short kills slow starts, too long hides hung ones.
    pub timeout: Duration,
    /// How far a worker may extend `timeout` itself; never below it, default 5 min.
    pub max_timeout: Duration,
    /// A worker that lives shorter than this has failed to start; default 1 s.
    pub min_uptime: Duration,
    /// What is asked from outside to know that a worker is ready; `min_uptime` decides when absent.
    pub probe: Option<Probe>,
    /// How many workers start at once, 1 to 100000; the number of CPUs when absent.
    pub parallel: Option<u32>,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            max_timeout: Duration::from_secs(5 * 60),
            min_uptime: Duration::from_secs(1),
            probe: None,
            parallel: None,
        }
    }
}

/// `app.NAME.suspend`: the signals by which a worker without a protocol rests and goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspend {
    /// Tells it to take no new work, such as `SIGUSR1`; `SIGSTOP` halts any program, with what it has in flight.
    pub signal: String,
    /// Tells it to go on, such as `SIGUSR2`; `SIGCONT` after `SIGSTOP`.
    pub resume_signal: String,
}

/// `app.NAME.reload`: how a worker reads its configuration again, and stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadBySignal {
    /// The signal that tells it, such as `SIGHUP`.
    pub signal: String,
    /// Whether it says when it is through; default yes if it can, which needs [`Protocol::Notify`].
    pub wait: bool,
}

/// `app.NAME.stop`: how a worker is stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// How long a worker that is ready serves on before it is told to stop; default 0. For a load balancer that learns
    /// late: too short, and it sends requests to who is leaving, too long, and every stop takes that long.
    pub pre_delay: Duration,
    /// The time to finish the work at hand; default 20 s. Too short cuts requests off, too long holds up a stop.
    pub drain_timeout: Duration,
    /// The time between `signal` and SIGKILL; default 5 s.
    pub term_timeout: Duration,
    /// The signal that asks the worker to end, as `SIGTERM`; that is also the default.
    pub signal: String,
    /// Who gets the signal first; default the main process alone.
    pub to: StopTo,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            pre_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(20),
            term_timeout: Duration::from_secs(5),
            signal: "SIGTERM".to_owned(),
            to: StopTo::default(),
        }
    }
}
