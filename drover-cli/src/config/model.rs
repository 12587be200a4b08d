//! What a `drover.toml` says, as plain data, with the default of every key that has one.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

/// A whole, valid `drover.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `master.name`; the directory's name is used when it is absent.
    pub name: Option<String>,
    /// `[sockets.NAME]`, in file order. No two have the same address.
    pub sockets: Vec<Socket>,
    /// `[app.NAME]`, in file order; at least one.
    pub apps: Vec<App>,
}

/// A listening socket that the master opens once and gives to workers.
#[derive(Clone, Debug, PartialEq)]
pub struct Socket {
    /// The NAME of `[sockets.NAME]`: what `app.NAME.sockets` and `LISTEN_FDNAMES` call it.
    pub name: String,
    /// Where it listens.
    pub listen: Listen,
    /// How many connections may wait to be accepted: 1 to 65535, default [`Socket::DEFAULT_BACKLOG`]. Too low
    /// refuses clients in a burst; too high lets them wait for an app that cannot keep up.
    pub backlog: u32,
}

impl Socket {
    /// The backlog of a socket that names none.
    pub const DEFAULT_BACKLOG: u32 = 1024;
}

/// The address of a [`Socket`].
#[derive(Clone, Debug, PartialEq)]
pub enum Listen {
    /// `HOST:PORT`.
    Tcp {
        /// A host name, an IPv4 address, or an IPv6 address without its brackets.
        host: String,
        /// The port; 0 lets the kernel choose one.
        port: u16,
    },
    /// `unix:PATH`. At most 107 bytes, the kernel's limit.
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    /// Writes the address as `drover.toml` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.parse::<Ipv6Addr>().is_ok() => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
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
    /// How many workers are kept.
    pub workers: Workers,
    /// Names of the [`Socket`]s its workers receive, in this order; each exists, none is named twice.
    pub sockets: Vec<String>,
    /// How its workers talk to the master.
    pub protocol: Protocol,
    /// Variables added to its workers' environment, in file order.
    pub env: Vec<(String, String)>,
    /// Whether workers start from an empty environment instead of the master's.
    pub env_clear: bool,
    /// The workers' directory; the master's when absent.
    pub cwd: Option<PathBuf>,
    /// The workers' file mode creation mask, at most `0o777`; the master's when absent.
    pub umask: Option<u32>,
    /// How a worker is started.
    pub start: Start,
    /// How a worker is stopped.
    pub stop: Stop,
    /// How it is asked for a sign of life; absent without a protocol, and where the file says `false`.
    pub heartbeat: Option<Heartbeat>,
    /// What follows the end of a worker.
    pub restart: Restart,
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
    /// `drover.v1` on the socket in their environment.
    Drover,
}

/// `app.NAME.start`: how a worker is started.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The time from spawn to ready; more than zero, default 30 s. Too short kills slow starts, too long hides
    /// hung ones.
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

/// `app.NAME.start.probe`: a question from outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// Is a TCP connection taken?
    Tcp {
        /// `HOST:PORT`.
        addr: String,
    },
}

/// `app.NAME.stop`: how a worker is stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// The time to finish the work at hand; default 20 s. Too short cuts requests off, too long holds up a stop.
    pub drain_timeout: Duration,
    /// The time between `signal` and SIGKILL; default 5 s.
    pub term_timeout: Duration,
    /// The signal that asks the worker to end, as `SIGTERM`; that is also the default.
    pub signal: String,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            drain_timeout: Duration::from_secs(20),
            term_timeout: Duration::from_secs(5),
            signal: "SIGTERM".to_owned(),
        }
    }
}

/// `app.NAME.heartbeat`: how a worker that is ready is asked for a sign of life.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    /// The time from one question to the next; more than zero, default 5 s.
    pub interval: Duration,
    /// After so many without an answer the worker is ended, 1 to 100; default 3.
    pub misses: u32,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { interval: Duration::from_secs(5), misses: 3 }
    }
}

/// `app.NAME.restart`: what follows the end of a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Restart {
    /// When it is started again; default [`Policy::OnFailure`].
    pub policy: Policy,
    /// How long the master waits before it tries again.
    pub backoff: Backoff,
    /// How often it tries.
    pub limit: Limit,
    /// A worker that is ready for this long starts over with `backoff` and `limit`; default 1 min.
    pub reset_after: Duration,
    /// Exit codes that are a success, 0 to 255; default `[0]`, which a list in the file replaces.
    pub success_codes: Vec<i32>,
    /// Exit codes after which a new try is pointless, 0 to 255; default none. None is also a success.
    pub fatal_codes: Vec<i32>,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            backoff: Backoff::default(),
            limit: Limit::default(),
            reset_after: Duration::from_secs(60),
            success_codes: vec![0],
            fatal_codes: Vec::new(),
        }
    }
}

/// When a worker that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// After every end.
    Always,
    /// After every end that was not a success.
    #[default]
    OnFailure,
    /// After none.
    Never,
}

/// The wait before each new try: `initial`, then `factor` times the wait before it, up to `max`.
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    /// The first wait; never above `max`, default 200 ms.
    pub initial: Duration,
    /// The longest wait; default 30 s.
    pub max: Duration,
    /// The growth from wait to wait; at least 1 and finite, default 2.
    pub factor: f64,
    /// The share of a wait that is random, 0 to 1; default 0.2. Zero lets all workers of a host return at once.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial: Duration::from_millis(200), max: Duration::from_secs(30), factor: 2.0, jitter: 0.2 }
    }
}

/// The breaker: more than `count` new tries within `within`, and `then` follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// The number of tries; 1 to 100000, default 10.
    pub count: u32,
    /// The window they are counted in; more than zero, default 5 min.
    pub within: Duration,
    /// What follows when the limit is passed.
    pub then: Then,
}

impl Default for Limit {
    fn default() -> Self {
        Self { count: 10, within: Duration::from_secs(5 * 60), then: Then::default() }
    }
}

/// What follows when a [`Limit`] is passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// The slot stays empty; the others go on.
    #[default]
    GiveUp,
    /// The whole app is stopped.
    StopApp,
    /// Every app is stopped, and with them the master.
    StopAll,
}
