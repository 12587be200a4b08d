use std::num::NonZeroU32;
use std::time::Duration;

use crate::ReloadSignal;
use crate::config::{
    AppSpec, Backoff, Command, Condition, Dependency, FailureLimit, HealthCheck, HealthPolicy, Heartbeat,
    Intensity, Kind, Limit, LimitReached, Limits, ListenSpec, NotifyAccess, OnUpdateFailure, Probe,
    ProbeKind, Protocol, RecyclePolicy, Resource, RestartPolicy, RestartWhen, Share, StartPolicy, Stdin,
    StopPolicy, StopTo, Strategy, SuspendSignals, UpdateOrder, UpdatePolicy,
};

use super::super::*;
use super::{EVERY_KEY, web};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn strings(strings: &[&str]) -> Vec<String> {
    strings.iter().map(|string| (*string).to_owned()).collect()
}

/// The one app of a file made by [`web`].
fn whole(lines: &str) -> AppTable {
    let text = web(lines);
    let mut config = parse(&text).unwrap_or_else(|error| panic!("{}", error.render("test", &text, false)));
    config.apps.remove(0)
}

/// As a master runs it.
fn app(lines: &str) -> AppSpec {
    whole(lines).spec
}

fn of(spec: AppSpec) -> AppTable {
    AppTable { spec, sockets: vec![], env_files: vec![], of_machine: vec!["start.parallel", "workers"] }
}

fn plain_app() -> AppTable {
    of(plain_spec())
}

fn plain_spec() -> AppSpec {
    AppSpec {
        protocol: Protocol::None,
        heartbeat: None,
        restart: RestartPolicy::of(Kind::Service),
        ..AppSpec::new("web", Command::new("web"))
    }
}

#[test]
fn every_key_arrives_in_its_field() {
    let config = parse(EVERY_KEY).unwrap();
    let http = ListenSpec { backlog: 4096, ..ListenSpec::new("http", "0.0.0.0:8080".parse().unwrap()) };
    let http = http.reuseport();
    let admin = ListenSpec::new("admin", "unix:/run/shop/admin.sock".parse().unwrap());
    let dns = ListenSpec::new("dns", "udp:0.0.0.0:53".parse().unwrap());
    let limits = Limits {
        nice: Some(-5),
        oom_score_adj: Some(500),
        is_required: false,
        resources: vec![
            (Resource::AddressSpace, Limit::fixed(2 << 30)),
            (Resource::Core, Limit::fixed(0)),
            (Resource::Cpu, Limit::fixed(3600)),
            (Resource::Memlock, Limit { soft: 1000, hard: None }),
            (Resource::OpenFiles, Limit::fixed(65536)),
            (Resource::Processes, Limit::fixed(Limit::UNLIMITED)),
            (Resource::Stack, Limit { soft: 8 << 20, hard: Some(Limit::UNLIMITED) }),
        ],
    };
    let command = Command::new("node").args(["server.js", "--port=a b"]);
    let command = command.env("NODE_ENV", "production").env("EMPTY", "").env_clear(true);
    let command = command.current_dir("/srv/shop").umask(0o27).user("www-data").group("33").limits(limits);
    let web = AppSpec {
        workers: 4,
        listeners: vec![admin.clone(), http.clone()],
        stdin: Stdin::Socket("http".into()),
        protocol: Protocol::Drover,
        start: StartPolicy {
            timeout: seconds(40),
            max_timeout: seconds(600),
            min_uptime: Duration::ZERO,
            parallel: nonzero(2),
            ..StartPolicy::default()
        },
        stop: StopPolicy {
            pre_delay: Duration::from_millis(500),
            drain_timeout: seconds(5400),
            term_timeout: Duration::ZERO,
            signal: libc::SIGQUIT,
            to: StopTo::Group,
            ..StopPolicy::default()
        },
        heartbeat: Some(Heartbeat { interval: seconds(2), misses: nonzero(5) }),
        watchdog: Some(seconds(20)),
        health: HealthPolicy {
            liveness: Some(HealthCheck {
                failures: nonzero(5),
                initial_delay: seconds(60),
                ..HealthCheck::new(ProbeKind::Http {
                    url: "http://127.0.0.1:{9000+slot}/live".parse().unwrap(),
                    host: Some("a".into()),
                    status: vec![200],
                })
            }),
            readiness: Some(HealthCheck {
                probe: Probe { interval: seconds(5), timeout: seconds(3), ..Probe::exec("./ready", [""; 0]) },
                failures: nonzero(1),
                successes: nonzero(2),
                initial_delay: Duration::ZERO,
            }),
        },
        restart: RestartPolicy {
            when: RestartWhen::Always,
            backoff: Backoff { initial: seconds(1), max: seconds(60), factor: 1.5, jitter: 1.0 },
            limit: FailureLimit { count: nonzero(3), within: seconds(90), then: LimitReached::StopAll },
            start_limit: Some(FailureLimit {
                count: nonzero(5),
                within: seconds(60),
                then: LimitReached::StopApp,
            }),
            reset_after: seconds(120),
            success_codes: vec![0, 143],
            fatal_codes: vec![78, 255],
        },
        update: UpdatePolicy {
            max_surge: Share::Percent(25),
            max_unavailable: Share::Count(1),
            soak: seconds(10),
            order: UpdateOrder::StopFirst,
            on_failure: OnUpdateFailure::Pause,
            timeout: seconds(3600),
            max_generations: 2,
        },
        recycle: RecyclePolicy {
            age: Some(seconds(86_400)),
            rss: Some(512 << 20),
            requests: Some(100_000),
            jitter: 0.25,
        },
        ..AppSpec::new("web", command)
    };
    let web = AppTable {
        sockets: strings(&["admin", "http"]),
        env_files: vec!["a.env".into(), "/etc/b.env".into()],
        of_machine: vec![],
        ..of(web)
    };
    let second = AppSpec {
        name: "b.2".into(),
        command: Command::new("redis-server").args(["--save", "", "a b"]),
        suspend: Some(SuspendSignals { signal: libc::SIGUSR1, resume_signal: libc::SIGUSR2 }),
        stop: StopPolicy { signal: libc::SIGINT, ..StopPolicy::default() },
        restart: RestartPolicy { when: RestartWhen::Never, ..RestartPolicy::of(Kind::Service) },
        kind: Kind::Oneshot,
        start: StartPolicy { timeout: Duration::MAX, ..StartPolicy::default() },
        depends_on: vec![Dependency { app: "web".into(), condition: Condition::Ready }],
        essential: true,
        ..plain_spec()
    };
    let second = of(second);
    let expected = Config {
        master: MasterTable {
            name: Some("shop".into()),
            shutdown_timeout: seconds(90),
            strategy: Strategy::RestForOne(Intensity { count: 3, period: seconds(60) }),
        },
        sockets: vec![http, admin, dns],
        apps: vec![web, second],
    };
    assert_eq!(config, expected);
}

