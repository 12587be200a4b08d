//! Values for people, as they stand in `drover.toml` where they can.

use std::time::Duration;

use crate::config::limits::shown as amount;
use crate::config::{
    Backoff, Dependency, FailureLimit, Heartbeat, Limit, Limits, Probe, RecyclePolicy, ReloadSignal,
    Resource, SuspendSignals,
};
use crate::signal_names::signal_name;

use super::parts::{CONDITIONS, THENS};

/// Such as `1m30s`.
pub(in crate::config) fn duration(duration: Duration) -> String {
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

/// In the largest unit that has no fraction.
pub(in crate::config) fn bytes(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = units.into_iter().find(|(shift, _)| bytes >> shift << shift == bytes && bytes > 0);
    fits.map_or_else(|| format!("{bytes}B"), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

pub(in crate::config) fn probe(probe: &Probe) -> String {
    format!("{}, every {}, at most {} a try", probe.kind, duration(probe.interval), duration(probe.timeout))
}

pub(super) fn recycling(policy: &RecyclePolicy) -> Option<String> {
    let RecyclePolicy { age, rss, requests, jitter } = policy;
    let mut parts: Vec<String> = age.iter().map(|age| format!("age {}", duration(*age))).collect();
    parts.extend(rss.map(|rss| format!("rss {}", bytes(rss))));
    parts.extend(requests.map(|count| format!("{count} requests")));
    parts.push(format!("jitter {jitter}"));
    policy.is_set().then(|| parts.join(", "))
}

pub(super) fn limits(limits: &Limits) -> Option<String> {
    let resource = |(resource, limit): &(Resource, Limit)| {
        let soft = amount(limit.soft);
        match limit.hard {
            Some(hard) if hard == limit.soft => format!("{resource} {soft}"),
            Some(hard) => format!("{resource} {soft} (hard {})", amount(hard)),
            None => format!("{resource} {soft} (hard as the master's)"),
        }
    };
    let mut shown: Vec<String> = limits.resources.iter().map(resource).collect();
    shown.extend(limits.nice.map(|nice| format!("nice {nice}")));
    shown.extend(limits.oom_score_adj.map(|score| format!("oom_score_adj {score}")));
    if !limits.is_required {
        shown.push("not required".to_owned());
    }
    (!shown.is_empty()).then(|| shown.join(", "))
}

pub(super) fn failure_limit(limit: &FailureLimit) -> Option<String> {
    let then = THENS.of(&limit.then)?;
    Some(format!("{} within {}, then {then}", limit.count, duration(limit.within)))
}

pub(super) fn backoff(backoff: &Backoff) -> Option<String> {
    let Backoff { initial, max, factor, jitter } = backoff;
    Some(format!("{} to {}, factor {factor}, jitter {jitter}", duration(*initial), duration(*max)))
}

pub(super) fn heartbeat(Heartbeat { interval, misses }: &Heartbeat) -> Option<String> {
    Some(format!("every {}, {misses} misses", duration(*interval)))
}

pub(super) fn reload(ReloadSignal { signal, waits }: &ReloadSignal) -> Option<String> {
    let told = if *waits { "until it says so" } else { "which it need not confirm" };
    Some(format!("by {}, {told}", signal_name(*signal)))
}

pub(super) fn suspend(SuspendSignals { signal, resume_signal }: &SuspendSignals) -> Option<String> {
    Some(format!("{}, {}", signal_name(*signal), signal_name(*resume_signal)))
}

pub(super) fn dependencies(dependencies: &[Dependency]) -> Option<String> {
    let shown = dependencies.iter().filter_map(|dependency| {
        Some(format!("{} {}", dependency.app, CONDITIONS.of(&dependency.condition)?))
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    Some(shown).filter(|text| !text.is_empty())
}
