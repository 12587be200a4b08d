//! One app: what is run, how often, and by which policies.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Command, Dependency, HealthPolicy, Heartbeat, Kind, ListenSpec, PlaceholderError, RecyclePolicy,
    ReloadSignal, RestartPolicy, RestartWhen, StartPolicy, Stdin, StopPolicy, SuspendSignals, UpdatePolicy,
};
use crate::process::{Account, AccountError, OutputSink};

/// The largest number of workers of one app. A bound against a slip of the keyboard, ten times what was measured.
pub(crate) const MAX_WORKERS: u32 = 100_000;

/// One app, as the master runs it.
#[derive(Debug, Clone)]
pub struct AppSpec {
    /// The app's name: in events, status, prefixes and `DROVER_APP`.
    pub name: String,
    /// What each worker runs.
    pub command: Command,
    /// How many workers.
    pub workers: u32,
    /// The listeners each worker inherits, in this order from descriptor 3.
    pub listeners: Vec<ListenSpec>,
    /// What each worker has as its standard input. Default: nothing.
    pub stdin: Stdin,
    /// How workers tell that they are ready.
    pub protocol: Protocol,
    /// How workers start.
    pub start: StartPolicy,
    /// How workers end.
    pub stop: StopPolicy,
    /// How often protocol workers are asked for a sign of life; none: never. Without the protocol it has no meaning.
    pub heartbeat: Option<Heartbeat>,
    /// How often a worker that is ready has to say that it makes progress; one that does not is ended. None, the default: never.
    /// Too low: a worker that is busy for a moment is ended. Too high: one that hangs is noticed late. A worker without a protocol
    /// can't have one.
    pub watchdog: Option<Duration>,
    /// With [`Protocol::Notify`]: the descriptor by which a worker says that it is ready, by a newline, as s6 has it; from 3 on, and
    /// above the listeners. None, the default: by `sd_notify(3)`.
    pub notify_fd: Option<u32>,
    /// The signal by which workers read their configuration again: then a reload by the same description sends it to one worker
    /// after the other, and replaces none. None, the default: a reload replaces them.
    pub reload: Option<ReloadSignal>,
    /// What workers are asked from outside while they serve. Default: nothing.
    pub health: HealthPolicy,
    /// How workers come back.
    pub restart: RestartPolicy,
    /// How they are replaced while the app runs.
    pub update: UpdatePolicy,
    /// When they are replaced because they have served enough, each by the rules of `update`. Default: never.
    pub recycle: RecyclePolicy,
    /// The signals by which workers without the protocol are suspended and resumed. Default: none; then they can't be.
    pub suspend: Option<SuspendSignals>,
    /// Where what they print goes.
    pub output: Output,
    /// What it is for. Default: a service.
    pub kind: Kind,
    /// What has to be there before it starts, and ends only after it. Default: nothing. It has a meaning under a
    /// [`Supervisor`](crate::supervisor::Supervisor) only.
    pub depends_on: Vec<Dependency>,
    /// Whether its end, if nobody asked for it, ends all apps under its supervisor. Default: no.
    pub essential: bool,
}

/// What a worker speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Nothing: ready when alive for `min_uptime`, ended by signals.
    None,
    /// `sd_notify(3)` on the socket in `NOTIFY_SOCKET`, or a newline on [`AppSpec::notify_fd`]: ready when it says so, ended by
    /// signals.
    Notify,
    /// `drover.v1` on the socket in `DROVER_SOCKET`: ready when it says so.
    Drover,
}

/// Where the standard output and error of workers go.
///
/// The last lines of stderr are kept as evidence in every case but [`Inherit`](Self::Inherit).
#[derive(Debug, Clone)]
pub enum Output {
    /// To the master's own stdout and stderr, as it is.
    Forward,
    /// To the master's own stdout and stderr, each line with `app/slot | ` before it.
    Prefixed {
        /// Whether the prefix is coloured.
        colour: bool,
    },
    /// Workers write to the master's own descriptors themselves. Nothing is kept.
    Inherit,
    /// Nowhere.
    Discard,
    /// To a sink of the program's own, line by line.
    Sink(Arc<dyn OutputSink>),
}

