//! `[Unit]`: what a service waits for, and what is said of it.

use super::unit::UnitEntry;
use crate::import::draft::{DraftApp, ForeignText, ImportError};
use crate::import::value::time;

/// Marks what is to be turned round once all apps are known.
pub(super) const BEFORE: &str = "before";

/// Targets that are there before any service starts; the unit of Drover itself waits for them.
const EARLY: [&str; 9] = [
    "network.target",
    "basic.target",
    "sysinit.target",
    "local-fs.target",
    "remote-fs.target",
    "syslog.target",
    "multi-user.target",
    "nss-lookup.target",
    "time-sync.target",
];

pub(super) fn entry(source: &ForeignText, entry: &UnitEntry, app: &mut DraftApp) -> Result<(), ImportError> {
    let UnitEntry { key, value, line, .. } = entry;
    let place = || source.at(*line);
    match key.as_str() {
        "Description" => app.comments.insert(0, value.clone()),
        "Documentation" => app.comments.push(value.clone()),
        "After" | "Requires" | "Wants" | "BindsTo" | "Requisite" | "Upholds" | "Before" | "PartOf" => {
            let state = if key == "Before" { BEFORE } else { "ready" };
            for unit in value.split_whitespace() {
                if EARLY.contains(&unit) || (key == "Before" && unit.ends_with(".target")) {
                    continue;
                }
                let Some(name) = unit.strip_suffix(".service") else {
                    app.lose(place(), format!("{key}={unit}"), "write it in the unit of Drover itself");
                    continue;
                };
                // As its own file would be called.
                let name = DraftApp::new(name, place()).name;
                if !app.needs.iter().any(|(known, ..)| *known == name) {
                    app.needs.push((name, state, place()));
                }
            }
        }
        "StartLimitBurst" | "StartLimitIntervalSec" | "StartLimitInterval" => limit(source, entry, app)?,
        "StartLimitAction" => app.lose(place(), key, "see `restart.limit.then`"),
        "OnFailure" | "OnSuccess" => {
            app.lose(place(), key, "what happens is told by `drover events -f --json`")
        }
        _ if key.starts_with("Condition") || key.starts_with("Assert") => {
            app.lose(place(), key, "let a oneshot check it that this app depends on");
        }
        _ if key.starts_with("X-") => {}
        "DefaultDependencies"
        | "Conflicts"
        | "RequiresMountsFor"
        | "WantsMountsFor"
        | "AllowIsolate"
        | "RefuseManualStart"
        | "RefuseManualStop" => {
            app.lose(place(), key, "write it in the unit of Drover itself");
        }
        _ => app.lose(place(), key, "Drover has nothing like it"),
    }
    Ok(())
}

/// How many failures in which time; old units have these keys in `[Service]`.
pub(super) fn limit(source: &ForeignText, entry: &UnitEntry, app: &mut DraftApp) -> Result<(), ImportError> {
    let UnitEntry { key, value, line, .. } = entry;
    let none = "a limit there is: `restart.limit`";
    if key == "StartLimitBurst" {
        match value.parse::<i64>() {
            Ok(count @ 1..=100_000) => app.set("restart.limit.count", count),
            Ok(0) => app.lose(source.at(*line), key, none),
            _ => {
                return Err(
                    source.error(*line, format!("`{key}` is a number from 0 to 100000, and not `{value}`"))
                );
            }
        }
        return Ok(());
    }
    match time(value, "s") {
        Some(0) => app.lose(source.at(*line), key, none),
        Some(ms) => app.set_time("restart.limit.within", ms),
        None => return Err(source.error(*line, format!("`{key}` is a time such as 30s, and not `{value}`"))),
    }
    Ok(())
}