#[test]
fn a_command_is_all_an_app_needs() {
    let config = parse("version = 1\n[app.web]\ncommand = [\"web\"]\n").unwrap();
    assert_eq!(config, Config { master: MasterTable::default(), sockets: vec![], apps: vec![plain_app()] });
}

#[test]
fn defaults_are_those_of_the_interface() {
    let AppSpec { start, stop, restart, .. } = app("");
    assert_eq!((start.timeout, start.max_timeout, start.min_uptime), (seconds(30), seconds(300), seconds(1)));
    assert_eq!(
        (stop.pre_delay, stop.drain_timeout, stop.term_timeout, stop.signal),
        (seconds(0), seconds(20), seconds(5), libc::SIGTERM)
    );
    let RestartPolicy { when, backoff, limit, start_limit, reset_after, success_codes, fatal_codes } =
        restart;
    assert_eq!(when, RestartWhen::Always);
    assert_eq!((backoff.initial, backoff.max), (Duration::from_millis(200), seconds(30)));
    assert_eq!((backoff.factor, backoff.jitter), (2.0, 0.2));
    assert_eq!(limit, FailureLimit { count: nonzero(10), within: seconds(300), then: LimitReached::GiveUp });
    assert_eq!(start_limit, None);
    assert_eq!((reset_after, success_codes, fatal_codes), (seconds(60), vec![0], vec![]));
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
fn every_way_of_writing_a_table_is_the_same() {
    let tables = whole("[app.web.restart.limit]\ncount = 3");
    for lines in [
        "restart.limit.count = 3",
        "restart = { limit = { count = 3 } }",
        "restart.limit = { count = 3 }",
        "[app.web.restart]\nlimit.count = 3",
        "[\"app\".web.\"restart\"]\nlimit = {\n  count = 3,\n}",
    ] {
        assert_eq!(whole(lines), tables, "{lines}");
    }
    let scattered = parse("[app.web.restart.limit]\ncount = 3\n[app.web]\ncommand = ['web']\n[master]\n");
    assert_eq!(
        scattered.unwrap_err().to_string(),
        "line 1, column 1: missing key `version`; begin the file with `version = 1`"
    );
}

#[test]
fn an_empty_table_changes_nothing() {
    for lines in ["[app.web.start]", "restart = {}", "restart.backoff = {}", "env = {}", "sockets = []"] {
        assert_eq!(whole(lines), plain_app(), "{lines}");
    }
}

#[test]
fn apps_and_sockets_keep_the_order_of_the_file() {
    let config = parse(
        "version = 1\n[app.z]\ncommand = ['z']\nsockets = ['b', 'a']\n[app.a]\ncommand = ['a']\n\
         [sockets.b]\nlisten = 'h:1'\n[sockets.a]\nlisten = 'h:2'\n",
    )
    .unwrap();
    assert_eq!(config.apps.iter().map(|app| app.spec.name.as_str()).collect::<Vec<_>>(), ["z", "a"]);
    assert_eq!(config.sockets.iter().map(|socket| socket.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(config.apps[0].sockets, ["b", "a"]);
}

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
        assert_eq!(app(&format!("stop.signal = '{word}'")).stop.signal, libc::SIGUSR1);
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
        let expected = ReloadSignal { signal: libc::SIGHUP, waits: wait };
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
fn the_edges_of_every_range_are_inside() {
    for lines in [
        "workers = 1",
        "workers = 100000",
        "umask = '0'",
        "umask = '0777'",
        "start.timeout = '5m'",
        "start = { timeout = '1h', max_timeout = '1h' }",
        "restart.backoff = { initial = '30s', factor = 1, jitter = 0 }",
        "restart.backoff = { initial = '0s', max = '0s', factor = 1.0, jitter = 1.0 }",
        "restart.limit.count = 1",
        "restart = { success_codes = [], fatal_codes = [0, 255] }",
    ] {
        app(lines);
    }
}

#[test]
fn a_socket_with_port_zero_is_never_the_same_as_another() {
    let sockets = "sockets.a.listen = 'h:0'\nsockets.b.listen = 'h:0'\n";
    assert_eq!(parse(&format!("{sockets}{}", web(""))).unwrap().sockets.len(), 2);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_no_mistake() {
    let text = format!("\u{feff}{}", EVERY_KEY.replace('\n', "\r\n"));
    assert_eq!(parse(&text), parse(EVERY_KEY));
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
    for (line, expected) in [
        ("start.probe = {}", "missing key `tcp`, `http` or `exec`"),
        ("start.probe = { tpc = \"h:1\" }", "unknown key `tpc`"),
        ("start.probe = { tcp = \"h:1\", exec = \"x\" }", "asks by `tcp` and by `exec`"),
        ("start.probe = { tcp = \"h:1\", status = [200] }", "status has no meaning without `http`"),
        ("start.probe = { exec = \"x\", host = \"a\" }", "host has no meaning without `http`"),
        ("start.probe = { http = \"h:1\" }", "http is no URL to ask at: expected http://HOST:PORT/PATH"),
        ("start.probe = { http = \"https://h/\" }", "speaks no TLS"),
        ("start.probe = { http = \"http://h/\", host = \"a b\" }", "can't stand in a request"),
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
        ("health.liveness = { tcp = 'h:{port}' }", "`{port}` is no placeholder"),
        ("health.liveness = { http = 'http://h:{port}/' }", "`{port}` is no placeholder"),
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
            "app.web.stdin names `http`, which is none of the app's sockets; add it to the app's `sockets`"
                .into(),
        ),
        (
            "sockets = ['http']\nstdin = 'socket:htp'",
            "app.web.stdin names `htp`, which is none of the app's sockets; did you mean `http`?".into(),
        ),
        ("stdin = 0", "app.web.stdin is an integer, not a string".into()),
    ] {
        let error = of(lines).unwrap_err();
        assert_eq!(error.mistakes().len(), 1, "{lines}");
        assert_eq!(error.mistakes()[0].to_string(), expected, "{lines}");
    }
}

#[test]
fn the_file_in_the_readme_is_valid() {
    let readme = include_str!("../../../../../README.md");
    let (_, from) = readme.split_once("```toml\n").unwrap();
    let (text, _) = from.split_once("```").unwrap();
    let config = parse(text).unwrap_or_else(|error| panic!("{}", error.render("README.md", text, false)));
    assert_eq!(config.apps.iter().map(|app| &*app.spec.name).collect::<Vec<_>>(), ["web", "mailer"]);
}

#[test]
fn a_oneshot_takes_as_long_as_it_takes_unless_the_file_says_otherwise() {
    assert_eq!(app("kind = 'oneshot'").start.timeout, Duration::MAX);
    assert_eq!(app("kind = 'oneshot'\nstart.max_timeout = '1s'").start.timeout, Duration::MAX);
    assert_eq!(app("kind = 'oneshot'\nstart.timeout = '30s'").start.timeout, seconds(30));
}

#[test]
fn every_strategy_has_its_numbers() {
    let strategy =
        |lines: &str| parse(&format!("master = {{ {lines} }}\n{}", web(""))).unwrap().master.strategy;
    let default = Intensity::default();
    assert_eq!(strategy("strategy = 'none'"), Strategy::None);
    assert_eq!(strategy("strategy = 'one-for-one'"), Strategy::OneForOne(default));
    assert_eq!(
        strategy("strategy = 'one-for-all', intensity = 0"),
        Strategy::OneForAll(Intensity { count: 0, ..default })
    );
    assert_eq!(
        strategy("strategy = 'rest-for-one', period = '9s'"),
        Strategy::RestForOne(Intensity { period: seconds(9), ..default })
    );
}