impl AppSpec {
    /// An app with one worker a CPU and every policy at its default.
    pub fn new(name: impl Into<String>, command: Command) -> Self {
        Self {
            name: name.into(),
            command,
            workers: super::cpus(),
            listeners: Vec::new(),
            stdin: Stdin::Null,
            protocol: Protocol::Drover,
            start: StartPolicy::default(),
            stop: StopPolicy::default(),
            heartbeat: Some(Heartbeat::default()),
            watchdog: None,
            notify_fd: None,
            reload: None,
            health: HealthPolicy::default(),
            restart: RestartPolicy::default(),
            update: UpdatePolicy::default(),
            recycle: RecyclePolicy::default(),
            suspend: None,
            output: Output::Forward,
            kind: Kind::Service,
            depends_on: Vec::new(),
            essential: false,
        }
    }

    /// Checks every value, and looks up the user and the group of the command.
    ///
    /// # Errors
    ///
    /// The first [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_values()?;
        self.account().map(drop)
    }

    /// Checks every value, and keeps who the user and the group of the command are.
    pub(crate) fn resolve(&mut self) -> Result<(), ConfigError> {
        self.check_values()?;
        self.command.account = self.account()?;
        Ok(())
    }

    fn account(&self) -> Result<Option<Account>, ConfigError> {
        Account::of(&self.command).map_err(|fault| ConfigError::Account { app: self.name.clone(), fault })
    }

    fn check_values(&self) -> Result<(), ConfigError> {
        check_name(&self.name)?;
        if !(1..=MAX_WORKERS).contains(&self.workers) {
            return Err(ConfigError::Workers { app: self.name.clone(), got: self.workers, max: MAX_WORKERS });
        }
        if self.command.program.is_empty() {
            return Err(ConfigError::EmptyCommand { app: self.name.clone() });
        }
        self.command.limits.check(&self.name)?;
        for (at, listener) in self.listeners.iter().enumerate() {
            check_name(&listener.name)?;
            if self.listeners[..at].iter().any(|other| other.name == listener.name) {
                return Err(ConfigError::DuplicateListener { name: listener.name.clone() });
            }
            if let Some(fault) = listener.fault(self.workers) {
                return Err(ConfigError::Listener { name: listener.name.clone(), fault });
            }
        }
        if let Some(name) = self.stdin.socket()
            && !self.listeners.iter().any(|listener| listener.name == name)
        {
            return Err(ConfigError::StdinListener { app: self.name.clone(), name: name.to_owned() });
        }
        if self.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.interval.is_zero()) {
            return Err(ConfigError::HeartbeatInterval { app: self.name.clone() });
        }
        if self.kind == Kind::Oneshot {
            let reason = match (self.restart.when, &self.start.probe) {
                (RestartWhen::Always, _) => Some("is not restarted always: it would never be done"),
                (_, Some(_)) => Some("has no probe: it is ready when it is done"),
                _ if self.health.is_set() => Some("has no health to ask about: it is ready when it is done"),
                _ if self.recycle.is_set() => Some("is not recycled: it ends by itself"),
                (RestartWhen::OnFailure | RestartWhen::Never, None) => None,
            };
            if let Some(reason) = reason {
                return Err(ConfigError::Oneshot { app: self.name.clone(), reason });
            }
        }
        if let Some(probe) = &self.start.probe {
            probe.check(&self.name, self.workers)?;
        }
        self.health.check(&self.name, self.workers)?;
        if matches!(self.stop.signal, libc::SIGKILL | libc::SIGSTOP) || !(1..=64).contains(&self.stop.signal)
        {
            return Err(ConfigError::StopSignal { app: self.name.clone(), got: self.stop.signal });
        }
        if let Some(SuspendSignals { signal, resume_signal }) = self.suspend {
            for got in [signal, resume_signal] {
                if got == libc::SIGKILL || !(1..=64).contains(&got) {
                    return Err(ConfigError::SuspendSignal { app: self.name.clone(), got });
                }
            }
        }
        for (at, Dependency { app: name, .. }) in self.depends_on.iter().enumerate() {
            if *name == self.name {
                return Err(ConfigError::SelfDependency { app: self.name.clone() });
            }
            if self.depends_on[..at].iter().any(|other| other.app == *name) {
                let dependency = name.clone();
                return Err(ConfigError::DuplicateDependency { app: self.name.clone(), dependency });
            }
        }
        super::notify::check(self)?;
        self.update.check(&self.name)?;
        self.recycle.check(&self.name)?;
        let backoff = &self.restart.backoff;
        if !(backoff.factor >= 1.0 && backoff.factor.is_finite()) {
            return Err(ConfigError::BackoffFactor { app: self.name.clone(), got: backoff.factor });
        }
        if !(0.0..=1.0).contains(&backoff.jitter) {
            return Err(ConfigError::BackoffJitter { app: self.name.clone(), got: backoff.jitter });
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), ConfigError> {
    let usable = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(usable) {
        return Err(ConfigError::Name { name: name.to_owned() });
    }
    Ok(())
}

