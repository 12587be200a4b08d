//! An app's settings as rows for people, by the keys of `drover.toml`.

use std::time::Duration;

use super::limits::shown as shown_value;
use super::{
    AppSpec, Condition, Dependency, FailureLimit, Kind, Limit, LimitReached, Limits, NotifyAccess,
    OnUpdateFailure, Output, Probe, Protocol, RecyclePolicy, ReloadSignal, Resource, RestartWhen, Stdin,
    UpdateOrder,
};
use crate::machine::exit::signal_name;

impl AppSpec {
    /// How the app is configured, by the keys of `drover.toml`, defaults written out. Of the environment only the names are
    /// shown: values may be secrets.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![("command", self.command.to_string()), ("workers", self.workers.to_string())];
        if !self.listeners.is_empty() {
            let shown = self.listeners.iter().map(|listener| format!("{}={}", listener.name, listener.addr));
            rows.push(("sockets", shown.collect::<Vec<_>>().join(", ")));
        }
        if self.stdin != Stdin::Null {
            rows.push(("stdin", self.stdin.to_string()));
        }
        let is_protocol = self.protocol == Protocol::Drover;
        rows.push(("protocol", shown_protocol(self.protocol).to_owned()));
        rows.extend(self.notify_fd.map(|number| ("notify_fd", number.to_string())));
        if self.protocol == Protocol::Notify && self.notify_fd.is_none() {
            rows.push(("notify_access", shown_access(self.notify_access).to_owned()));
        }
        self.place(&mut rows);
        self.surroundings(&mut rows);
        self.starting(&mut rows);
        self.stopping(&mut rows);
        self.restarting(&mut rows);
        if self.kind == Kind::Service {
            self.updating(&mut rows);
        }
        if is_protocol {
            let heartbeat = self.heartbeat.as_ref().map_or_else(
                || "none".to_owned(),
                |heartbeat| format!("every {}, {} misses", shown(heartbeat.interval), heartbeat.misses),
            );
            rows.push(("heartbeat", heartbeat));
        }
        rows.extend(self.watchdog.map(|every| ("watchdog", shown(every))));
        rows.extend(self.reload.map(|reload| ("reload", shown_reload(reload))));
        for (key, check) in
            [("health.liveness", &self.health.liveness), ("health.readiness", &self.health.readiness)]
        {
            rows.extend(check.as_ref().map(|check| (key, check.to_string())));
        }
        if self.recycle.is_set() {
            rows.push(("recycle", shown_recycling(&self.recycle)));
        }
        let output = match self.output {
            Output::Forward => "the master's own, as it is",
            Output::Prefixed { .. } => "the master's own, each line with APP/SLOT before it",
            Output::Inherit => "the master's own descriptors",
            Output::Discard => "nowhere",
            Output::Sink(_) => "a sink of the program's own",
        };
        rows.push(("output", output.to_owned()));
        rows
    }

    /// Its place among other apps.
    fn place(&self, rows: &mut Vec<(&'static str, String)>) {
        rows.push(("kind", shown_kind(self.kind).to_owned()));
        if !self.depends_on.is_empty() {
            rows.push(("depends_on", shown_dependencies(&self.depends_on)));
        }
        if self.essential {
            rows.push(("essential", "true".to_owned()));
        }
    }

    fn surroundings(&self, rows: &mut Vec<(&'static str, String)>) {
        let command = &self.command;
        if let Some(cwd) = &command.cwd {
            rows.push(("cwd", cwd.display().to_string()));
        }
        if let Some(umask) = command.umask {
            rows.push(("umask", format!("{umask:03o}")));
        }
        for (key, value) in [("user", &command.user), ("group", &command.group)] {
            rows.extend(value.as_ref().map(|value| (key, value.clone())));
        }
        if command.limits != Limits::default() {
            rows.push(("limits", shown_limits(&command.limits)));
        }
        if command.env_clear {
            rows.push(("env_clear", "true".to_owned()));
        }
        if !command.env.is_empty() {
            let names = command.env.iter().map(|(name, _)| name.display().to_string());
            rows.push(("env", names.collect::<Vec<_>>().join(", ")));
        }
    }

    fn starting(&self, rows: &mut Vec<(&'static str, String)>) {
        let start = &self.start;
        rows.push(("start.timeout", shown(start.timeout)));
        match (self.protocol, &start.probe) {
            (Protocol::Drover | Protocol::Notify, _) => {
                rows.push(("start.max_timeout", shown(start.max_timeout)));
                rows.push(("start.parallel", start.parallel.to_string()));
            }
            (Protocol::None, Some(probe)) => {
                rows.push(("start.probe", shown_probe(probe)));
            }
            (Protocol::None, None) => rows.push(("start.min_uptime", shown(start.min_uptime))),
        }
    }

    fn stopping(&self, rows: &mut Vec<(&'static str, String)>) {
        let stop = &self.stop;
        rows.push(("stop.pre_delay", shown(stop.pre_delay)));
        rows.push(("stop.drain_timeout", shown(stop.drain_timeout)));
        rows.push(("stop.term_timeout", shown(stop.term_timeout)));
        if self.protocol != Protocol::Drover {
            rows.push(("stop.signal", signal_name(stop.signal)));
            rows.push(("stop.to", stop.to.name().to_owned()));
            rows.extend(self.suspend.map(|suspend| {
                let (rest, go_on) = (signal_name(suspend.signal), signal_name(suspend.resume_signal));
                ("suspend", format!("by {rest}, resumed by {go_on}"))
            }));
        }
    }

    fn restarting(&self, rows: &mut Vec<(&'static str, String)>) {
        let restart = &self.restart;
        rows.push(("restart.policy", shown_policy(restart.when).to_owned()));
        let backoff = &restart.backoff;
        let (initial, max) = (shown(backoff.initial), shown(backoff.max));
        rows.push((
            "restart.backoff",
            format!("{initial} to {max}, factor {}, jitter {}", backoff.factor, backoff.jitter),
        ));
        rows.push(("restart.limit", shown_limit(&restart.limit)));
        let start_limit = restart.start_limit.as_ref().unwrap_or(&restart.limit);
        rows.push(("restart.start_limit", shown_limit(start_limit)));
        rows.push(("restart.reset_after", shown(restart.reset_after)));
        rows.push(("restart.success_codes", shown_codes(&restart.success_codes)));
        rows.push(("restart.fatal_codes", shown_codes(&restart.fatal_codes)));
    }

    fn updating(&self, rows: &mut Vec<(&'static str, String)>) {
        let update = &self.update;
        let order = match update.order {
            UpdateOrder::StartFirst => "start-first",
            UpdateOrder::StopFirst => "stop-first",
        };
        let on_failure = match update.on_failure {
            OnUpdateFailure::Rollback => "rollback",
            OnUpdateFailure::Pause => "pause",
        };
        rows.push(("update.max_surge", update.max_surge.to_string()));
        rows.push(("update.max_unavailable", update.max_unavailable.to_string()));
        rows.push(("update.soak", shown(update.soak)));
        rows.push(("update.order", order.to_owned()));
        rows.push(("update.on_failure", on_failure.to_owned()));
        rows.push(("update.timeout", shown(update.timeout)));
        rows.push(("update.max_generations", update.max_generations.to_string()));
    }
}

/// As it stands in `drover.toml`, such as `1m30s`.
pub(super) fn shown(duration: Duration) -> String {
    if duration == Duration::MAX {
        return "for ever".to_owned();
    }
    let (seconds, rest_ms) = (duration.as_secs(), duration.subsec_millis());
    let parts =
        [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s"), (rest_ms.into(), "ms")];
    let text: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

pub(super) fn shown_recycling(policy: &RecyclePolicy) -> String {
    let RecyclePolicy { age, rss, requests, jitter } = policy;
    let mut parts: Vec<String> = age.iter().map(|age| format!("age {}", shown(*age))).collect();
    parts.extend(rss.map(|bytes| format!("rss {}", shown_bytes(bytes))));
    parts.extend(requests.map(|count| format!("{count} requests")));
    parts.push(format!("jitter {jitter}"));
    parts.join(", ")
}

/// In the largest unit that has no fraction.
fn shown_bytes(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = units.into_iter().find(|(shift, _)| bytes >> shift << shift == bytes && bytes > 0);
    fits.map_or_else(|| format!("{bytes}B"), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

pub(super) fn shown_limits(limits: &Limits) -> String {
    let resource = |(resource, limit): &(Resource, Limit)| {
        let soft = shown_value(limit.soft);
        match limit.hard {
            Some(hard) if hard == limit.soft => format!("{resource} {soft}"),
            Some(hard) => format!("{resource} {soft} (hard {})", shown_value(hard)),
            None => format!("{resource} {soft} (hard as the master's)"),
        }
    };
    let mut shown: Vec<String> = limits.resources.iter().map(resource).collect();
    shown.extend(limits.nice.map(|nice| format!("nice {nice}")));
    shown.extend(limits.oom_score_adj.map(|score| format!("oom_score_adj {score}")));
    if !limits.is_required {
        shown.push("not required".to_owned());
    }
    shown.join(", ")
}

pub(super) fn shown_limit(limit: &FailureLimit) -> String {
    let then = match limit.then {
        LimitReached::GiveUp => "give-up",
        LimitReached::StopApp => "stop-app",
        LimitReached::StopAll => "stop-all",
    };
    format!("{} within {}, then {then}", limit.count, shown(limit.within))
}

pub(super) fn shown_codes(codes: &[i32]) -> String {
    let codes: Vec<String> = codes.iter().map(i32::to_string).collect();
    format!("[{}]", codes.join(", "))
}

pub(super) const fn shown_protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::None => "none",
        Protocol::Notify => "notify",
        Protocol::Drover => "drover",
    }
}

pub(super) const fn shown_access(access: NotifyAccess) -> &'static str {
    match access {
        NotifyAccess::Main => "main",
        NotifyAccess::All => "all",
    }
}

pub(super) fn shown_reload(reload: ReloadSignal) -> String {
    let ReloadSignal { signal, waits } = reload;
    format!(
        "by {}, {}",
        signal_name(signal),
        if waits { "until it says so" } else { "which it need not confirm" }
    )
}

pub(super) const fn shown_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Service => "service",
        Kind::Oneshot => "oneshot",
    }
}

pub(super) fn shown_dependencies(dependencies: &[Dependency]) -> String {
    let shown = dependencies.iter().map(|dependency| match dependency.condition {
        Condition::Ready => format!("{} ready", dependency.app),
        Condition::Completed => format!("{} completed", dependency.app),
    });
    shown.collect::<Vec<_>>().join(", ")
}

pub(super) fn shown_probe(probe: &Probe) -> String {
    format!("{}, every {}, at most {} a try", probe.kind, shown(probe.interval), shown(probe.timeout))
}

pub(super) const fn shown_policy(when: RestartWhen) -> &'static str {
    match when {
        RestartWhen::Always => "always",
        RestartWhen::OnFailure => "on-failure",
        RestartWhen::Never => "never",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;

    #[test]
    fn settings_show_defaults_by_their_keys_and_of_the_environment_only_names() {
        let spec = AppSpec::new("web", Command::new("web").arg("-v").env("PASSWORD", "hunter2"));
        let rows = spec.settings();
        let value = |key| rows.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str());
        assert_eq!(value("command"), Some("web -v"));
        assert_eq!(value("env"), Some("PASSWORD"));
        assert_eq!(value("stop.drain_timeout"), Some("20s"));
        assert_eq!(value("restart.limit"), Some("10 within 5m, then give-up"));
        assert_eq!(value("stop.pre_delay"), Some("0s"));
        assert_eq!((value("update.max_surge"), value("update.timeout")), (Some("1"), Some("10m")));
        assert_eq!(value("restart.start_limit"), value("restart.limit"));
        assert!(!format!("{rows:?}").contains("hunter2"));
    }
}
