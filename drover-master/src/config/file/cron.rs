//! What an app that runs by a schedule has to have, and what has no meaning for it.

use crate::config::keys::{self, Key};
use crate::config::text::mistake::Mistakes;
use crate::config::{AppSpec, Kind, Protocol};

/// Keys, and tables of keys, for workers that stay, or are ready before they end.
const OF_WORKERS_THAT_STAY: [&str; 9] = [
    "health",
    "recycle",
    "reload",
    "suspend",
    "watch",
    "update",
    "start.probe",
    "start.min_uptime",
    "start.parallel",
];

pub(super) fn check(path: &str, spec: &AppSpec, mistakes: &mut Mistakes<'_>) {
    let place = |mistakes: &Mistakes<'_>, key: &str| mistakes.place(&format!("{path}.{key}")).cloned();
    if let (Some(kind), None) = (place(mistakes, "kind"), place(mistakes, "schedule")) {
        let message = format!("{path}.schedule is missing, which an app of the kind `cron` runs by");
        mistakes
            .add(kind.span, message)
            .help("write for example `schedule = \"30 3 * * *\"` or `schedule = \"@every 90s\"`");
    }
    // A policy may be a word in place of a table.
    for key in keys::of_app().map(Key::path).chain(["restart"]) {
        let place = place(mistakes, key).filter(|place| !mistakes.is_default(&place.key_span));
        if let (Some(place), Some((fault, help))) = (place, pointless(key, spec)) {
            mistakes.add(place.key_span, format!("{path}.{key} {fault}")).help(help);
        }
    }
}

/// Why a key has no meaning for a cron, or not with that value, and what helps.
pub(super) fn pointless(key: &str, spec: &AppSpec) -> Option<(&'static str, &'static str)> {
    let is_below = |table: &str| {
        let rest = key.strip_prefix(table);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    match key {
        _ if spec.kind != Kind::Cron => None,
        "workers" if spec.workers != 1 => {
            Some(("has to be 1 for a cron, which has one run at a time", "leave it out"))
        }
        "protocol" if spec.protocol != Protocol::None => {
            Some(("has to be `none` for a cron: a run is done when it ends", "leave it out"))
        }
        "restart.success_codes" => None,
        _ if is_below("restart") => Some((
            "has no meaning for a cron: a run that fails is not repeated before it is due again",
            "leave it out; let the command try again itself, or let it be due more often",
        )),
        // To say that there is none is right.
        "watch" if spec.watch.is_none() => None,
        _ if OF_WORKERS_THAT_STAY.iter().any(|table| is_below(table)) => {
            Some(("has no meaning for a cron, whose runs end by themselves", "leave it out"))
        }
        _ => None,
    }
}
