//! Right values of an app.

use crate::signal::Signal;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::ReloadSignal;
use crate::config::{
    FailureLimit, HealthCheck, HealthPolicy, Heartbeat, LimitReached, LogPolicy, NotifyAccess, Probe,
    ProbeKind, Protocol, RecyclePolicy, RestartWhen, Stdin,
};

use super::super::*;
use super::{app, nonzero, seconds, web};

#[test]
fn every_word_has_its_meaning() {
    for (word, policy) in [
        ("always", RestartWhen::Always),
        ("on-failure", RestartWhen::OnFailure),
        ("never", RestartWhen::Never),
    ] {
        assert_eq!(app(&format!("restart = '{word}'")).restart.when, policy);
        assert_eq!(app(&format!("restart.policy = '{word}'")).restart.when, policy);
    }
    for (word, then) in [
        ("give-up", LimitReached::GiveUp),
        ("stop-app", LimitReached::StopApp),
        ("stop-all", LimitReached::StopAll),
    ] {
        assert_eq!(app(&format!("restart.limit.then = '{word}'")).restart.limit.then, then);
    }
    for (word, protocol) in
        [("none", Protocol::None), ("notify", Protocol::Notify), ("drover", Protocol::Drover)]
    {
        assert_eq!(app(&format!("protocol = '{word}'")).protocol, protocol);
    }
    for word in ["USR1", "SIGUSR1"] {
        assert_eq!(app(&format!("stop.signal = '{word}'")).stop.signal, Signal::USR1);
    }
}

#[test]
fn a_reload_by_signal_waits_for_the_word_of_a_worker_that_can_say_it() {
    for (lines, wait) in [
        ("protocol = 'notify'\nreload = { signal = 'HUP' }", true),
        ("protocol = 'notify'\nreload = { signal = 'HUP', wait = false }", false),
        ("protocol = 'notify'\nnotify_fd = 3\nreload = { signal = 'HUP' }", false),
        ("reload = { signal = 'SIGHUP' }", false),
    ] {
        let expected = ReloadSignal { signal: Signal::HUP, waits: wait };
        assert_eq!(app(lines).reload, Some(expected), "{lines}");
    }
    assert_eq!(app("protocol = 'notify'\nnotify_fd = 7").notify_fd, Some(7));
    assert_eq!(app("protocol = 'notify'\nnotify_access = 'all'").notify_access, NotifyAccess::All);
}

#[test]
fn a_limit_of_starts_is_as_the_limit_in_what_it_leaves_out() {
    let limit = "restart.limit = { count = 3, within = '2m', then = 'stop-all' }\n";
    let only_count = app(&format!("{limit}restart.start_limit.count = 7")).restart.start_limit.unwrap();
    assert_eq!(
        only_count,
        FailureLimit { count: nonzero(7), within: seconds(120), then: LimitReached::StopAll }
    );
    let nothing = app(&format!("{limit}restart.start_limit = {{}}")).restart;
    assert_eq!(nothing.start_limit, Some(nothing.limit));
}

#[test]
fn a_heartbeat_is_on_for_protocol_workers_unless_the_file_says_otherwise() {
    assert_eq!(app("").heartbeat, None);
    assert_eq!(app("protocol = \"drover\"").heartbeat, Some(Heartbeat::default()));
    assert_eq!(app("protocol = \"drover\"\nheartbeat = false").heartbeat, None);
    assert_eq!(
        app("protocol = \"drover\"\nheartbeat.misses = 9").heartbeat.map(|beat| beat.misses),
        Some(nonzero(9))
    );
}

