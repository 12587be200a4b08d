//! One app: what is run, how often, and by which policies.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Command, ConfigError, Dependency, HealthPolicy, Heartbeat, Kind, ListenSpec, NotifyAccess, RecyclePolicy,
    ReloadSignal, RestartPolicy, RestartWhen, StartPolicy, Stdin, StopPolicy, SuspendSignals, UpdatePolicy,
};
use crate::process::{Account, Colours, OutputSink};

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
    /// With [`Protocol::Notify`]: which processes of a worker may speak for it. Default: the main one.
    pub notify_access: NotifyAccess,
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
#[non_exhaustive]
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
#[non_exhaustive]
pub enum Output {
    /// To the master's own stdout and stderr, as it is.
    Forward,
    /// To the master's own stdout and stderr, each line with `app/slot | ` before it.
    Prefixed {
        /// Whether the prefix is coloured, and what becomes of the colours of workers.
        colours: Colours,
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
            notify_access: NotifyAccess::Main,
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

    /// Checks every value, and keeps who the user and the group of the command are, unless that is known.
    pub(crate) fn resolve(&mut self) -> Result<(), ConfigError> {
        self.check_values()?;
        if self.command.account.is_none() {
            self.look_up_account()?;
        }
        Ok(())
    }

    /// Keeps who the user and the group of the command are. It may wait for a network.
    pub(crate) fn look_up_account(&mut self) -> Result<(), ConfigError> {
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
