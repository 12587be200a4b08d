//! `[Service]`: how it runs, starts and stops.

use toml_edit::{Array, InlineTable, Value};

use super::exec::specifiers;
use super::relation;
use super::unit::{UnitEntry, words};
use super::{CGROUP, SANDBOX};
use crate::import::draft::{DraftApp, ForeignText, ImportError};
use crate::import::value::{signal, size, time, truth};

/// Limits of systemd and of Drover, and what they count.
const LIMITS: [(&str, &str, Counts); 12] = [
    ("LimitAS", "limits.as", Counts::Bytes),
    ("LimitCORE", "limits.core", Counts::Bytes),
    ("LimitCPU", "limits.cpu", Counts::Time),
    ("LimitDATA", "limits.data", Counts::Bytes),
    ("LimitFSIZE", "limits.fsize", Counts::Bytes),
    ("LimitMEMLOCK", "limits.memlock", Counts::Bytes),
    ("LimitMSGQUEUE", "limits.msgqueue", Counts::Bytes),
    ("LimitNOFILE", "limits.nofile", Counts::Number),
    ("LimitNPROC", "limits.nproc", Counts::Number),
    ("LimitRTPRIO", "limits.rtprio", Counts::Number),
    ("LimitSIGPENDING", "limits.sigpending", Counts::Number),
    ("LimitSTACK", "limits.stack", Counts::Bytes),
];

#[derive(Debug, Clone, Copy)]
enum Counts {
    Bytes,
    Time,
    Number,
}

