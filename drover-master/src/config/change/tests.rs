use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::config::{
    Command, Condition, Dependency, FixedSettings, HealthCheck, Heartbeat, Intensity, Kind, Limits,
    ListenSpec, NotifyAccess, OnStartFailure, OnUpdateFailure, Probe, ProbeKind, RestartWhen, Share, Stdin,
    StopTo, Strategy, UpdateOrder,
};
use crate::{Output, Protocol, ReloadSignal};

fn of(apps: Vec<AppSpec>) -> Description {
    Description {
        apps,
        strategy: Strategy::None,
        shutdown_timeout: Duration::from_secs(45),
        fixed: FixedSettings::default().named("shop"),
    }
}

fn web() -> AppSpec {
    let mut web = AppSpec::new("web", Command::new("web").arg("-v").env("TOKEN", "hunter1"));
    web.workers = 2;
    web.listeners = vec![ListenSpec::new("http", "127.0.0.1:80".parse().unwrap())];
    web
}

/// What is different once the app was changed so: the class, the key, and what is shown.
fn changed(change: impl FnOnce(&mut AppSpec)) -> Vec<String> {
    let mut new = web();
    change(&mut new);
    changes(&of(vec![web()]), &of(vec![new])).iter().map(line).collect()
}

fn line(change: &Change) -> String {
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    format!("{} {}: {} → {}", change.class, change.key, shown(&change.from), shown(&change.to))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

type SetKey = fn(&mut AppSpec);

#[test]
fn every_key_has_its_class() {
    let rows: &[(SetKey, &str)] = &[
        (|app| app.command.program = "other".into(), "reload app.web.command: web -v → other -v"),
        (|app| app.command.args.clear(), "reload app.web.command: web -v → web"),
        (|app| app.command.env_clear = true, "reload app.web.env_clear: false → true"),
        (|app| app.command.cwd = Some("/srv".into()), "reload app.web.cwd: - → /srv"),
        (|app| app.command.umask = Some(0o77), "reload app.web.umask: - → 077"),
        (|app| app.command.user = Some("www".into()), "reload app.web.user: - → www"),
        (|app| app.command.group = Some("www".into()), "reload app.web.group: - → www"),
        (
            |app| app.command.limits = Limits { nice: Some(5), ..Limits::default() },
            "reload app.web.limits: - → nice 5",
        ),
        (|app| app.workers = 3, "live app.web.workers: 2 → 3"),
        (|app| app.listeners.clear(), "reload app.web.sockets: http → -"),
        (
            |app| app.listeners[0].addr = "127.0.0.1:81".parse().unwrap(),
            "reload sockets.http.listen: 127.0.0.1:80 → 127.0.0.1:81",
        ),
        (|app| app.listeners[0].backlog = 7, "reload sockets.http.backlog: 1024 → 7"),
        (|app| app.listeners[0].name = "site".into(), "restart app.web.sockets: http → site"),
        (|app| app.stdin = Stdin::Socket("http".into()), "reload app.web.stdin: null → socket:http"),
        (|app| app.protocol = Protocol::None, "reload app.web.protocol: drover → none"),
        (|app| app.start.timeout = seconds(1), "live app.web.start.timeout: 30s → 1s"),
        (|app| app.start.max_timeout = seconds(1), "live app.web.start.max_timeout: 5m → 1s"),
        (|app| app.start.min_uptime = seconds(2), "live app.web.start.min_uptime: 1s → 2s"),
        (
            |app| app.start.probe = Some(Probe::tcp("a:1")),
            "live app.web.start.probe: - → tcp a:1, every 100ms, at most 1s a try",
        ),
        (
            |app| app.start.on_failure = OnStartFailure::KeepGoing,
            "live app.web.start.on_failure: fail-fast → keep-going",
        ),
        (|app| app.stop.pre_delay = seconds(1), "live app.web.stop.pre_delay: 0s → 1s"),
        (|app| app.stop.drain_timeout = seconds(1), "live app.web.stop.drain_timeout: 20s → 1s"),
        (|app| app.stop.quit_timeout = seconds(1), "live app.web.stop.quit_timeout: 5s → 1s"),
        (|app| app.stop.term_timeout = seconds(1), "live app.web.stop.term_timeout: 5s → 1s"),
        (|app| app.stop.max_timeout = seconds(1), "live app.web.stop.max_timeout: 5m → 1s"),
        (|app| app.stop.signal = libc::SIGQUIT, "live app.web.stop.signal: SIGTERM → SIGQUIT"),
        (|app| app.stop.to = StopTo::Group, "live app.web.stop.to: process → group"),
        (|app| app.heartbeat = None, "live app.web.heartbeat: every 5s, 3 misses → -"),
        (
            |app| app.heartbeat = Some(Heartbeat { interval: seconds(9), ..Heartbeat::default() }),
            "live app.web.heartbeat: every 5s, 3 misses → every 9s, 3 misses",
        ),
        (|app| app.watchdog = Some(seconds(9)), "reload app.web.watchdog: - → 9s"),
        (|app| app.notify_fd = Some(5), "reload app.web.notify_fd: - → 5"),
        (|app| app.notify_access = NotifyAccess::All, "reload app.web.notify_access: main → all"),
        (
            |app| app.reload = Some(ReloadSignal { signal: libc::SIGHUP, waits: true }),
            "live app.web.reload: - → by SIGHUP, until it says so",
        ),
        (
            |app| app.health.liveness = Some(HealthCheck::new(ProbeKind::Tcp { addr: "a:1".into() })),
            "reload app.web.health.liveness: - → tcp a:1, every 10s, at most 1s a try, 3 failures, 1 successes, first after 0s",
        ),
        (
            |app| app.health.readiness = Some(HealthCheck::new(ProbeKind::Tcp { addr: "a:1".into() })),
            "reload app.web.health.readiness: - → tcp a:1, every 10s, at most 1s a try, 3 failures, 1 successes, first after 0s",
        ),
        (|app| app.restart.when = RestartWhen::Never, "live app.web.restart.policy: on-failure → never"),
        (
            |app| app.restart.backoff.initial = seconds(1),
            "live app.web.restart.backoff: 200ms to 30s, factor 2, jitter 0.2 → 1s to 30s, factor 2, jitter 0.2",
        ),
        (
            |app| app.restart.limit.count = NonZeroU32::MIN,
            "live app.web.restart.limit: 10 within 5m, then give-up → 1 within 5m, then give-up",
        ),
        (
            |app| app.restart.start_limit = Some(app.restart.limit.clone()),
            "live app.web.restart.start_limit: - → 10 within 5m, then give-up",
        ),
        (|app| app.restart.reset_after = seconds(1), "live app.web.restart.reset_after: 1m → 1s"),
        (|app| app.restart.success_codes = vec![0, 3], "live app.web.restart.success_codes: [0] → [0, 3]"),
        (|app| app.restart.fatal_codes = vec![9], "live app.web.restart.fatal_codes: [] → [9]"),
        (|app| app.update.max_surge = Share::Percent(50), "live app.web.update.max_surge: 1 → 50%"),
        (|app| app.update.max_unavailable = Share::Count(1), "live app.web.update.max_unavailable: 0 → 1"),
        (|app| app.update.soak = seconds(5), "live app.web.update.soak: 0s → 5s"),
        (
            |app| app.update.order = UpdateOrder::StopFirst,
            "live app.web.update.order: start-first → stop-first",
        ),
        (
            |app| app.update.on_failure = OnUpdateFailure::Pause,
            "live app.web.update.on_failure: rollback → pause",
        ),
        (|app| app.update.timeout = seconds(60), "live app.web.update.timeout: 10m → 1m"),
        (|app| app.update.max_generations = 2, "live app.web.update.max_generations: 4 → 2"),
        (|app| app.recycle.age = Some(seconds(86_400)), "live app.web.recycle: - → age 1d, jitter 0.1"),
        (
            |app| {
                app.recycle.rss = Some(512 << 20);
                app.recycle.requests = Some(100);
            },
            "live app.web.recycle: - → rss 512MiB, 100 requests, jitter 0.1",
        ),
        (|app| app.kind = Kind::Oneshot, "restart app.web.kind: service → oneshot"),
        (|app| app.essential = true, "live app.web.essential: false → true"),
    ];
    for (change, expected) in rows {
        assert_eq!(changed(*change), [*expected]);
    }
    let parallel = changed(|app| app.start.parallel = NonZeroU32::MAX);
    assert!(parallel.len() == 1 && parallel[0].starts_with("live app.web.start.parallel: "), "{parallel:?}");
    assert_eq!(changed(|_| {}), [""; 0]);
    assert_eq!(changed(|app| app.output = Output::Discard), [""; 0], "it is no key of the file");
}

#[test]
fn of_the_environment_only_names_are_told() {
    let told = changed(|app| {
        app.command.env = Vec::new();
        app.command = app.command.clone().env("TOKEN", "hunter2").env("NEW", "hunter3");
    });
    assert_eq!(
        told,
        [
            "reload app.web.env.TOKEN: (hidden) → (hidden, another value)",
            "reload app.web.env.NEW: - → (hidden)"
        ]
    );
    assert_eq!(changed(|app| app.command.env.clear()), ["reload app.web.env.TOKEN: (hidden) → -"]);
    let again = changed(|app| {
        app.command.env.insert(0, ("TOKEN".into(), "overruled".into()));
    });
    assert_eq!(again, [""; 0], "the last one holds");
}

#[test]
fn what_holds_for_all_is_told_first_and_apps_come_and_go() {
    let dependent = |name: &str| {
        let mut app = web();
        app.name = name.to_owned();
        app.listeners.clear();
        app.depends_on = vec![Dependency { app: "web".into(), condition: Condition::Ready }];
        app
    };
    let old = of(vec![web(), dependent("old")]);
    let mut new = of(vec![dependent("new"), web()]);
    new.apps[1].workers = 1;
    new.apps[1].depends_on = vec![Dependency { app: "new".into(), condition: Condition::Completed }];
    new.shutdown_timeout = seconds(60);
    new.strategy = Strategy::OneForAll(Intensity::default());
    new.fixed = FixedSettings::default().named("store");
    let found = changes(&old, &new);
    assert_eq!(
        found.iter().map(line).collect::<Vec<_>>(),
        [
            "live master.strategy: none → one-for-all",
            "live master.shutdown_timeout: 45s → 1m",
            "master master.name: shop → store",
            "add app.new: - → 2 workers of web -v",
            "live app.web.workers: 2 → 1",
            "live app.web.depends_on: - → new completed",
            "remove app.old: 2 workers of web -v → -",
        ]
    );
    assert_eq!(class_of(&found, "web"), Some(ChangeClass::Live));
    assert_eq!(class_of(&found, "old"), Some(ChangeClass::Remove));
    assert_eq!(class_of(&found, "nobody"), None);
    let mut again = new.clone();
    again.strategy = Strategy::OneForAll(Intensity { count: 3, period: seconds(5) });
    let found: Vec<String> = changes(&new, &again).iter().map(line).collect();
    assert_eq!(found, ["live master.intensity: 1 → 3"]);
}

#[test]
fn an_address_that_stays_open_by_another_name_takes_a_restart() {
    let admin = || ListenSpec::new("admin", "127.0.0.1:80".parse().unwrap());
    let mut other = web();
    other.name = "other".into();
    other.listeners.clear();
    let mut new = other.clone();
    new.listeners = vec![admin()];
    let found = changes(&of(vec![web(), other]), &of(vec![web(), new]));
    assert_eq!(found.iter().map(line).collect::<Vec<_>>(), ["restart app.other.sockets: - → admin"]);
    assert_eq!(found[0].why, Some("its address is open by another name, and can't be opened twice"));
    let moved = changed(|app| app.listeners[0] = ListenSpec::new("site", "127.0.0.1:0".parse().unwrap()));
    assert_eq!(moved, ["reload app.web.sockets: http → site"], "port 0 is another one each time");
}
