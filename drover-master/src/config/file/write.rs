//! Writes a [`Config`] as `drover.toml` has it, with every default.

use std::time::Duration;

use crate::config::{
    Backoff, Condition, Dependency, FailureLimit, HealthCheck, HealthPolicy, Heartbeat, Intensity, Kind,
    Limit, LimitReached, Limits, ListenMode, NotifyAccess, OnUpdateFailure, Probe, ProbeKind, RecyclePolicy,
    Resource, RestartPolicy, RestartWhen, Share, Strategy, UpdateOrder, UpdatePolicy,
};
use serde_json::Value as Json;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value, value};

use super::json;
use super::model::{App, Config, Master, Protocol, ReloadBySignal, Socket, Start, Stop, Suspend, Workers};
use super::units::format_duration;

/// The whole configuration as a `drover.toml` that means the same.
///
/// Every key that has a default stands there with its value. What a key takes from where the file is run (`cwd`, `umask`,
/// `start.parallel`) or is not there at all (`start.probe`, `health`) is left out.
#[must_use]
pub fn to_toml(config: &Config) -> String {
    document(config).to_string()
}

/// The same as JSON: the keys of `drover.toml`, durations as texts.
#[must_use]
pub fn to_json(config: &Config) -> Json {
    json::of_item(document(config).as_item())
}

fn document(config: &Config) -> DocumentMut {
    let Config { master: overall, sockets, apps } = config;
    let mut root = DocumentMut::new();
    root["version"] = value(1);
    root["master"] = master(overall);
    if !sockets.is_empty() {
        root["sockets"] = tables(sockets.iter().map(|item| (&*item.name, socket(item))));
    }
    root["app"] = tables(apps.iter().map(|item| (&*item.name, app(item))));
    root
}

fn master(master: &Master) -> Item {
    let Master { name, shutdown_timeout, strategy } = master;
    let word = match strategy {
        Strategy::OneForOne(_) => "one-for-one",
        Strategy::OneForAll(_) => "one-for-all",
        Strategy::RestForOne(_) => "rest-for-one",
        _ => "none",
    };
    let mut written: Vec<_> = name.iter().map(|name| ("name", value(name))).collect();
    written.push(("shutdown_timeout", value(format_duration(*shutdown_timeout))));
    written.push(("strategy", value(word)));
    if let Some(Intensity { count, period }) = strategy.intensity() {
        written.push(("intensity", value(i64::from(count))));
        written.push(("period", value(format_duration(period))));
    }
    table(written)
}

fn socket(socket: &Socket) -> Item {
    let Socket { name: _, listen, backlog, mode } = socket;
    let mode = match mode {
        ListenMode::Shared => "shared",
        ListenMode::Reuseport => "reuseport",
    };
    table([
        ("listen", value(listen.to_string())),
        ("backlog", value(i64::from(*backlog))),
        ("mode", value(mode)),
    ])
}

fn app(app: &App) -> Item {
    let App {
        name: _,
        command,
        workers,
        sockets,
        stdin,
        protocol,
        env,
        // What they hold is in `env`, once the file has been loaded.
        env_files: _,
        env_clear,
        cwd,
        umask,
        user,
        group,
        limits: limited,
        start: starting,
        stop: stopping,
        suspend: suspending,
        heartbeat: beat,
        watchdog,
        notify_fd,
        notify_access,
        reload,
        health: asked,
        restart: policy,
        update: updating,
        recycle: recycling,
        kind,
        depends_on,
        essential,
    } = app;
    let workers = match workers {
        Workers::Auto => value("auto"),
        Workers::Count(count) => value(i64::from(*count)),
    };
    let protocol = match protocol {
        Protocol::None => "none",
        Protocol::Notify => "notify",
        Protocol::Drover => "drover",
    };
    let kind = match kind {
        Kind::Service => "service",
        Kind::Oneshot => "oneshot",
    };
    let mut written = vec![
        ("command", value(Array::from_iter(command))),
        ("workers", workers),
        ("sockets", value(Array::from_iter(sockets))),
        ("stdin", value(stdin.to_string())),
        ("protocol", value(protocol)),
        ("kind", value(kind)),
        ("essential", value(*essential)),
        ("depends_on", relations(depends_on)),
        ("heartbeat", beat.as_ref().map_or_else(|| value(false), heartbeat)),
        ("env_clear", value(*env_clear)),
    ];
    written.extend(cwd.as_ref().map(|cwd| ("cwd", value(cwd.display().to_string()))));
    written.extend(umask.map(|mask| ("umask", value(format!("{mask:04o}")))));
    written.extend(user.as_ref().map(|user| ("user", value(user))));
    written.extend(group.as_ref().map(|group| ("group", value(group))));
    written.push(("env", table(env.iter().map(|(key, text)| (&**key, value(text))))));
    written.push(("limits", limits(limited)));
    written.extend(asked.is_set().then(|| ("health", health(asked))));
    written.push(("start", start(starting)));
    written.push(("stop", stop(stopping)));
    written.extend(suspending.as_ref().map(|Suspend { signal, resume_signal }| {
        ("suspend", inline([("signal", signal.into()), ("resume_signal", resume_signal.into())]))
    }));
    written.extend(watchdog.map(|every| ("watchdog", value(format_duration(every)))));
    written.extend(notify_fd.map(|number| ("notify_fd", value(i64::from(number)))));
    if app.protocol == Protocol::Notify && notify_fd.is_none() {
        let access = match notify_access {
            NotifyAccess::Main => "main",
            NotifyAccess::All => "all",
        };
        written.push(("notify_access", value(access)));
    }
    written.extend(reload.as_ref().map(|ReloadBySignal { signal, wait }| {
        ("reload", inline([("signal", signal.into()), ("wait", (*wait).into())]))
    }));
    written.push(("restart", restart(policy)));
    written.push(("update", update(updating)));
    written.push(("recycle", recycle(recycling)));
    table(written)
}

