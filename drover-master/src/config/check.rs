//! Checks an app: each value by the table of keys, and what values mean to each other.

use super::keys::{self, ValueFault};
use super::name::name_fault;
use super::notify::lowest_notify_fd;
use super::{
    AppSpec, Command, ConfigError, CronPolicy, Dependency, Kind, Protocol, ReloadSignal, RestartWhen,
    WatchAction,
};

/// Keys that a program has no reason to set where they have no meaning.
const WITH_A_MEANING: [&str; 5] = ["notify_fd", "notify_access", "watchdog", "reload", "schedule"];

/// What is said of a key that is for workers which stay.
const CRON: &str = "has no meaning for a cron, whose runs end by themselves";

impl AppSpec {
    /// Checks every value.
    pub(crate) fn check_values(&self) -> Result<(), ConfigError> {
        check_name(&self.name)?;
        if self.command.program.is_empty() {
            return self.refuse("command", "is empty");
        }
        for key in keys::of_app() {
            if let Some(ValueFault { below, what }) = key.fault(self) {
                return self.refuse(format!("{}{below}", key.path()), what);
            }
        }
        let plain = Self::new("", Command::new(""));
        for key in keys::of_app().filter(|key| WITH_A_MEANING.contains(&key.path())) {
            if let Some((fault, _)) = key.needs(self).filter(|_| !key.is_same(self, &plain)) {
                return self.refuse(key.path(), fault);
            }
        }
        if let Some(resource) = self.command.limits.repeated() {
            return self.refuse(format!("limits.{resource}"), "is given twice");
        }
        self.check_listeners()?;
        self.check_oneshot()?;
        self.check_cron()?;
        if let Some(probe) = &self.start.probe {
            probe.check(&self.name, self.workers)?;
        }
        self.health.check(&self.name, self.workers)?;
        self.check_dependencies()?;
        self.check_reload()?;
        let (soak, timeout) = (self.update.soak, self.update.timeout);
        if soak > timeout {
            let fault =
                format!("({soak:?}) is longer than update.timeout ({timeout:?}): no reload could succeed");
            return self.refuse("update.soak", fault);
        }
        Ok(())
    }

    fn refuse(&self, key: impl Into<String>, fault: impl Into<String>) -> Result<(), ConfigError> {
        Err(ConfigError::Key { app: self.name.clone(), key: key.into(), fault: fault.into() })
    }

