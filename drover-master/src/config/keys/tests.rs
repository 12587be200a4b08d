use crate::signal::Signal;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::config::{
    Change, Command, Condition, CronPolicy, Dependency, FixedSettings, HealthCheck, HealthPolicy, Kind,
    Limits, LogPolicy, NotifyAccess, OnStartFailure, OnUpdateFailure, Overlap, Probe, ProbeKind,
    RecyclePolicy, RestartPolicy, RestartWhen, Share, StartPolicy, Stdin, StopPolicy, StopTo, Strategy,
    SuspendSignals, UpdateOrder, UpdatePolicy, WatchPolicy, changes,
};
use crate::{Protocol, ReloadSignal};

type Alter = fn(&mut AppSpec);

/// For each key a value that an app does not have by itself, and how its change is shown.
const OTHER: &[(&str, Alter, &str)] = &[
    ("command", |app| app.command.program = "other".into(), "web -v → other -v"),
    ("workers", |app| app.workers = 3, "2 → 3"),
    ("sockets", |app| app.listeners.clear(), "http → -"),
    ("stdin", |app| app.stdin = Stdin::Socket("http".into()), "null → socket:http"),
    ("protocol", |app| app.protocol = Protocol::None, "drover → none"),
    ("notify_fd", |app| app.notify_fd = Some(5), "- → 5"),
    ("notify_access", |app| app.notify_access = NotifyAccess::All, "main → all"),
    ("kind", |app| app.kind = Kind::Oneshot, "service → oneshot"),
    ("schedule", |app| app.cron.schedule = "@hourly".parse().ok(), "- → @hourly"),
    #[cfg(feature = "timezone")]
    ("timezone", |app| app.cron.timezone = crate::config::Zone::local(), "UTC → local"),
    ("overlap", |app| app.cron.overlap = Overlap::Queue, "skip → queue"),
    ("catch_up", |app| app.cron.catch_up = false, "true → false"),
    ("essential", |app| app.essential = true, "false → true"),
    (
        "depends_on",
        |app| {
            app.depends_on = vec![Dependency { app: "db".into(), condition: Condition::Ready }];
        },
        "- → db ready",
    ),
    ("heartbeat", |app| app.heartbeat = None, "every 5s, 3 misses → -"),
    ("watchdog", |app| app.watchdog = Some(seconds(9)), "- → 9s"),
    (
        "reload",
        |app| app.reload = Some(ReloadSignal { signal: Signal::HUP, waits: true }),
        "- → by SIGHUP, until it says so",
    ),
    (
        "suspend",
        |app| {
            app.suspend = Some(SuspendSignals { signal: Signal::USR1, resume_signal: Signal::USR2 });
        },
        "- → SIGUSR1, SIGUSR2",
    ),
    (
        "watch",
        |app| app.watch = Some(WatchPolicy { ignore: vec!["*.md".into()], ..WatchPolicy::default() }),
        "- → its directory but *.md, then restart after 300ms",
    ),
    ("env_clear", |app| app.command.env_clear = true, "false → true"),
    ("cwd", |app| app.command.cwd = Some("/srv".into()), "- → /srv"),
    ("umask", |app| app.command.umask = Some(0o77), "- → 077"),
    ("user", |app| app.command.user = Some("www".into()), "- → www"),
    ("group", |app| app.command.group = Some("www".into()), "- → www"),
    ("env", |app| app.command = app.command.clone().env("PASSWORD", "hunter2"), "- → (hidden)"),
    ("limits", |app| app.command.limits = Limits { nice: Some(5), ..Limits::default() }, "- → nice 5"),
    (
        "health.liveness",
        |app| app.health.liveness = Some(HealthCheck::new(ProbeKind::Tcp { addr: "a:1".into() })),
        "- → tcp a:1, every 10s, at most 1s a try, 3 failures, 1 successes, first after 0s",
    ),
    (
        "health.readiness",
        |app| app.health.readiness = Some(HealthCheck::new(ProbeKind::Tcp { addr: "a:1".into() })),
        "- → tcp a:1, every 10s, at most 1s a try, 3 failures, 1 successes, first after 0s",
    ),
    ("start.timeout", |app| app.start.timeout = seconds(1), "30s → 1s"),
    ("start.max_timeout", |app| app.start.max_timeout = seconds(1), "5m → 1s"),
    ("start.min_uptime", |app| app.start.min_uptime = seconds(2), "1s → 2s"),
    (
        "start.probe",
        |app| app.start.probe = Some(Probe::tcp("a:1")),
        "- → tcp a:1, every 100ms, at most 1s a try",
    ),
    ("start.parallel", |app| app.start.parallel = NonZeroU32::MAX, "1 → 4294967295"),
    ("start.on_failure", |app| app.start.on_failure = OnStartFailure::KeepGoing, "fail-fast → keep-going"),
    ("stop.pre_delay", |app| app.stop.pre_delay = seconds(1), "0s → 1s"),
    ("stop.drain_timeout", |app| app.stop.drain_timeout = seconds(1), "20s → 1s"),
    ("stop.quit_timeout", |app| app.stop.quit_timeout = seconds(1), "5s → 1s"),
    ("stop.term_timeout", |app| app.stop.term_timeout = seconds(1), "5s → 1s"),
    ("stop.max_timeout", |app| app.stop.max_timeout = seconds(1), "5m → 1s"),
    ("stop.signal", |app| app.stop.signal = Signal::QUIT, "SIGTERM → SIGQUIT"),
    ("stop.to", |app| app.stop.to = StopTo::Group, "process → group"),
    ("restart.policy", |app| app.restart.when = RestartWhen::Never, "on-failure → never"),
    (
        "restart.backoff",
        |app| app.restart.backoff.initial = seconds(1),
        "200ms to 30s, factor 2, jitter 0.2 → 1s to 30s, factor 2, jitter 0.2",
    ),
    (
        "restart.limit",
        |app| app.restart.limit.count = NonZeroU32::MIN,
        "10 within 5m, then give-up → 1 within 5m, then give-up",
    ),
    (
        "restart.start_limit",
        |app| app.restart.start_limit = Some(app.restart.limit.clone()),
        "- → 10 within 5m, then give-up",
    ),
    ("restart.reset_after", |app| app.restart.reset_after = seconds(1), "1m → 1s"),
    ("restart.success_codes", |app| app.restart.success_codes = vec![0, 3], "[0] → [0, 3]"),
    ("restart.fatal_codes", |app| app.restart.fatal_codes = vec![9], "[] → [9]"),
    ("update.max_surge", |app| app.update.max_surge = Share::Percent(50), "1 → 50%"),
    ("update.max_unavailable", |app| app.update.max_unavailable = Share::Count(1), "0 → 1"),
    ("update.soak", |app| app.update.soak = seconds(5), "0s → 5s"),
    ("update.order", |app| app.update.order = UpdateOrder::StopFirst, "start-first → stop-first"),
    ("update.on_failure", |app| app.update.on_failure = OnUpdateFailure::Pause, "rollback → pause"),
    ("update.timeout", |app| app.update.timeout = seconds(60), "10m → 1m"),
    ("update.max_generations", |app| app.update.max_generations = 2, "4 → 2"),
    (
        "logs",
        |app| {
            app.logs =
                Some(LogPolicy { max_age: Some(seconds(3600)), compress: true, ..LogPolicy::in_dir("/l") })
        },
        "- → in /l, one per app, text, up to 64MiB, or 1h, 5 old ones, compressed",
    ),
    ("recycle", |app| app.recycle.age = Some(seconds(86_400)), "- → age 1d, jitter 0.1"),
];

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn web() -> AppSpec {
    let mut web = AppSpec::new("web", Command::new("web").arg("-v"));
    (web.workers, web.start.parallel) = (2, NonZeroU32::MIN);
    web.listeners = vec![ListenSpec::new("http", "127.0.0.1:80".parse().unwrap())];
    web
}