pub(super) fn entry(
    source: &ForeignText,
    entry: &UnitEntry,
    unit: &str,
    app: &mut DraftApp,
) -> Result<(), ImportError> {
    let UnitEntry { key, value, line, .. } = entry;
    let line = *line;
    let wrong = |what: &str| source.error(line, format!("`{key}` is {what}, and not `{value}`"));
    let ms = || time(value, "s").ok_or_else(|| wrong("a time such as 30s"));
    let is_endless = matches!(&**value, "infinity" | "0");
    let lose = |app: &mut DraftApp, why: &str| app.lose(source.at(line), key, why);
    match key.as_str() {
        "ExecStart" => {}
        "Type" => kind(source, entry, app)?,
        "RemainAfterExit" | "GuessMainPID" => {}
        "User" | "Group" => {
            let name = specifiers(source, entry, value, unit, app);
            app.set(if key == "User" { "user" } else { "group" }, name);
        }
        "WorkingDirectory" => match value.strip_prefix('-').unwrap_or(value) {
            "~" => lose(app, "write the directory: `cwd`"),
            cwd => {
                if value.starts_with('-') {
                    lose(app, "a directory that is missing fails the start");
                }
                let cwd = specifiers(source, entry, cwd, unit, app);
                app.set("cwd", cwd);
            }
        },
        "Environment" => {
            let read = words(value).ok_or_else(|| wrong("KEY=VALUE, in quotes where there are blanks"))?;
            for word in read {
                let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                    return Err(wrong("KEY=VALUE, in quotes where there are blanks"));
                };
                let value = specifiers(source, entry, value, unit, app);
                app.set_env(name, value);
            }
        }
        // Collected in `fit`.
        "EnvironmentFile" => {
            if value.starts_with('-') {
                lose(app, "a file that is missing fails the start; make an empty one");
            }
        }
        "Restart" => {
            let policy = match &**value {
                "no" => "never",
                "always" => "always",
                "on-failure" => "on-failure",
                "on-abnormal" | "on-abort" | "on-watchdog" => {
                    lose(
                        app,
                        "the nearest is `on-failure`, which every exit code but `restart.success_codes` counts for",
                    );
                    "on-failure"
                }
                "on-success" => {
                    lose(app, "Drover starts again what failed, or always");
                    "always"
                }
                _ => return Err(wrong("no, always, on-failure or another policy of systemd")),
            };
            app.set("restart.policy", policy);
        }
        "RestartSec" => {
            let ms = ms()?;
            app.set_time("restart.backoff.initial", ms);
            if !app.keys.iter().any(|(key, _)| *key == "restart.backoff.max") {
                app.set_time("restart.backoff.max", ms);
            }
        }
        "RestartMaxDelaySec" => {
            let ms = ms()?;
            app.set_time("restart.backoff.max", ms);
        }
        "RestartSteps" => {
            lose(app, "each pause is `restart.backoff.factor` times longer than the one before")
        }
        "SuccessExitStatus" | "RestartPreventExitStatus" => {
            let (codes, others): (Vec<&str>, Vec<&str>) =
                value.split_whitespace().partition(|word| word.parse::<u8>().is_ok());
            if !others.is_empty() {
                lose(app, "Drover counts numbers alone, and neither signals nor names");
            }
            let codes = codes.iter().filter_map(|code| code.parse::<i64>().ok());
            match key.as_str() {
                "SuccessExitStatus" => {
                    app.set("restart.success_codes", [0].into_iter().chain(codes).collect::<Array>())
                }
                _ => app.set("restart.fatal_codes", codes.collect::<Array>()),
            }
        }
        "TimeoutStartSec" | "TimeoutStopSec" | "TimeoutSec" if is_endless => {
            lose(app, "there is a limit: `start.timeout`, `stop.drain_timeout`");
        }
        "TimeoutStartSec" => {
            let ms = ms()?;
            app.set_time("start.timeout", ms);
        }
        "TimeoutStopSec" => {
            let ms = ms()?;
            app.set_time("stop.drain_timeout", ms);
        }
        "TimeoutSec" => {
            let ms = ms()?;
            app.set_time("start.timeout", ms);
            app.set_time("stop.drain_timeout", ms);
        }
        "KillSignal" => match signal(value) {
            Some(signal) => app.set("stop.signal", signal),
            None if value.contains("KILL") => {
                lose(app, "Drover asks first, and kills after `stop.drain_timeout` and `stop.term_timeout`")
            }
            None => return Err(wrong("the name of a signal that a program can catch")),
        },
        "KillMode" => match &**value {
            "control-group" => app.set("stop.to", "group"),
            "mixed" => app.set("stop.to", "process"),
            "process" | "none" => {
                app.set("stop.to", "process");
                lose(app, "what a worker leaves behind is ended too");
            }
            _ => return Err(wrong("control-group, mixed, process or none")),
        },
        "ExecReload" => match reload_signal(value) {
            Some(signal) => app.set("reload.signal", signal),
            None => lose(app, "a reload sends a signal (`reload.signal`), or replaces the workers"),
        },
        "ExecStartPre" | "ExecCondition" => lose(
            app,
            "make it an app of `kind = \"oneshot\"`, and let this one wait for it: `depends_on.NAME = \"completed\"`",
        ),
        "ExecStartPost" | "ExecStop" | "ExecStopPost" => {
            lose(app, "workers are stopped by `stop.signal`; a command beside a start or a stop there is not")
        }
        "StartLimitBurst" | "StartLimitIntervalSec" | "StartLimitInterval" => {
            relation::limit(source, entry, app)?
        }
        "Nice" => match value.parse::<i64>() {
            Ok(nice @ -20..=19) => app.set("limits.nice", nice),
            _ => return Err(wrong("a number from -20 to 19")),
        },
        "OOMScoreAdjust" => match value.parse::<i64>() {
            Ok(adjust @ -1000..=1000) => app.set("limits.oom_score_adj", adjust),
            _ => return Err(wrong("a number from -1000 to 1000")),
        },
        "WatchdogSec" => match ms()? {
            0 => {}
            ms => app.set_time("watchdog", ms),
        },
        "NotifyAccess" => match &**value {
            "main" | "all" => app.set("notify_access", value.as_str()),
            _ => lose(app, "`notify_access` is `main` or `all`"),
        },
        "UMask" => app.set("umask", value.as_str()),
        "StandardInput" if value == "null" => {}
        "StandardOutput" | "StandardError"
            if ["journal", "inherit", "null", "tty"].iter().any(|to| value.starts_with(to)) => {}
        "StandardOutput" | "StandardError" => {
            lose(app, "Drover's own output has all lines; files are `logs = { dir = \"logs\" }`")
        }
        "PIDFile" | "BusName" => lose(app, "the main process is the one that was started"),
        _ => match LIMITS.iter().find(|(name, ..)| name == key) {
            Some((_, path, counts)) => {
                let limit =
                    limit(value, *counts).ok_or_else(|| wrong("a limit, `infinity`, or SOFT:HARD"))?;
                app.set(path, limit);
            }
            None => lose(app, foreign(key)),
        },
    }
    Ok(())
}

fn foreign(key: &str) -> &'static str {
    if SANDBOX.iter().any(|begin| key.starts_with(begin)) {
        "Drover isolates nothing; in the unit of Drover itself it holds for all apps"
    } else if CGROUP.iter().any(|begin| key.starts_with(begin)) {
        "in the unit of Drover itself it holds for all apps together; for one worker's memory there is `recycle.rss`"
    } else if [
        "RuntimeDirectory",
        "StateDirectory",
        "CacheDirectory",
        "LogsDirectory",
        "ConfigurationDirectory",
    ]
    .iter()
    .any(|begin| key.starts_with(begin))
    {
        "Drover makes no directory; write it in the unit of Drover itself"
    } else {
        "Drover has nothing like it"
    }
}

