//! `app.NAME.health`.

use std::num::NonZeroU32;

use crate::config::{HealthCheck, HealthPolicy, Kind, Probe, ProbeKind};

use super::reader::{Origin, Reader};
use super::{probe, value};

/// Reads `health` of an app of a kind; only one that serves has use for it.
pub(super) fn read(app: &mut Reader<'_, '_>, kind: Kind) -> HealthPolicy {
    let Some(entry) = app.entry("health") else { return HealthPolicy::default() };
    if kind == Kind::Oneshot {
        let message = format!("{} has no meaning for a oneshot, which is ready when it is done", entry.path);
        app.mistakes().add(entry.key_span, message).help("leave it out, or set `kind = \"service\"`");
    }
    app.table("health", |table| HealthPolicy {
        liveness: check(table, "liveness"),
        readiness: check(table, "readiness"),
    })
}

fn check(health: &mut Reader<'_, '_>, key: &'static str) -> Option<HealthCheck> {
    health.entry(key)?;
    health.table(key, |table| {
        let kind = probe::question(table);
        let default = HealthCheck::new(ProbeKind::Tcp { addr: String::new() });
        let interval = table.setting("interval", default.probe.interval, value::some_duration).value;
        let timeout = table.setting("timeout", default.probe.timeout, value::some_duration).value;
        let initial_delay = table.setting("initial_delay", default.initial_delay, value::duration).value;
        let failures = table.setting("failures", default.failures.get(), value::whole(1..=100)).value;
        let successes = table.setting("successes", default.successes.get(), value::whole(1..=100));
        if key == "liveness"
            && successes.value != 1
            && let Origin::Written(at) = successes.origin
        {
            let message = format!("{}.successes is {}, and can only be 1", table.path(), successes.value);
            let help = "leave it out: a worker that fails its liveness is ended, and none comes back";
            table.mistakes().add(at, message).help(help);
        }
        Some(HealthCheck {
            probe: Probe { kind: kind?, interval, timeout },
            failures: NonZeroU32::new(failures).unwrap_or(default.failures),
            successes: NonZeroU32::new(successes.value).unwrap_or(default.successes),
            initial_delay,
        })
    })
}
