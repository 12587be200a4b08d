//! Values for people, as they stand in `drover.toml` where they can.

use std::path::PathBuf;

use super::words::{CONDITIONS, LOG_FORMATS, LOG_OWNERS, THENS};
use crate::config::duration::shown_duration as duration;
pub(super) use crate::config::limits::shown as amount;
use crate::config::size::format_size;
use crate::config::{
    Backoff, Dependency, FailureLimit, Heartbeat, Limit, Limits, LogPolicy, RecyclePolicy, ReloadSignal,
    Resource, SuspendSignals, WatchPolicy,
};

pub(super) fn recycling(policy: &RecyclePolicy) -> Option<String> {
    let RecyclePolicy { age, rss, requests, jitter } = policy;
    let mut parts: Vec<String> = age.iter().map(|age| format!("age {}", duration(*age))).collect();
    parts.extend(rss.map(|rss| format!("rss {}", format_size(rss))));
    parts.extend(requests.map(|count| format!("{count} requests")));
    parts.push(format!("jitter {jitter}"));
    policy.is_set().then(|| parts.join(", "))
}

pub(super) fn logs(logs: &LogPolicy) -> Option<String> {
    let LogPolicy { dir, journald, per, format, timestamps, max_size, max_age, keep, compress } = logs;
    let in_journal = journald.then(|| "in the journal".to_owned());
    let Some(dir) = dir else { return in_journal };
    let mut parts: Vec<String> = in_journal.into_iter().collect();
    parts.push(format!("in {}", dir.display()));
    parts.extend(LOG_OWNERS.of(per).map(|owner| format!("one per {owner}")));
    parts.extend(LOG_FORMATS.of(format).map(str::to_owned));
    parts.extend(timestamps.then(|| "timestamps".to_owned()));
    parts.push(format!("up to {}", format_size(*max_size)));
    parts.extend(max_age.map(|age| format!("or {}", duration(age))));
    parts.push(format!("{keep} old ones{}", if *compress { ", compressed" } else { "" }));
    Some(parts.join(", "))
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
    Some(format!("by {}, {told}", signal))
}

pub(super) fn suspend(SuspendSignals { signal, resume_signal }: &SuspendSignals) -> Option<String> {
    Some(format!("{}, {}", signal, resume_signal))
}

pub(super) fn watch(policy: &WatchPolicy) -> Option<String> {
    let WatchPolicy { paths: watched, ignore, debounce, action } = policy;
    let watched = paths(watched).unwrap_or_else(|| "its directory".to_owned());
    let but = if ignore.is_empty() { String::new() } else { format!(" but {}", ignore.join(", ")) };
    Some(format!("{watched}{but}, then {} after {}", action.name(), duration(*debounce)))
}

pub(super) fn paths(paths: &[PathBuf]) -> Option<String> {
    let shown = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    (!shown.is_empty()).then_some(shown)
}

pub(super) fn dependencies(dependencies: &[Dependency]) -> Option<String> {
    let shown = dependencies.iter().filter_map(|dependency| {
        Some(format!("{} {}", dependency.app, CONDITIONS.of(&dependency.condition)?))
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    Some(shown).filter(|text| !text.is_empty())
}
