use std::time::Duration;

use super::*;
use crate::Output;
use crate::config::{
    Command, Condition, Dependency, FixedSettings, Heartbeat, Intensity, ListenSpec, Strategy,
};

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

type Edit = fn(&mut AppSpec);

#[test]
fn a_key_may_change_in_several_ways() {
    let rows: &[(Edit, &str)] = &[
        (|app| app.command.args.clear(), "reload app.web.command: web -v → web"),
        (|app| app.listeners.clear(), "reload app.web.sockets: http → -"),
        (
            |app| app.listeners[0].addr = "127.0.0.1:81".parse().unwrap(),
            "reload sockets.http.listen: 127.0.0.1:80 → 127.0.0.1:81",
        ),
        (|app| app.listeners[0].backlog = 7, "reload sockets.http.backlog: 1024 → 7"),
        (|app| app.listeners[0].name = "site".into(), "restart app.web.sockets: http → site"),
        (
            |app| app.heartbeat = Some(Heartbeat { interval: seconds(9), ..Heartbeat::default() }),
            "live app.web.heartbeat: every 5s, 3 misses → every 9s, 3 misses",
        ),
        (
            |app| {
                app.recycle.rss = Some(512 << 20);
                app.recycle.requests = Some(100);
            },
            "live app.web.recycle: - → rss 512MiB, 100 requests, jitter 0.1",
        ),
    ];
    for (change, expected) in rows {
        assert_eq!(changed(*change), [*expected]);
    }
    assert_eq!(changed(|_| {}), [""; 0]);
    assert_eq!(changed(|app| app.output = Output::Discard), [""; 0], "it is not a key of the file");
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
