use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::config::{
    Command, Condition, Dependency, FixedSettings, HealthCheck, HealthPolicy, Heartbeat, Kind, Limits,
    NotifyAccess, OnStartFailure, OnUpdateFailure, Probe, ProbeKind, RecyclePolicy, RestartPolicy,
    RestartWhen, Share, StartPolicy, Stdin, StopPolicy, StopTo, Strategy, SuspendSignals, UpdateOrder,
    UpdatePolicy, changes,
};
use crate::{Protocol, ReloadSignal};

type SetKey = fn(&mut AppSpec);

const SECOND: Duration = Duration::from_secs(1);

/// For each key a value that an app does not have by itself.
const OTHER: &[(&str, SetKey)] = &[
    ("command", |app| app.command.program = "other".into()),
    ("workers", |app| app.workers = 90_000),
    ("sockets", |app| app.listeners = vec![ListenSpec::new("http", "h:1".parse().unwrap())]),
    ("stdin", |app| app.stdin = Stdin::Open),
    ("protocol", |app| app.protocol = Protocol::Notify),
    ("notify_fd", |app| app.notify_fd = Some(9)),
    ("notify_access", |app| app.notify_access = NotifyAccess::All),
    ("kind", |app| app.kind = Kind::Oneshot),
    ("essential", |app| app.essential = true),
    ("depends_on", |app| {
        app.depends_on = vec![Dependency { app: "db".into(), condition: Condition::Ready }];
    }),
    ("heartbeat", |app| app.heartbeat = Some(Heartbeat { interval: SECOND, ..Heartbeat::default() })),
    ("watchdog", |app| app.watchdog = Some(SECOND)),
    ("reload", |app| app.reload = Some(ReloadSignal { signal: libc::SIGHUP, waits: false })),
    ("suspend", |app| {
        app.suspend = Some(SuspendSignals { signal: libc::SIGUSR1, resume_signal: libc::SIGUSR2 });
    }),
    ("env_clear", |app| app.command.env_clear = true),
    ("cwd", |app| app.command.cwd = Some("/srv".into())),
    ("umask", |app| app.command.umask = Some(0o77)),
    ("user", |app| app.command.user = Some("www".into())),
    ("group", |app| app.command.group = Some("www".into())),
    ("env", |app| app.command = app.command.clone().env("PASSWORD", "hunter2")),
    ("limits", |app| app.command.limits = Limits { nice: Some(5), ..Limits::default() }),
    ("health.liveness", |app| {
        app.health.liveness = Some(HealthCheck::new(ProbeKind::Tcp { addr: "a:1".into() }));
    }),
    ("health.readiness", |app| {
        app.health.readiness = Some(HealthCheck::new(ProbeKind::Tcp { addr: "a:1".into() }));
    }),
    ("start.timeout", |app| app.start.timeout = SECOND),
    ("start.max_timeout", |app| app.start.max_timeout = SECOND),
    ("start.min_uptime", |app| app.start.min_uptime = 2 * SECOND),
    ("start.probe", |app| app.start.probe = Some(Probe::tcp("a:1"))),
    ("start.parallel", |app| app.start.parallel = NonZeroU32::MAX),
    ("start.on_failure", |app| app.start.on_failure = OnStartFailure::KeepGoing),
    ("stop.pre_delay", |app| app.stop.pre_delay = SECOND),
    ("stop.drain_timeout", |app| app.stop.drain_timeout = SECOND),
    ("stop.quit_timeout", |app| app.stop.quit_timeout = SECOND),
    ("stop.term_timeout", |app| app.stop.term_timeout = SECOND),
    ("stop.max_timeout", |app| app.stop.max_timeout = SECOND),
    ("stop.signal", |app| app.stop.signal = libc::SIGQUIT),
    ("stop.to", |app| app.stop.to = StopTo::Group),
    ("restart.policy", |app| app.restart.when = RestartWhen::Never),
    ("restart.backoff", |app| app.restart.backoff.factor = 3.0),
    ("restart.limit", |app| app.restart.limit.count = NonZeroU32::MIN),
    ("restart.start_limit", |app| app.restart.start_limit = Some(app.restart.limit.clone())),
    ("restart.reset_after", |app| app.restart.reset_after = SECOND),
    ("restart.success_codes", |app| app.restart.success_codes = vec![3]),
    ("restart.fatal_codes", |app| app.restart.fatal_codes = vec![9]),
    ("update.max_surge", |app| app.update.max_surge = Share::Percent(50)),
    ("update.max_unavailable", |app| app.update.max_unavailable = Share::Count(1)),
    ("update.soak", |app| app.update.soak = SECOND),
    ("update.order", |app| app.update.order = UpdateOrder::StopFirst),
    ("update.on_failure", |app| app.update.on_failure = OnUpdateFailure::Pause),
    ("update.timeout", |app| app.update.timeout = SECOND),
    ("update.max_generations", |app| app.update.max_generations = 2),
    ("recycle", |app| app.recycle.requests = Some(7)),
];

fn web() -> AppSpec {
    AppSpec::new("web", Command::new("web"))
}

/// What is different, with the number of workers left aside.
fn differing(old: &AppSpec, new: &AppSpec) -> Vec<(String, ChangeClass)> {
    let of = |app: &AppSpec| Description {
        apps: vec![app.clone()],
        strategy: Strategy::None,
        shutdown_timeout: SECOND,
        fixed: FixedSettings::default(),
    };
    changes(&of(old), &of(new)).into_iter().map(|change| (change.key, change.class)).collect()
}