#[test]
fn workers_are_recycled_by_what_the_file_says_and_never_by_default() {
    assert_eq!(app("").recycle, RecyclePolicy::default());
    let by_age = app("recycle.age = \"12h\"").recycle;
    assert_eq!(by_age, RecyclePolicy { age: Some(seconds(12 * 3600)), ..RecyclePolicy::default() });
    for (lines, expected) in [
        ("recycle = true", "app.web.recycle is a boolean, not a table"),
        ("recycle.age = \"0s\"", "app.web.recycle.age must be more than zero"),
        ("recycle.rss = \"0B\"", "app.web.recycle.rss must be more than zero"),
        ("recycle.rss = \"512\"", "app.web.recycle.rss has no unit after `512`"),
        (
            "protocol = \"drover\"\nrecycle.requests = 0",
            "app.web.recycle.requests is 0, but must be 1 to 4294967295",
        ),
        (
            "recycle.requests = 9",
            "app.web.recycle.requests has no meaning for a worker that does not speak `drover`",
        ),
        ("recycle.jitter = 2", "app.web.recycle.jitter is 2, but must be 0 to 1"),
    ] {
        let error = parse(&web(lines)).unwrap_err();
        let told: Vec<&str> = error.mistakes().iter().map(|mistake| mistake.message()).collect();
        assert_eq!(told, [expected], "{lines}");
    }
}

#[test]
fn a_heartbeat_without_a_protocol_is_a_mistake() {
    let error = parse(&web("heartbeat = { interval = \"1s\" }")).unwrap_err();
    let expected = "app.web.heartbeat has no meaning for a worker that does not speak `drover`; leave it out, or set `protocol = \"drover\"`";
    assert_eq!(error.mistakes()[0].to_string(), expected);
}

#[test]
fn a_probe_names_where_a_plain_worker_is_asked() {
    let probe = app("start.probe = { tcp = \"127.0.0.1:6379\" }").start.probe;
    assert_eq!(probe, Some(Probe::tcp("127.0.0.1:6379")));
    let url = || "unix:/run/web.sock:/health".parse().unwrap();
    let probe = app("start.probe = { http = \"unix:/run/web.sock:/health\" }").start.probe;
    assert_eq!(probe, Some(Probe::http(url())));
    let line = "start.probe = { http = \"unix:/run/web.sock:/health\", host = \"a\", status = [200, 503], interval = \"1s\", timeout = \"5s\" }";
    let kind = ProbeKind::Http { url: url(), host: Some("a".to_owned()), status: vec![200, 503] };
    let (interval, timeout) = (Duration::from_secs(1), Duration::from_secs(5));
    assert_eq!(app(line).start.probe, Some(Probe { kind, interval, timeout }));
    for line in
        ["start.probe = { exec = [\"./check\", \"a b\"] }", "start.probe = { exec = \"./check 'a b'\" }"]
    {
        assert_eq!(app(line).start.probe, Some(Probe::exec("./check", ["a b"])), "{line}");
    }
    assert_eq!(app("start.probe.log = \"listening on\"").start.probe, Some(Probe::log("listening on")));
    for (line, expected) in [
        ("start.probe = {}", "missing key `tcp`, `http`, `exec` or `log`"),
        ("start.probe = { log = \"\" }", "log is empty"),
        ("start.probe = { log = \"a\\nb\" }", "log has a line's end"),
        ("start.probe = { log = 1 }", "log is an integer"),
        ("start.probe = { log = \"a\", tcp = \"h:1\" }", "asks by `tcp` and by `log`"),
        ("start.probe = { log = \"a\", timeout = \"1s\" }", "timeout has no meaning with `log`"),
        ("start.probe = { tpc = \"h:1\" }", "unknown key `tpc`"),
        ("start.probe = { tcp = \"h:1\", exec = \"x\" }", "asks by `tcp` and by `exec`"),
        ("start.probe = { tcp = \"h:1\", status = [200] }", "status has no meaning without `http`"),
        ("start.probe = { exec = \"x\", host = \"a\" }", "host has no meaning without `http`"),
        (
            "start.probe = { http = \"h:1\" }",
            "http is not a URL that a probe can ask: expected http://HOST:PORT/PATH",
        ),
        ("start.probe = { http = \"https://h/\" }", "speaks no TLS"),
        ("start.probe = { http = \"http://h/\", host = \"a b\" }", "can't be part of a request"),
        ("start.probe = { http = \"http://h/\", status = [200, 100] }", "not a status code from 200 to 599"),
        ("start.probe = { http = \"http://h/\", status = [] }", "is empty"),
        ("start.probe = { exec = [] }", "app.web.start.probe.exec is empty"),
        ("start.probe = { exec = \"x\", interval = \"0s\" }", "must be more than zero"),
        ("start.probe = { tcp = \"127.0.0.1:0\" }", "has port 0, at which nobody listens"),
        ("start.probe = { tcp = \"localhost\" }", "app.web.start.probe.tcp"),
        (
            "protocol = \"drover\"\nstart.probe = { tcp = \"h:1\" }",
            "has no meaning for a worker that says when it is ready",
        ),
    ] {
        let error = parse(&web(line)).unwrap_err();
        assert_eq!(error.mistakes().len(), 1, "{line}");
        assert!(error.mistakes()[0].message().contains(expected), "{}", error.mistakes()[0]);
    }
    // A line is printed once: only a start can wait for it.
    let error = parse(&web("health.liveness = { log = 'a' }")).unwrap_err().to_string();
    assert!(error.contains("missing key `tcp`") && error.contains("unknown key `log`"), "{error}");
}