/// What is different: the class, the key, and what is shown.
fn differing(old: &AppSpec, new: &AppSpec) -> Vec<String> {
    let of = |app: &AppSpec| Description {
        apps: vec![app.clone()],
        strategy: Strategy::None,
        shutdown_timeout: seconds(1),
        fixed: FixedSettings::default(),
    };
    let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let line = |change: Change| {
        format!("{} {}: {} → {}", change.class, change.key, shown(change.from), shown(change.to))
    };
    changes(&of(old), &of(new)).into_iter().map(line).collect()
}

#[test]
fn every_key_is_compared_and_only_live_ones_are_taken_over_without_new_workers() {
    // Without that feature there is one zone only.
    let has_another = |key: &&Key<_>| key.path != "timezone" || cfg!(feature = "timezone");
    for key in of_app().filter(|key| key.path != "env_file").filter(has_another) {
        let known = OTHER.iter().find(|(path, ..)| *path == key.path);
        let (_, set, shown) = known.unwrap_or_else(|| panic!("write another value for {}", key.path));
        let mut other = web();
        set(&mut other);
        let told = match key.path {
            "env" => "app.web.env.PASSWORD".to_owned(),
            path => format!("app.web.{path}"),
        };
        let told = format!("{} {told}: {shown}", key.takes);
        assert_eq!(differing(&web(), &other), [told.as_str()]);
        let mut merged = web();
        take_live(&mut merged, &other);
        let is_left = key.takes != ChangeClass::Live || key.path == "workers";
        assert_eq!(differing(&merged, &other), if is_left { vec![told] } else { vec![] });
        assert_eq!(differing(&web(), &merged).is_empty(), is_left, "{}", key.path);
        // Taken as a whole it makes them the same, so it lies where it says.
        key.field.take(&mut merged, &other);
        assert_eq!(differing(&merged, &other), [""; 0], "{}", key.path);
    }
    assert!(OTHER.iter().all(|(path, ..)| of_app().any(|key| key.path == *path)));
}

#[test]
fn every_key_is_shown_among_the_settings_of_an_app_that_has_use_for_it() {
    let mut shown = BTreeSet::new();
    let kinds = [
        (Protocol::None, Kind::Service),
        (Protocol::Notify, Kind::Service),
        (Protocol::Drover, Kind::Service),
        (Protocol::None, Kind::Cron),
    ];
    for (protocol, kind) in kinds {
        for (path, set, _) in OTHER {
            let mut app = web();
            (app.protocol, app.kind) = (protocol, kind);
            set(&mut app);
            let settings = app.settings();
            shown.extend(settings.iter().map(|(key, _)| *key));
            let told = settings.iter().find(|(key, _)| key == path);
            let before = AppSpec { protocol, kind, ..web() }.settings();
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
        // With that number.
        follows_cpus: _,
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
        watch,
        // Of the program that started the master.
        output: _,
        logs: _,
        kind: _,
        cron,
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
    let WatchPolicy { paths: _, ignore: _, debounce: _, action: _ } = watch.unwrap_or_default();
    let RecyclePolicy { age: _, rss: _, requests: _, jitter: _ } = recycle;
    let CronPolicy { schedule: _, timezone: _, overlap: _, catch_up: _ } = cron;
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