/// A value that can't be meant: the caller's fault.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A name with other characters, or none, or too many.
    #[error("`{name}` is no usable name: use 1 to 64 letters, digits, `-`, `_` and `.`")]
    Name {
        /// The name as given.
        name: String,
    },
    /// No workers, or too many.
    #[error("app `{app}`: {got} workers asked for, expected 1 to {max}")]
    Workers {
        /// The app.
        app: String,
        /// What was given.
        got: u32,
        /// The bound.
        max: u32,
    },
    /// An empty program.
    #[error("app `{app}`: the command is empty")]
    EmptyCommand {
        /// The app.
        app: String,
    },
    /// A user or a group that is not there, or that workers can't run as.
    #[error("app `{app}`: {fault}")]
    Account {
        /// The app.
        app: String,
        /// Why.
        fault: AccountError,
    },
    /// A limit that no kernel would take.
    #[error("app `{app}`: the limit {limit} {reason}")]
    Limit {
        /// The app.
        app: String,
        /// Its name.
        limit: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// More than all of the workers.
    #[error("app `{app}`: update.{key} is {got}%, expected 0% to 100%")]
    UpdateShare {
        /// The app.
        app: String,
        /// Which share.
        key: &'static str,
        /// What was given.
        got: u32,
    },
    /// A reload that is over before the first new worker has proved itself.
    #[error(
        "app `{app}`: update.soak ({soak:?}) is longer than update.timeout ({timeout:?}): no reload could succeed"
    )]
    UpdateSoak {
        /// The app.
        app: String,
        /// How long a new worker has to live.
        soak: Duration,
        /// How long all of it may take.
        timeout: Duration,
    },
    /// A description of another app.
    #[error("app `{app}` can't become `{got}`: a reload keeps the name")]
    OtherName {
        /// The app.
        app: String,
        /// The name as given.
        got: String,
    },
    /// Two listeners of one name.
    #[error("the listener name `{name}` is given twice")]
    DuplicateListener {
        /// The name.
        name: String,
    },
    /// Not an address.
    #[error("`{text}` is no address to listen on: {reason}")]
    ListenAddr {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A listener that can't be had as it is described.
    #[error("listener `{name}`: {fault}")]
    Listener {
        /// Its name.
        name: String,
        /// Why.
        fault: String,
    },
    /// Neither nothing nor a socket.
    #[error("`{text}` is no standard input: write `null` or `socket:NAME`")]
    Stdin {
        /// What was given.
        text: String,
    },
    /// A standard input that the app does not listen on.
    #[error("app `{app}`: the socket `{name}`, which is its standard input, is none of its listeners")]
    StdinListener {
        /// The app.
        app: String,
        /// The socket's name.
        name: String,
    },
    /// A backoff that shrinks.
    #[error("app `{app}`: the backoff factor is {got}, expected 1 or more")]
    BackoffFactor {
        /// The app.
        app: String,
        /// What was given.
        got: f64,
    },
    /// A jitter that is no fraction.
    #[error("app `{app}`: the backoff jitter is {got}, expected 0 to 1")]
    BackoffJitter {
        /// The app.
        app: String,
        /// What was given.
        got: f64,
    },
    /// A limit by which no worker could serve.
    #[error("app `{app}`: recycle.{limit} is zero; to have no such limit, set none")]
    RecycleLimit {
        /// The app.
        app: String,
        /// Which one.
        limit: &'static str,
    },
    /// A jitter that is no fraction.
    #[error("app `{app}`: the jitter of recycle is {got}, expected 0 to 1")]
    RecycleJitter {
        /// The app.
        app: String,
        /// What was given.
        got: f64,
    },
    /// An address with braces that mean nothing.
    #[error("`{text}`: {fault}")]
    Placeholder {
        /// What was given.
        text: String,
        /// What is wrong with it.
        fault: PlaceholderError,
    },
    /// A heartbeat without a pause.
    #[error("app `{app}`: the heartbeat interval is zero; to have no heartbeat, set none")]
    HeartbeatInterval {
        /// The app.
        app: String,
    },
    /// What has to do with notifications, and can't be meant.
    #[error("app `{app}`: {key} {fault}")]
    Notify {
        /// The app.
        app: String,
        /// Which key of `drover.toml`.
        key: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// A oneshot app with what only a service can have.
    #[error("app `{app}`: a oneshot {reason}")]
    Oneshot {
        /// The app.
        app: String,
        /// What can't be meant.
        reason: &'static str,
    },
    /// A stop signal that can't ask.
    #[error(
        "app `{app}`: signal {got} can't ask a worker to leave; use one that it can handle, such as SIGTERM (15)"
    )]
    StopSignal {
        /// The app.
        app: String,
        /// What was given.
        got: i32,
    },
    /// A signal that no worker can rest by.
    #[error("app `{app}`: no worker can be suspended or resumed by signal {got}")]
    SuspendSignal {
        /// The app.
        app: String,
        /// What was given.
        got: i32,
    },
    /// The same app twice in one supervisor.
    #[error("the app name `{name}` is given twice")]
    DuplicateApp {
        /// The name.
        name: String,
    },
    /// A URL that a probe can't ask at.
    #[error("`{text}` is no URL for a probe: {reason}")]
    ProbeUrl {
        /// The text as given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A probe that can't be meant.
    #[error("app `{app}`: the probe can't be asked: {fault}")]
    Probe {
        /// The app.
        app: String,
        /// What is wrong with it.
        fault: String,
    },
    /// An app that waits for itself.
    #[error("app `{app}` depends on itself")]
    SelfDependency {
        /// The app.
        app: String,
    },
    /// The same dependency twice.
    #[error("app `{app}` depends on `{dependency}` twice; give one condition")]
    DuplicateDependency {
        /// The app.
        app: String,
        /// What it depends on.
        dependency: String,
    },
    /// A dependency that is no app of the supervisor.
    #[error("app `{app}` depends on `{dependency}`, which is none of the apps: {known}")]
    UnknownDependency {
        /// The app.
        app: String,
        /// What it depends on.
        dependency: String,
        /// The names that there are, separated by commas.
        known: String,
    },
    /// Apps that wait for each other.
    #[error("apps wait for each other: {cycle}")]
    DependencyCycle {
        /// Who depends on whom: `web → db → web`.
        cycle: String,
    },
    /// A supervisor without apps.
    #[error("no app is given")]
    NoApp,
}