fn relations(dependencies: &[Dependency]) -> Item {
    inline(dependencies.iter().map(|Dependency { app, condition }| {
        let word = match condition {
            Condition::Ready => "ready",
            Condition::Completed => "completed",
        };
        (&**app, word.into())
    }))
}

fn limits(limits: &Limits) -> Item {
    let Limits { resources, nice, oom_score_adj, is_required } = limits;
    let mut written = Vec::new();
    for (resource, Limit { soft, hard }) in resources {
        let amount = |number: u64| amount(*resource, number);
        let both = match hard {
            Some(hard) if hard == soft => value(amount(*soft)),
            Some(hard) => inline([("soft", amount(*soft)), ("hard", amount(*hard))]),
            None => inline([("soft", amount(*soft))]),
        };
        written.push((resource.name(), both));
    }
    written.extend(nice.map(|nice| ("nice", value(i64::from(nice)))));
    written.extend(oom_score_adj.map(|adjusted| ("oom_score_adj", value(i64::from(adjusted)))));
    written.push(("required", value(*is_required)));
    table(written)
}

/// A value of a limit, in its unit.
fn amount(resource: Resource, number: u64) -> Value {
    match resource {
        _ if number == Limit::UNLIMITED => "unlimited".into(),
        Resource::Cpu => format_duration(Duration::from_secs(number)).into(),
        Resource::OpenFiles | Resource::Processes | Resource::RealtimePriority | Resource::PendingSignals => {
            i64::try_from(number).unwrap_or(i64::MAX).into()
        }
        _ => format!("{number}B").into(),
    }
}

fn heartbeat(heartbeat: &Heartbeat) -> Item {
    inline([
        ("interval", format_duration(heartbeat.interval).into()),
        ("misses", i64::from(heartbeat.misses.get()).into()),
    ])
}

fn start(start: &Start) -> Item {
    let Start { timeout, max_timeout, min_uptime, probe, parallel } = start;
    // A oneshot has none unless it is written: its work takes as long as it takes.
    let limited = (*timeout != Duration::MAX).then(|| ("timeout", value(format_duration(*timeout))));
    let mut written: Vec<_> = limited.into_iter().collect();
    written.extend([
        ("max_timeout", value(format_duration(*max_timeout))),
        ("min_uptime", value(format_duration(*min_uptime))),
    ]);
    written.extend(probe.as_ref().map(|probe| ("probe", self::probe(probe))));
    written.extend(parallel.map(|count| ("parallel", value(i64::from(count)))));
    table(written)
}

fn health(HealthPolicy { liveness, readiness }: &HealthPolicy) -> Item {
    let of = |key, check: &Option<HealthCheck>| check.as_ref().map(|check| (key, health_check(check)));
    table([of("liveness", liveness), of("readiness", readiness)].into_iter().flatten())
}