#[test]
fn every_key_is_compared_and_only_live_ones_are_taken_over_without_new_workers() {
    for key in of_app().filter(|key| key.path != "env_file") {
        let known = OTHER.iter().find(|(path, _)| *path == key.path);
        let (_, set) = known.unwrap_or_else(|| panic!("write another value for {}", key.path));
        let mut other = web();
        set(&mut other);
        let told = match key.path {
            "env" => "app.web.env.PASSWORD".to_owned(),
            path => format!("app.web.{path}"),
        };
        assert_eq!(differing(&web(), &other), [(told.clone(), key.takes)]);
        let mut merged = web();
        take_live(&mut merged, &other);
        let is_left = key.takes != ChangeClass::Live || key.path == "workers";
        assert_eq!(differing(&merged, &other), if is_left { vec![(told, key.takes)] } else { vec![] });
        assert_eq!(differing(&web(), &merged).is_empty(), is_left, "{}", key.path);
        // Taken as a whole it makes them the same, so it lies where it says.
        key.field.take(&mut merged, &other);
        assert_eq!(differing(&merged, &other), [], "{}", key.path);
    }
    assert!(OTHER.iter().all(|(path, _)| of_app().any(|key| key.path == *path)));
}

#[test]
fn every_key_is_shown_among_the_settings_of_an_app_that_has_use_for_it() {
    let mut shown = BTreeSet::new();
    for protocol in [Protocol::None, Protocol::Notify, Protocol::Drover] {
        for (path, set) in OTHER {
            let mut app = web();
            app.protocol = protocol;
            set(&mut app);
            let settings = app.settings();
            shown.extend(settings.iter().map(|(key, _)| *key));
            let told = settings.iter().find(|(key, _)| key == path);
            let before = AppSpec { protocol, ..web() }.settings();
            if let Some(told) = told.filter(|_| !["protocol", "restart.start_limit"].contains(path)) {
                assert!(!before.contains(told), "{path} is shown as it is");
            }
            assert!(!format!("{settings:?}").contains("hunter2"));
        }
    }
    let missing: Vec<&str> = of_app().map(|key| key.path).filter(|path| !shown.contains(path)).collect();
    // Whether a start goes on is asked by whoever starts; the variables of a file are in `env`.
    assert_eq!(missing, ["env_file", "start.on_failure"]);
}

#[test]
fn settings_show_defaults_by_their_keys_and_of_the_environment_only_names() {
    let spec = AppSpec::new("web", Command::new("web").arg("-v").env("PASSWORD", "hunter2"));
    let rows = spec.settings();
    let value = |key| rows.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str());
    assert_eq!(value("command"), Some("web -v"));
    assert_eq!(value("env"), Some("PASSWORD"));
    assert_eq!(value("stop.drain_timeout"), Some("20s"));
    assert_eq!((value("stop.quit_timeout"), value("stop.max_timeout")), (Some("5s"), Some("5m")));
    assert_eq!(value("restart.limit"), Some("10 within 5m, then give-up"));
    assert_eq!(value("stop.pre_delay"), Some("0s"));
    assert_eq!((value("update.max_surge"), value("update.timeout")), (Some("1"), Some("10m")));
    assert_eq!(value("restart.start_limit"), value("restart.limit"));
    assert!(!format!("{rows:?}").contains("hunter2"));
}

/// A field that is added to a description does not compile here until somebody has thought of its key.
#[test]
fn every_field_has_its_key() {
    let AppSpec {
        name: _,
        command,
        workers: _,
        listeners: _,
        stdin: _,
        protocol: _,
        start,
        stop,
        heartbeat: _,
        watchdog: _,
        notify_fd: _,
        notify_access: _,
        reload: _,
        health,
        restart,
        update,
        recycle,
        suspend: _,
        // Of the program that started the master.
        output: _,
        kind: _,
        depends_on: _,
        essential: _,
    } = web();
    let Command {
        program: _,
        args: _,
        env: _,
        env_clear: _,
        cwd: _,
        umask: _,
        user: _,
        group: _,
        limits,
        account: _,
    } = command;
    let Limits { resources: _, nice: _, oom_score_adj: _, is_required: _ } = limits;
    let StartPolicy { timeout: _, max_timeout: _, min_uptime: _, probe: _, parallel: _, on_failure: _ } =
        start;
    let StopPolicy {
        pre_delay: _,
        drain_timeout: _,
        quit_timeout: _,
        term_timeout: _,
        max_timeout: _,
        signal: _,
        to: _,
    } = stop;
    let HealthPolicy { liveness: _, readiness: _ } = health;
    let RestartPolicy {
        when: _,
        backoff: _,
        limit: _,
        start_limit: _,
        reset_after: _,
        success_codes: _,
        fatal_codes: _,
    } = restart;
    let UpdatePolicy {
        max_surge: _,
        max_unavailable: _,
        soak: _,
        order: _,
        on_failure: _,
        timeout: _,
        max_generations: _,
    } = update;
    let RecyclePolicy { age: _, rss: _, requests: _, jitter: _ } = recycle;
}

#[test]
fn keys_are_named_once_and_say_what_they_are_in_a_sentence() {
    let mut seen = BTreeSet::new();
    let of_app = of_app().map(|key| (format!("app.*.{}", key.path), key.sentence));
    let others = of_master().map(|key| (format!("master.{}", key.path), key.sentence));
    let sockets = of_socket().map(|key| (format!("sockets.*.{}", key.path), key.sentence));
    for (path, sentence) in of_app.chain(others).chain(sockets) {
        assert!(sentence.ends_with('.'), "{path}: {sentence}");
        assert!(seen.insert(path.clone()), "{path} is there twice");
    }
}