#[test]
fn health_names_what_workers_are_asked_while_they_serve() {
    let health = app("health.liveness = { tcp = \"127.0.0.1:{9000+slot}\" }").health;
    let tcp = ProbeKind::Tcp { addr: "127.0.0.1:{9000+slot}".into() };
    assert_eq!(health, HealthPolicy { liveness: Some(HealthCheck::new(tcp)), readiness: None });
    let line = "health.readiness = { http = \"unix:/run/{pid}.sock:/\", interval = \"5s\", timeout = \"2s\", failures = 1, successes = 4, initial_delay = \"1m\" }";
    let check = HealthCheck {
        probe: Probe {
            interval: seconds(5),
            timeout: seconds(2),
            ..Probe::http("unix:/run/{pid}.sock:/".parse().unwrap())
        },
        failures: NonZeroU32::MIN,
        successes: NonZeroU32::new(4).unwrap(),
        initial_delay: seconds(60),
    };
    assert_eq!(app(line).health, HealthPolicy { liveness: None, readiness: Some(check) });
    assert_eq!(app("protocol = 'drover'\nhealth.liveness.exec = './check'").health.readiness, None);
    for (line, expected) in [
        ("health.liveness = {}", "missing key `tcp`, `http` or `exec` in app.web.health.liveness"),
        ("health.livenes = { tcp = 'h:1' }", "unknown key `livenes`"),
        ("health = 3", "app.web.health is an integer, not a table"),
        ("health.liveness = { tcp = 'h:1', http = 'http://h/' }", "asks by `tcp` and by `http`"),
        ("health.liveness = { tcp = 'h:1', failures = 0 }", "failures is 0, but must be 1 to 100"),
        ("health.liveness = { tcp = 'h:1', successes = 2 }", "successes is 2, and can only be 1"),
        ("health.liveness = { tcp = 'h:{port}' }", "`{port}` is not a placeholder"),
        ("health.liveness = { http = 'http://h:{port}/' }", "`{port}` is not a placeholder"),
        ("health.readiness = { tcp = 'h:1', timeout = '0s' }", "must be more than zero"),
        ("kind = 'oneshot'\nhealth.liveness = { tcp = 'h:1' }", "has no meaning for a oneshot"),
    ] {
        let error = parse(&web(line)).unwrap_err();
        assert_eq!(error.mistakes().len(), 1, "{line}: {error}");
        assert!(error.mistakes()[0].message().contains(expected), "{}", error.mistakes()[0]);
    }
}

