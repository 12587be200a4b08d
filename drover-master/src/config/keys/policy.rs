//! The keys of an app's policies: how its workers start, stop, are asked, come back and are replaced.

#[cfg(feature = "file")]
use toml_edit::Item;

use super::app::SET_NONE;
use super::field::Field;
use super::form::Form;
use super::key::{Key, keys};
use super::kind::{Maybe, ValueFault, ValueKind as _};
use super::number::{ExitCodes, Shares, Time};
use super::parts::{BACKOFF, LIMIT, LIVENESS, PROBE, READINESS, RECYCLE, START_LIMIT};
use super::question::Asking;
use super::shown;
use super::text::{RestartWord, SignalName};
use super::whole::Whole;
use super::words::{ON_START_FAILURE, ON_UPDATE_FAILURE, ORDERS, RECEIVERS};
#[cfg(feature = "file")]
use crate::config::text::{mistake::Mistakes, reader::KeyValue};
use crate::config::{AppSpec, FailureLimit, Kind, Protocol};

/// What a table of keys is for.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    (
        "health",
        "Probes of workers while they serve. Default: none. In addresses, `{slot}`, `{9000+slot}` and `{pid}` stand for each worker's own.",
    ),
    ("start", "How workers start."),
    ("stop", "How workers stop."),
    ("restart", "Whether and how to start an ended worker again: a policy, or a table."),
    ("update", "How a reload replaces workers."),
];

pub(super) static KEYS: &[Key<AppSpec>] = keys! { AppSpec;
    // Workers are asked as long as they live what they were started with.
    "health.liveness" Reload (health.liveness: Maybe(Asking(LIVENESS)))
        "A probe of ready workers; the master ends a worker that fails it, and `restart` decides what follows. One of `tcp`, `http` and `exec`.";
    "health.readiness" Reload (health.readiness: Maybe(Asking(READINESS)))
        "A probe of every worker, first before it is ready; a worker that fails it later is not ready until it passes again, and stays alive. One of `tcp`, `http` and `exec`.";
    "start.timeout" Live (start.timeout: Time::SOME)
        "From spawn to ready; more than zero. Too short kills slow starts, too long hides hung ones.";
    "start.max_timeout" Live (start.max_timeout: Time::SOME)
        "How far a worker may extend `timeout` itself; not below it."
        .where_(speaks);
    "start.min_uptime" Live (start.min_uptime: Time::ANY)
        "A worker that ends sooner than this has failed to start."
        .where_(|app| app.protocol == Protocol::None && app.start.probe.is_none());
    "start.probe" Live (start.probe: Maybe(Asking(PROBE)))
        "A probe that decides when a worker without a protocol is ready. Default: its uptime decides. One of `tcp`, `http`, `exec` and `log`."
        .needing(|app| {
            let fault = "has no meaning for a worker that says when it is ready";
            (app.protocol != Protocol::None).then_some((fault, SET_NONE))
        });
    "start.parallel" Live (start.parallel: Whole(1, 100_000))
        "How many workers start at once. Default: the number of CPUs."
        .of_machine()
        .where_(speaks);
    "start.on_failure" Live (start.on_failure: ON_START_FAILURE)
        "What to do about a worker that fails before the app was first ready."
        .where_(|_| false)
        .of_programs();
    "stop.pre_delay" Live (stop.pre_delay: Time::ANY)
        "How long a ready worker serves on before it is told to stop, for a load balancer that learns late.";
    "stop.drain_timeout" Live (stop.drain_timeout: Time::ANY)
        "How long a worker may take to finish its work. Too short cuts requests off, too long holds up a stop.";
    "stop.quit_timeout" Live (stop.quit_timeout: Time::ANY)
        "How long a drained worker may take to exit."
        .where_(|app| app.protocol == Protocol::Drover)
        .of_programs();
    "stop.term_timeout" Live (stop.term_timeout: Time::ANY)
        "The time from SIGTERM to SIGKILL.";
    "stop.max_timeout" Live (stop.max_timeout: Time::ANY)
        "How far a worker may extend `drain_timeout` or `quit_timeout` itself."
        .where_(speaks)
        .of_programs();
    "stop.signal" Live (stop.signal: SignalName(false))
        "The signal that asks a worker without a protocol to end, with or without `SIG`."
        .where_(|app| app.protocol != Protocol::Drover);
    "stop.to" Live (stop.to: RECEIVERS)
        "Who gets the signal first: the main process alone, and what it leaves behind once it is gone; or its whole process group at once."
        .where_(|app| app.protocol != Protocol::Drover);
    "restart.policy" Live (restart.when: RestartWord)
        "When to start an ended worker again. Default of a oneshot: `on-failure`.";
    "restart.backoff" Live (restart.backoff: BACKOFF)
        "The pauses before a failed worker is tried again.";
    "restart.limit" Live (restart.limit: LIMIT)
        "When to give up on workers that fail.";
    "restart.start_limit" Live (&StartLimit)
        "When to give up on workers that fail before they are ready. Default: the numbers of `limit`; they are counted separately in any case."
        .told_as(|app| {
            shown::failure_limit(start_limit(app))
        });
    "restart.reset_after" Live (restart.reset_after: Time::ANY)
        "How long a worker must be ready to clear its count of failures.";
    "restart.success_codes" Live (restart.success_codes: ExitCodes)
        "Exit codes that count as success.";
    "restart.fatal_codes" Live (restart.fatal_codes: ExitCodes)
        "Exit codes after which trying again is useless.";
    "update.max_surge" Live (update.max_surge: Shares)
        "How many new workers may run beside the old ones, as a number or a part of all. Too low makes a reload of many workers slow, too high needs memory for that many more."
        .where_(serves);
    "update.max_unavailable" Live (update.max_unavailable: Shares)
        "How many workers may be missing, as a number or a part of all. Higher needs less memory, and serves with fewer."
        .where_(serves);
    "update.soak" Live (update.soak: Time::ANY)
        "How long a new worker must live before its predecessor is stopped; at most `timeout`."
        .where_(serves);
    "update.order" Live (update.order: ORDERS)
        "Who goes first in a slot. With `stop-first`, `max_surge` has no meaning."
        .where_(serves);
    "update.on_failure" Live (update.on_failure: ON_UPDATE_FAILURE)
        "What to do when a new worker fails: roll back to the old ones, or pause until somebody promotes or aborts the reload."
        .where_(serves);
    "update.timeout" Live (update.timeout: Time::SOME)
        "How long all replacements may take together, without the drain of the last ones; more than zero."
        .where_(serves);
    "update.max_generations" Live (update.max_generations: Whole(2, 100))
        "How many generations may be alive at once, including those that drain. With more, the next reload waits."
        .where_(serves);
    "recycle" Live (recycle: RECYCLE)
        "When to replace a worker that has served enough. Default: never.";
};