fn health_check(check: &HealthCheck) -> Item {
    let HealthCheck { probe, failures, successes, initial_delay } = check;
    let mut rows = probe_rows(probe);
    rows.push(("failures", i64::from(failures.get()).into()));
    rows.push(("successes", i64::from(successes.get()).into()));
    rows.push(("initial_delay", format_duration(*initial_delay).into()));
    inline(rows)
}

fn probe(probe: &Probe) -> Item {
    inline(probe_rows(probe))
}

fn probe_rows(Probe { kind, interval, timeout }: &Probe) -> Vec<(&'static str, Value)> {
    let mut rows: Vec<(&'static str, Value)> = match kind {
        ProbeKind::Tcp { addr } => vec![("tcp", addr.into())],
        ProbeKind::Http { url, host, status } => {
            let mut rows = vec![("http", url.to_string().into())];
            rows.extend(host.iter().map(|host| ("host", host.into())));
            if !status.is_empty() {
                let codes = Array::from_iter(status.iter().map(|code| i64::from(*code)));
                rows.push(("status", codes.into()));
            }
            rows
        }
        // Words of a file, which are text.
        ProbeKind::Exec { program, args } => {
            let words = std::iter::once(program).chain(args).map(|word| word.to_string_lossy().into_owned());
            vec![("exec", Array::from_iter(words).into())]
        }
    };
    rows.push(("interval", format_duration(*interval).into()));
    rows.push(("timeout", format_duration(*timeout).into()));
    rows
}

fn stop(stop: &Stop) -> Item {
    let Stop { pre_delay, drain_timeout, term_timeout, signal, to } = stop;
    table([
        ("pre_delay", value(format_duration(*pre_delay))),
        ("drain_timeout", value(format_duration(*drain_timeout))),
        ("term_timeout", value(format_duration(*term_timeout))),
        ("signal", value(signal)),
        ("to", value(to.name())),
    ])
}

fn restart(policy: &RestartPolicy) -> Item {
    let RestartPolicy { when, backoff, limit, start_limit, reset_after, success_codes, fatal_codes } = policy;
    let Backoff { initial, max, factor, jitter } = backoff;
    let when = match when {
        RestartWhen::Always => "always",
        RestartWhen::OnFailure => "on-failure",
        RestartWhen::Never => "never",
    };
    let backoff = inline([
        ("initial", format_duration(*initial).into()),
        ("max", format_duration(*max).into()),
        ("factor", (*factor).into()),
        ("jitter", (*jitter).into()),
    ]);
    let codes = |codes: &[i32]| value(Array::from_iter(codes.iter().map(|code| i64::from(*code))));
    table([
        ("policy", value(when)),
        ("backoff", backoff),
        ("limit", failure_limit(limit)),
        // Failed starts are counted by themselves, by the numbers of `limit` unless they have their own.
        ("start_limit", failure_limit(start_limit.as_ref().unwrap_or(limit))),
        ("reset_after", value(format_duration(*reset_after))),
        ("success_codes", codes(success_codes)),
        ("fatal_codes", codes(fatal_codes)),
    ])
}

fn update(policy: &UpdatePolicy) -> Item {
    let UpdatePolicy { max_surge, max_unavailable, soak, order, on_failure, timeout, max_generations } =
        policy;
    let share = |share: &Share| match share {
        Share::Count(count) => value(i64::from(*count)),
        Share::Percent(_) => value(share.to_string()),
    };
    let order = match order {
        UpdateOrder::StartFirst => "start-first",
        UpdateOrder::StopFirst => "stop-first",
    };
    let on_failure = match on_failure {
        OnUpdateFailure::Rollback => "rollback",
        OnUpdateFailure::Pause => "pause",
    };
    table([
        ("max_surge", share(max_surge)),
        ("max_unavailable", share(max_unavailable)),
        ("soak", value(format_duration(*soak))),
        ("order", value(order)),
        ("on_failure", value(on_failure)),
        ("timeout", value(format_duration(*timeout))),
        ("max_generations", value(i64::from(*max_generations))),
    ])
}

fn recycle(policy: &RecyclePolicy) -> Item {
    let RecyclePolicy { age, rss, requests, jitter } = policy;
    let mut written: Vec<_> = age.iter().map(|age| ("age", value(format_duration(*age)))).collect();
    written.extend(rss.map(|bytes| ("rss", value(format!("{bytes}B")))));
    written.extend(requests.map(|count| ("requests", value(i64::try_from(count).unwrap_or(i64::MAX)))));
    written.push(("jitter", value(*jitter)));
    table(written)
}

