//! `app.NAME.restart`: a policy's word, or a table.

use std::num::NonZeroU32;
use std::ops::Range;

use crate::config::{Backoff, FailureLimit, Kind, LimitReached, RestartPolicy, RestartWhen};

use super::mistake::{Mistakes, shown};
use super::reader::{Entry, Origin, Reader};
use super::value;

const POLICIES: &[(&str, RestartWhen)] =
    &[("always", RestartWhen::Always), ("on-failure", RestartWhen::OnFailure), ("never", RestartWhen::Never)];

const THENS: &[(&str, LimitReached)] = &[
    ("give-up", LimitReached::GiveUp),
    ("stop-app", LimitReached::StopApp),
    ("stop-all", LimitReached::StopAll),
];

/// Reads `restart` of an app of this kind. A service is to run, so it comes back after every end; a oneshot is to be done.
pub(super) fn read(app: &mut Reader<'_, '_>, kind: Kind) -> RestartPolicy {
    let default = RestartPolicy::of(kind);
    match app.entry("restart") {
        Some(entry) if entry.item.is_str() => {
            let when = policy(&entry, app.mistakes());
            when.map_or(default, RestartPolicy::new)
        }
        Some(entry) if !entry.item.is_table_like() => {
            entry
                .mistype(app.mistakes(), "a policy or a table")
                .help("write for example `restart = \"on-failure\"`");
            default
        }
        _ => app.table("restart", |table| read_table(table, default)),
    }
}

/// Reads a policy's word; those of compose, systemd, supervisord and pm2 are answered with ours.
fn policy<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<RestartWhen> {
    let ours = match entry.item.as_str() {
        Some("unless-stopped" | "unless_stopped" | "yes" | "true" | "any") => "always",
        Some("on-abnormal" | "on-abort" | "on_failure" | "unexpected" | "transient") => "on-failure",
        Some("no" | "none" | "false" | "off" | "temporary") => "never",
        _ => return value::word(POLICIES)(entry, mistakes),
    };
    let text = mistakes.source(&entry.span).trim_matches(['"', '\'']).to_owned();
    mistakes
        .add(entry.span.clone(), format!("unknown word `{}` for {}", shown(&text), entry.path))
        .help(format!("here it is `{ours}`"));
    None
}

fn read_table(table: &mut Reader<'_, '_>, default: RestartPolicy) -> RestartPolicy {
    let when = table.setting("policy", default.when, policy).value;
    let backoff = table.table("backoff", backoff);
    let limit = table.table("limit", |table| failure_limit(table, FailureLimit::default()));
    let start_limit = start_limit(table, &limit);
    let reset_after = table.setting("reset_after", default.reset_after, value::duration).value;
    let default_success: Codes = default.success_codes.iter().map(|code| (*code, 0..0)).collect();
    let success = table.setting("success_codes", default_success, codes);
    let fatal = table.setting("fatal_codes", Codes::new(), codes);
    let path = table.path().to_owned();
    for (code, span) in &fatal.value {
        let Some((_, other)) = success.value.iter().find(|(success, _)| success == code) else { continue };
        if success.origin == Origin::Mistaken {
            continue;
        }
        let mistake =
            table.mistakes().add(span.clone(), format!("exit code {code} is fatal and a success in {path}"));
        if success.origin == Origin::Default {
            mistake.help("0 is a success unless `success_codes` says otherwise");
        } else {
            mistake.label(other.clone(), "a success here").help("keep it in one of the two lists");
        }
    }
    RestartPolicy {
        when,
        backoff,
        limit,
        start_limit,
        reset_after,
        success_codes: success.value.into_iter().map(|(code, _)| code).collect(),
        fatal_codes: fatal.value.into_iter().map(|(code, _)| code).collect(),
    }
}

fn backoff(table: &mut Reader<'_, '_>) -> Backoff {
    let default = Backoff::default();
    let initial = table.setting("initial", default.initial, value::duration);
    let max = table.setting("max", default.max, value::duration);
    let path = table.path().to_owned();
    value::in_order(table.mistakes(), &path, &initial, &max);
    Backoff {
        initial: initial.value,
        max: max.value,
        factor: table.setting("factor", default.factor, value::number(1.0..=f64::INFINITY)).value,
        jitter: table.setting("jitter", default.jitter, value::number(0.0..=1.0)).value,
    }
}

/// Reads `start_limit`. What it leaves out is as in `limit`, which holds for failed starts too where there is none.
fn start_limit(table: &mut Reader<'_, '_>, limit: &FailureLimit) -> Option<FailureLimit> {
    table.entry("start_limit")?;
    Some(table.table("start_limit", |table| failure_limit(table, limit.clone())))
}

fn failure_limit(table: &mut Reader<'_, '_>, default: FailureLimit) -> FailureLimit {
    let count = table.setting("count", default.count.get(), value::whole(1..=100_000)).value;
    FailureLimit {
        count: NonZeroU32::new(count).unwrap_or(default.count),
        within: table.setting("within", default.within, value::some_duration).value,
        then: table.setting("then", default.then, value::word(THENS)).value,
    }
}

type Codes = Vec<(i32, Range<usize>)>;

fn codes<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<Codes> {
    value::elements(entry, mistakes, ("exit codes", "an exit code from 0 to 255"), |value| {
        value.as_integer().and_then(|code| u8::try_from(code).ok()).map(i32::from)
    })
}