    fn check_listeners(&self) -> Result<(), ConfigError> {
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
            return self.refuse(
                "stdin",
                format!("names the socket `{name}`, which is not one of the app's listeners"),
            );
        }
        let lowest = lowest_notify_fd(self.listeners.len());
        if let Some(number) = self.notify_fd.filter(|number| *number < lowest) {
            let why = "the standard streams and the app's listeners are below";
            return self.refuse("notify_fd", format!("is {number}, but must be {lowest} to 255: {why}"));
        }
        Ok(())
    }

    fn check_oneshot(&self) -> Result<(), ConfigError> {
        let reason = match (self.restart.when, &self.start.probe) {
            _ if self.kind != Kind::Oneshot => return Ok(()),
            (RestartWhen::Always, _) => "is not restarted always: it would never be done",
            (_, Some(_)) => "has no probe: it is ready when it is done",
            _ if self.health.is_set() => "has no health to ask about: it is ready when it is done",
            _ if self.recycle.is_set() => "is not recycled: it ends by itself",
            _ if self.reload.is_some() => "is not reloaded: it ends by itself",
            _ if self.watch.as_ref().is_some_and(|watch| watch.action == WatchAction::Reload) => {
                "is not reloaded when a file changes, as it ends by itself; it can be restarted"
            }
            (RestartWhen::OnFailure | RestartWhen::Never, None) => return Ok(()),
        };
        Err(ConfigError::Oneshot { app: self.name.clone(), reason })
    }

    fn check_cron(&self) -> Result<(), ConfigError> {
        let (key, fault) = match self {
            _ if self.kind != Kind::Cron => return Ok(()),
            Self { cron: CronPolicy { schedule: None, .. }, .. } => {
                ("schedule", "is missing: an app of the kind `cron` runs by it")
            }
            _ if self.protocol != Protocol::None => {
                ("protocol", "has to be `none`: a run of a cron is done when it ends")
            }
            _ if self.workers != 1 => ("workers", "has to be 1: a cron has one run at a time"),
            _ if self.start.probe.is_some() => ("start.probe", CRON),
            _ if self.health.is_set() => ("health", CRON),
            _ if self.recycle.is_set() => ("recycle", CRON),
            _ if self.reload.is_some() => ("reload", CRON),
            _ if self.suspend.is_some() => ("suspend", CRON),
            _ if self.watch.is_some() => ("watch", CRON),
            _ => return Ok(()),
        };
        self.refuse(key, fault)
    }

    fn check_dependencies(&self) -> Result<(), ConfigError> {
        for (at, Dependency { app: name, .. }) in self.depends_on.iter().enumerate() {
            if *name == self.name {
                return Err(ConfigError::SelfDependency { app: self.name.clone() });
            }
            if self.depends_on[..at].iter().any(|other| other.app == *name) {
                let dependency = name.clone();
                return Err(ConfigError::DuplicateDependency { app: self.name.clone(), dependency });
            }
        }
        Ok(())
    }

    fn check_reload(&self) -> Result<(), ConfigError> {
        let is_told = self.protocol == Protocol::Notify && self.notify_fd.is_none();
        match self.reload {
            Some(ReloadSignal { waits: true, .. }) if !is_told => self.refuse(
                "reload",
                "waits for a word of workers that can't say it; it needs the protocol `notify` and no notify_fd",
            ),
            _ => Ok(()),
        }
    }
}