fn failure_limit(limit: &FailureLimit) -> Item {
    let then = match limit.then {
        LimitReached::GiveUp => "give-up",
        LimitReached::StopApp => "stop-app",
        LimitReached::StopAll => "stop-all",
    };
    inline([
        ("count", i64::from(limit.count.get()).into()),
        ("within", format_duration(limit.within).into()),
        ("then", then.into()),
    ])
}

fn table<'k>(rows: impl IntoIterator<Item = (&'k str, Item)>) -> Item {
    let mut table = Table::new();
    rows.into_iter().for_each(|(key, item)| drop(table.insert(key, item)));
    Item::Table(table)
}

/// Tables under a key that gets no header of its own.
fn tables<'k>(rows: impl IntoIterator<Item = (&'k str, Item)>) -> Item {
    let mut item = table(rows);
    if let Some(table) = item.as_table_mut() {
        table.set_implicit(true);
    }
    item
}

fn inline<'k>(rows: impl IntoIterator<Item = (&'k str, Value)>) -> Item {
    value(rows.into_iter().collect::<InlineTable>())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{EVERY_KEY, web};
    use super::*;

    /// The same configuration, with nothing left to be taken from elsewhere in it.
    fn spelt_out(mut config: Config) -> Config {
        for app in &mut config.apps {
            app.env_files.clear();
            let RestartPolicy { limit, start_limit, .. } = &mut app.restart;
            start_limit.get_or_insert_with(|| limit.clone());
        }
        config
    }

    #[test]
    fn what_is_written_means_the_same() {
        let probe = web("start.probe = { tcp = 'h:1' }\nenv.'a b' = \"\\\"\\n\\u007f\"");
        let halted = web("suspend = { signal = 'STOP', resume_signal = 'SIGCONT' }");
        let notify = web("protocol = 'notify'\nwatchdog = '5s'\nreload.signal = 'HUP'");
        let any = web("protocol = 'notify'\nnotify_access = 'all'");
        let http = web("start.probe = { http = 'http://h/', host = 'a', status = [204], interval = '1s' }");
        let exec = web("start.probe = { exec = \"./check 'a b'\", timeout = '1m' }");
        let quiet = web("protocol = 'drover'\nheartbeat = false\nrestart.limit.count = 4");
        let oneshot = web("kind = 'oneshot'\nstart.max_timeout = '1s'");
        for text in [EVERY_KEY, &web(""), &probe, &halted, &notify, &any, &http, &exec, &quiet, &oneshot] {
            let config = super::super::parse(text).unwrap();
            let written = to_toml(&config);
            let again = super::super::parse(&written)
                .unwrap_or_else(|error| panic!("{}\n{written}", error.render("written", &written, false)));
            assert_eq!(again, spelt_out(config), "{written}");
            assert_eq!(to_toml(&again), written);
        }
    }

    #[test]
    fn every_default_stands_there_and_nothing_that_has_none() {
        let config = super::super::parse(&web("")).unwrap();
        let expected = r#"version = 1

[master]
shutdown_timeout = "45s"
strategy = "none"

[app.web]
command = ["web"]
workers = "auto"
sockets = []
stdin = "null"
protocol = "none"
kind = "service"
essential = false
depends_on = {}
heartbeat = false
env_clear = false

[app.web.env]

[app.web.limits]
required = true

[app.web.start]
timeout = "30s"
max_timeout = "5m"
min_uptime = "1s"

[app.web.stop]
pre_delay = "0s"
drain_timeout = "20s"
term_timeout = "5s"
signal = "SIGTERM"
to = "process"

[app.web.restart]
policy = "always"
backoff = { initial = "200ms", max = "30s", factor = 2.0, jitter = 0.2 }
limit = { count = 10, within = "5m", then = "give-up" }
start_limit = { count = 10, within = "5m", then = "give-up" }
reset_after = "1m"
success_codes = [0]
fatal_codes = []

[app.web.update]
max_surge = 1
max_unavailable = 0
soak = "0s"
order = "start-first"
on_failure = "rollback"
timeout = "10m"
max_generations = 4

[app.web.recycle]
jitter = 0.1
"#;
        assert_eq!(to_toml(&config), expected);
        let json = to_json(&config);
        assert_eq!(json["app"]["web"]["restart"]["backoff"]["factor"], 2.0);
        assert_eq!(json["app"]["web"]["command"][0], "web");
    }
}
