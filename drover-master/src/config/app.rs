//! One app: what is run, how often, and by which policies.

use std::time::Duration;

use super::{
    Command, CronPolicy, Dependency, HealthPolicy, Heartbeat, Kind, ListenSpec, LogPolicy, NotifyAccess,
    Output, RecyclePolicy, ReloadSignal, RestartPolicy, StartPolicy, Stdin, StopPolicy, SuspendSignals,
    UpdatePolicy, WatchPolicy,
};

/// The largest number of workers of one app. A bound against a slip of the keyboard, ten times what was measured.
pub(crate) const MAX_WORKERS: u32 = 100_000;

/// One app, as the master runs it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct AppSpec {
    /// The app's name: in events, status, prefixes and `DROVER_APP`.
    pub name: String,
    /// What each worker runs.
    pub command: Command,
    /// How many workers.
    pub workers: u32,
    /// Whether that number follows the CPUs that may be used, while it runs: a [`Supervisor`](crate::supervisor::Supervisor) then scales a
    /// service when they change, unless somebody has scaled it. Default: no.
    pub follows_cpus: bool,
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
    /// The files of which a change restarts or reloads it, for whoever works on them. Default: none. It has a meaning under a
    /// [`Supervisor`](crate::supervisor::Supervisor) only.
    pub watch: Option<WatchPolicy>,
    /// Where what they print goes.
    pub output: Output,
    /// The files that it is written to besides; none with [`Output::Inherit`]. Default: none.
    pub logs: Option<LogPolicy>,
    /// What it is for. Default: a service.
    pub kind: Kind,
    /// When it runs, if it is of the kind [`Kind::Cron`]. Otherwise it has no meaning.
    pub cron: CronPolicy,
    /// What has to be there before it starts, and ends only after it. Default: nothing. It has a meaning under a
    /// [`Supervisor`](crate::supervisor::Supervisor) only.
    pub depends_on: Vec<Dependency>,
    /// Whether its end, if nobody asked for it, ends all apps under its supervisor. Default: no.
    pub essential: bool,
}

/// What a worker speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

impl AppSpec {
    /// An app with one worker a CPU and every policy at its default.
    pub fn new(name: impl Into<String>, command: Command) -> Self {
        Self {
            name: name.into(),
            command,
            workers: super::cpus(),
            follows_cpus: false,
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
            watch: None,
            output: Output::Forward,
            logs: None,
            kind: Kind::Service,
            cron: CronPolicy::default(),
            depends_on: Vec::new(),
            essential: false,
        }
    }
}