fn kind(source: &ForeignText, entry: &UnitEntry, app: &mut DraftApp) -> Result<(), ImportError> {
    let UnitEntry { key, value, line, .. } = entry;
    match value.as_str() {
        "simple" | "exec" | "idle" => {}
        "notify" => app.set("protocol", "notify"),
        "notify-reload" => {
            app.set("protocol", "notify");
            app.set("reload.signal", "HUP");
        }
        "oneshot" => app.set("kind", "oneshot"),
        "forking" => app.lose(source.at(*line), key, "a worker stays in the foreground; programs have an option for that, such as --foreground or --no-daemon"),
        "dbus" => app.lose(source.at(*line), key, "say when it is ready: `start.probe`"),
        _ => return Err(source.error(*line, format!("`{key}` is simple, exec, notify, oneshot or another type of systemd, and not `{value}`"))),
    }
    Ok(())
}

/// The signal of `kill -HUP $MAINPID`.
fn reload_signal(command: &str) -> Option<String> {
    let words = words(command.trim_start_matches(['-', '@', ':', '+', '!']))?;
    let [program, options @ .., pid] = &words[..] else { return None };
    if program.rsplit('/').next() != Some("kill") || !matches!(&**pid, "$MAINPID" | "${MAINPID}") {
        return None;
    }
    match options {
        [] => Some("TERM".to_owned()),
        [dash, name] if dash == "-s" => signal(name),
        [name] => signal(name.strip_prefix("-s").or_else(|| name.strip_prefix('-'))?),
        _ => None,
    }
}

fn limit(text: &str, counts: Counts) -> Option<Value> {
    let one = |text: &str| -> Option<Value> {
        if text == "infinity" {
            return Some("unlimited".into());
        }
        match counts {
            Counts::Number => text.parse::<i64>().ok().filter(|number| *number >= 0).map(Value::from),
            Counts::Bytes => size(text.strip_suffix('B').unwrap_or(text)).map(Value::from),
            Counts::Time => {
                time(text, "s").map(|ms| crate::import::value::time_text(ms.div_ceil(1000) * 1000).into())
            }
        }
    };
    match text.split_once(':') {
        None => one(text),
        Some((soft, hard)) => {
            let mut both = InlineTable::new();
            both.insert("soft", one(soft)?);
            both.insert("hard", one(hard)?);
            Some(both.into())
        }
    }
}

/// What keys mean beside each other.
pub(super) fn fit(source: &ForeignText, entries: &[UnitEntry], app: &mut DraftApp) {
    let of = |key: &str| {
        entries.iter().filter(move |entry| entry.section == "Service" && entry.key == key).collect::<Vec<_>>()
    };
    let files: Array =
        of("EnvironmentFile").iter().map(|entry| entry.value.trim_start_matches('-')).collect();
    if !files.is_empty() {
        app.set("env_file", files);
    }
    let has_word = |app: &DraftApp, key: &str, word: &str| {
        app.keys.iter().any(|(known, value)| *known == key && value.as_str() == Some(word))
    };
    if !has_word(app, "protocol", "notify") {
        for (key, path) in [("WatchdogSec", "watchdog"), ("NotifyAccess", "notify_access")] {
            if app.keys.iter().any(|(known, _)| *known == path) {
                app.keys.retain(|(known, _)| *known != path);
                let line = of(key).last().map_or(1, |entry| entry.line);
                app.lose(
                    source.at(line),
                    key,
                    "it needs a program that notifies: `Type=notify`, `protocol = \"notify\"`",
                );
            }
        }
    } else if of("Type").last().is_some_and(|entry| entry.value == "notify")
        && app.keys.iter().any(|(key, _)| *key == "reload.signal")
    {
        // It says nothing of its reload.
        app.set("reload.wait", false);
    }
    if app.keys.iter().any(|(key, _)| *key == "restart.backoff.initial") && of("RestartSteps").is_empty() {
        app.set("restart.backoff.factor", 1.0);
        app.set("restart.backoff.jitter", 0.0);
    }
    if truth(&of("RemainAfterExit").last().map_or_else(String::new, |entry| entry.value.clone()))
        == Some(true)
        && !has_word(app, "kind", "oneshot")
    {
        let line = of("RemainAfterExit").last().map_or(1, |entry| entry.line);
        app.lose(
            source.at(line),
            "RemainAfterExit",
            "only what is a oneshot counts as there once it has ended",
        );
    }
}