#[test]
fn stdin_is_nothing_or_one_of_the_apps_sockets() {
    assert_eq!(app("stdin = 'null'").stdin, Stdin::Null);
    assert_eq!(app("stdin = 'open'").stdin, Stdin::Open);
    let of = |lines: &str| parse(&format!("{}\n[sockets.http]\nlisten = 'h:1'\n", web(lines)));
    let stdin = of("sockets = ['http']\nstdin = 'socket:http'").unwrap().apps.remove(0).spec.stdin;
    assert_eq!(stdin, Stdin::Socket("http".into()));
    let neither = |text| {
        format!(
            "app.web.stdin is `{text}`, neither `null`, `open` nor `socket:NAME`; `open` is for programs that leave when it ends; after `socket:` stands one of the app's `sockets`"
        )
    };
    for (lines, expected) in [
        ("stdin = 'inherit'", neither("inherit")),
        ("stdin = 'socket:'", neither("socket:")),
        (
            "stdin = 'socket:http'",
            "app.web.stdin names `http`, which is not one of the app's sockets; add it to the app's `sockets`"
                .into(),
        ),
        (
            "sockets = ['http']\nstdin = 'socket:htp'",
            "app.web.stdin names `htp`, which is not one of the app's sockets; did you mean `http`?".into(),
        ),
        ("stdin = 0", "app.web.stdin is an integer, not a string".into()),
    ] {
        let error = of(lines).unwrap_err();
        assert_eq!(error.mistakes().len(), 1, "{lines}");
        assert_eq!(error.mistakes()[0].to_string(), expected, "{lines}");
    }
}

#[test]
fn a_oneshot_takes_as_long_as_it_takes_unless_the_file_says_otherwise() {
    assert_eq!(app("kind = 'oneshot'").start.timeout, Duration::MAX);
    assert_eq!(app("kind = 'oneshot'\nstart.max_timeout = '1s'").start.timeout, Duration::MAX);
    assert_eq!(app("kind = 'oneshot'\nstart.timeout = '30s'").start.timeout, seconds(30));
}

#[test]
fn a_service_comes_back_after_every_end_and_a_oneshot_after_failures() {
    for (lines, when) in [
        ("", RestartWhen::Always),
        ("restart.limit.count = 3", RestartWhen::Always),
        ("kind = 'oneshot'", RestartWhen::OnFailure),
        ("kind = 'oneshot'\nrestart = { reset_after = '5s' }", RestartWhen::OnFailure),
        ("restart = 'on-failure'", RestartWhen::OnFailure),
    ] {
        assert_eq!(app(lines).restart.when, when, "{lines}");
    }
}

#[test]
fn lines_go_to_files_to_the_journal_or_to_both_and_not_nowhere() {
    let logs = |lines: &str| app(lines).logs.unwrap();
    assert_eq!(logs("logs = { journald = true }"), LogPolicy::in_journal());
    assert_eq!(logs("logs = { dir = '/l', journald = false }"), LogPolicy::in_dir("/l"));
    let both = LogPolicy { journald: true, ..LogPolicy::in_dir("/l") };
    assert_eq!(logs("logs.journald = true\nlogs.dir = '/l'"), both);
    let with_defaults = "version = 1\n[defaults]\nlogs.journald = true\n[app.web]\ncommand = 'web'\nlogs.dir = '/l'\n[app.job]\ncommand = 'job'\n";
    let config = parse(with_defaults).unwrap();
    let of: Vec<_> = config.apps.iter().map(|app| app.spec.logs.clone().unwrap()).collect();
    assert_eq!(of, [both, LogPolicy::in_journal()]);
    for (line, expected) in [
        ("logs = {}", "app.web.logs names nothing to write to"),
        ("logs = { keep = 3 }", "app.web.logs names nothing to write to"),
        ("logs = { journald = false }", "app.web.logs names nothing to write to"),
        ("logs = { journald = 'yes' }", "app.web.logs.journald is a string, not"),
        ("logs = 3", "app.web.logs is an integer, not a table"),
        ("logs = { journal = true }", "unknown key `journal` in app.web.logs"),
    ] {
        let error = parse(&web(line)).unwrap_err();
        assert_eq!(error.mistakes().len(), 1, "{line}: {error}");
        assert!(error.mistakes()[0].message().contains(expected), "{}", error.mistakes()[0]);
    }
}
