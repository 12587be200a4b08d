//! Kinds of values of an app that runs by a schedule.

#[cfg(feature = "file")]
use toml_edit::value as item;

use super::form::Form;
use super::key::Pointless;
use super::kind::kinds;
#[cfg(feature = "file")]
use crate::config::text::value;
use crate::config::{AppSpec, Kind, Protocol, Schedule, Zone};

/// When runs are due.
pub(super) struct CronSchedule;

/// Whose time that is.
pub(super) struct ZoneName;

kinds! {
    CronSchedule, Schedule:
    shown |schedule| Some(schedule.to_string());
    form |_this| Form::Text;
    read |_this, entry, mistakes| value::filled_string(entry, mistakes).and_then(|text| match text.parse::<Schedule>() {
        Ok(schedule) => Some(schedule),
        Err(error) => {
            entry.refuse(mistakes, &error).help(error.help());
            None
        }
    });
    write |schedule| item(schedule.to_string());

    ZoneName, Zone:
    shown |zone| Some(zone.name().to_owned());
    form |_this| Form::Text;
    read |_this, entry, mistakes| value::filled_string(entry, mistakes).and_then(|text| match text.parse::<Zone>() {
        Ok(zone) => Some(zone),
        Err(error) => {
            entry.refuse(mistakes, &error).help("write `local`, `UTC` or a name such as `Europe/Berlin`; names need the time zones of the system (tzdata)");
            None
        }
    });
    write |zone| item(zone.name());
}

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

/// Why a key has no meaning for a cron, or not with that value, and what helps.
pub(in crate::config) fn pointless_for_cron(key: &str, spec: &AppSpec) -> Option<Pointless> {
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