fn check_name(name: &str) -> Result<(), ConfigError> {
    match name_fault(name) {
        Some(_) => Err(ConfigError::Name { name: name.to_owned() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::config::{
        HealthCheck, Limit, Limits, ListenSpec, NotifyAccess, Probe, ProbeKind, RecyclePolicy, Resource,
        Share, Stdin, SuspendSignals, WatchPolicy,
    };
    use crate::signal::Signal;

    /// What is said of an app that was changed so, after its name.
    fn told(change: impl FnOnce(&mut AppSpec)) -> String {
        let mut app = AppSpec::new("web", Command::new("web"));
        app.listeners = vec![ListenSpec::new("http", "127.0.0.1:0".parse().unwrap())];
        change(&mut app);
        let told = app.check_values().map_or_else(|error| error.to_string(), |()| String::new());
        told.strip_prefix("app `web`: ").unwrap_or(&told).to_owned()
    }

    type Misuse = fn(&mut AppSpec);

    const TCP: fn(&str) -> HealthCheck = |addr| HealthCheck::new(ProbeKind::Tcp { addr: addr.to_owned() });
    const HANG_UP: fn(bool) -> Option<ReloadSignal> =
        |waits| Some(ReloadSignal { signal: Signal::HUP, waits });

    #[test]
    fn a_value_that_its_key_does_not_take_is_refused_by_the_name_of_the_key() {
        let files = |limit| Limits::default().with(Resource::OpenFiles, limit);
        let limits: [(Limits, &str); 5] = [
            (files(Limit { soft: 9, hard: Some(8) }), "nofile has the soft value 9 above the hard one 8"),
            (
                files(Limit { soft: Limit::UNLIMITED, hard: Some(8) }),
                "nofile has the soft value unlimited above the hard one 8",
            ),
            (Limits { nice: Some(20), ..Limits::default() }, "nice is 20, but must be -20 to 19"),
            (
                Limits { oom_score_adj: Some(-1001), ..Limits::default() },
                "oom_score_adj is -1001, but must be -1000 to 1000",
            ),
            (
                Limits {
                    resources: vec![(Resource::Core, Limit::fixed(0)), (Resource::Core, Limit::fixed(1))],
                    ..Limits::default()
                },
                "core is given twice",
            ),
        ];
        for (limits, expected) in limits {
            assert_eq!(told(|app| app.command.limits = limits), format!("limits.{expected}"));
        }
        let rows: &[(Misuse, &str)] = &[
            (|app| app.command.program.clear(), "command is empty"),
            (|app| app.workers = 0, "workers is 0, but must be 1 to 100000"),
            (
                |app| app.heartbeat.as_mut().unwrap().interval = Duration::ZERO,
                "heartbeat.interval must be more than zero",
            ),
            (|app| app.start.timeout = Duration::ZERO, "start.timeout must be more than zero"),
            (|app| app.stop.signal = Signal::KILL, "stop.signal is SIGKILL, which no program can catch"),
            (|app| app.stop.signal = Signal::STOP, "stop.signal is SIGSTOP, which no program can catch"),
            (
                |app| {
                    app.suspend = Some(SuspendSignals { signal: Signal::STOP, resume_signal: Signal::KILL });
                },
                "suspend.resume_signal is SIGKILL, which no program can catch",
            ),
            (
                |app| app.restart.backoff.factor = 0.5,
                "restart.backoff.factor is 0.5, but must be a finite number of at least 1",
            ),
            (|app| app.restart.backoff.jitter = 1.1, "restart.backoff.jitter is 1.1, but must be 0 to 1"),
            (
                |app| app.update.max_surge = Share::Percent(101),
                "update.max_surge is 101%, but must be 0% to 100%",
            ),
            (
                |app| app.update.soak = Duration::from_secs(601),
                "update.soak (601s) is longer than update.timeout (600s): no reload could succeed",
            ),
            (|app| app.recycle.age = Some(Duration::ZERO), "recycle.age must be more than zero"),
            (|app| app.recycle.rss = Some(0), "recycle.rss must be more than zero"),
            (|app| app.recycle.requests = Some(0), "recycle.requests is 0, but must be 1 to 4294967295"),
            (
                |app| app.recycle.jitter = f64::NAN,
                "recycle.jitter is NaN, but must be a finite number of at least 0",
            ),
            (
                |app| app.start.probe = Some(Probe { interval: Duration::ZERO, ..Probe::tcp("a:1") }),
                "start.probe.interval must be more than zero",
            ),
            (
                |app| app.health.readiness = Some(HealthCheck { failures: NonZeroU32::MAX, ..TCP("a:1") }),
                "health.readiness.failures is 4294967295, but must be 1 to 100",
            ),
            (
                |app| {
                    app.health.liveness =
                        Some(HealthCheck { successes: NonZeroU32::MIN.saturating_add(1), ..TCP("a:1") })
                },
                "health.liveness.successes is 2, and can only be 1: a worker that fails its liveness is ended, and none comes back",
            ),
            (
                |app| app.restart.fatal_codes = vec![256],
                "restart.fatal_codes holds 256, which is not an exit code from 0 to 255",
            ),
            (
                |app| app.stdin = Stdin::Socket("admin".into()),
                "stdin names the socket `admin`, which is not one of the app's listeners",
            ),
        ];
        for (change, expected) in rows {
            assert_eq!(told(change), *expected);
        }
        let edges = |app: &mut AppSpec| {
            app.command.limits =
                Limits { nice: Some(-20), oom_score_adj: Some(1000), ..files(Limit { soft: 8, hard: None }) };
            app.recycle = RecyclePolicy {
                age: Some(Duration::from_millis(1)),
                jitter: 1.0,
                ..RecyclePolicy::default()
            };
            app.health.readiness =
                Some(HealthCheck { successes: NonZeroU32::MIN.saturating_add(1), ..TCP("a:1") });
        };
        assert_eq!(told(edges), "");
    }

    #[test]
    fn a_cron_has_a_schedule_and_nothing_that_is_for_workers_which_stay() {
        let rows: &[(Misuse, &str)] = &[
            (|app| app.cron.schedule = None, "schedule is missing"),
            (|app| app.protocol = Protocol::Notify, "protocol has to be `none`"),
            (|app| app.workers = 2, "workers has to be 1"),
            (|app| app.start.probe = Some(Probe::tcp("a:1")), "start.probe has no meaning for a cron"),
            (|app| app.health.readiness = Some(TCP("a:1")), "health has no meaning for a cron"),
            (|app| app.recycle.age = Some(Duration::MAX), "recycle has no meaning for a cron"),
            (|app| app.reload = HANG_UP(false), "reload has no meaning for a cron"),
            (|app| app.watch = Some(WatchPolicy::default()), "watch has no meaning for a cron"),
            (|app| app.kind = Kind::Service, "schedule has no meaning for an app that does not run by a"),
            (|_| {}, ""),
        ];
        for (change, words) in rows {
            let told = told(|app| {
                (app.kind, app.workers, app.protocol) = (Kind::Cron, 1, Protocol::None);
                app.cron.schedule = "@hourly".parse().ok();
                change(app);
            });
            assert!(told.starts_with(words) && told.is_empty() == words.is_empty(), "{told}");
        }
    }

    #[test]
    fn what_has_no_meaning_beside_other_values_is_refused_with_the_reason() {
        let rows: &[(Misuse, &str)] = &[
            (|app| app.notify_fd = Some(2), "notify_fd is 2, but must be 3 to 255"),
            (|app| app.notify_fd = Some(3), "notify_fd is 3, but must be 4 to 255: the standard streams"),
            (
                |app| (app.protocol, app.notify_fd) = (Protocol::None, Some(4)),
                "notify_fd has no meaning without",
            ),
            (
                |app| (app.protocol, app.notify_access) = (Protocol::None, NotifyAccess::All),
                "notify_access has no meaning without",
            ),
            (
                |app| (app.notify_fd, app.notify_access) = (Some(4), NotifyAccess::All),
                "notify_access has no meaning without",
            ),
            (|app| app.watchdog = Some(Duration::ZERO), "watchdog must be more than zero"),
            (
                |app| (app.protocol, app.watchdog) = (Protocol::None, Some(Duration::MAX)),
                "watchdog has no meaning for a worker without a protocol",
            ),
            (
                |app| (app.notify_fd, app.watchdog) = (Some(4), Some(Duration::MAX)),
                "watchdog has no meaning with",
            ),
            (
                |app| (app.protocol, app.reload) = (Protocol::Drover, HANG_UP(false)),
                "reload has no meaning for",
            ),
            (|app| (app.protocol, app.reload) = (Protocol::None, HANG_UP(true)), "reload waits for a word"),
            (|app| (app.notify_fd, app.reload) = (Some(4), HANG_UP(true)), "reload waits for a word"),
            (
                |app| app.reload = Some(ReloadSignal { signal: Signal::KILL, waits: false }),
                "reload.signal is SIGKILL, which no program can catch",
            ),
            (|app| (app.kind, app.reload) = (Kind::Oneshot, HANG_UP(false)), "a oneshot is not reloaded"),
            (
                |app| (app.kind, app.recycle.requests) = (Kind::Oneshot, Some(1)),
                "a oneshot is not recycled: it ends by itself",
            ),
        ];
        for (change, words) in rows {
            let told = told(|app| {
                app.protocol = Protocol::Notify;
                change(app);
            });
            assert!(told.starts_with(words), "{told}");
        }
        let is_fine = |app: &mut AppSpec| {
            app.protocol = Protocol::Notify;
            (app.watchdog, app.reload) = (Some(Duration::from_secs(1)), HANG_UP(true));
        };
        assert_eq!(told(is_fine), "");
    }
}