/// Whether its workers say when they are ready.
fn speaks(app: &AppSpec) -> bool {
    app.protocol != Protocol::None
}

fn serves(app: &AppSpec) -> bool {
    app.kind == Kind::Service
}

/// `restart.start_limit`, of which a file may leave out what `restart.limit` has.
struct StartLimit;

fn start_limit(app: &AppSpec) -> &FailureLimit {
    app.restart.start_limit.as_ref().unwrap_or(&app.restart.limit)
}

impl Field<AppSpec> for StartLimit {
    fn is_same(&self, old: &AppSpec, new: &AppSpec) -> bool {
        old.restart.start_limit == new.restart.start_limit
    }

    fn take(&self, into: &mut AppSpec, from: &AppSpec) {
        into.restart.start_limit.clone_from(&from.restart.start_limit);
    }

    fn shown(&self, of: &AppSpec) -> Option<String> {
        of.restart.start_limit.as_ref().and_then(shown::failure_limit)
    }

    fn form(&self) -> Form {
        START_LIMIT.form()
    }

    fn fault(&self, of: &AppSpec) -> Option<ValueFault> {
        START_LIMIT.fault(start_limit(of))
    }

    #[cfg(feature = "file")]
    fn read<'t>(&self, into: &mut AppSpec, entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> bool {
        let limit = START_LIMIT.read(Some(&into.restart.limit), entry, mistakes);
        limit.map(|limit| into.restart.start_limit = Some(limit)).is_some()
    }

    #[cfg(feature = "file")]
    fn write(&self, of: &AppSpec) -> Option<Item> {
        START_LIMIT.write(start_limit(of))
    }
}
