use crate::signal::Signal;
use std::time::Duration;

use crate::config::{
    AppSpec, Backoff, Command, Condition, CronPolicy, Dependency, FailureLimit, FixedSettings, HealthCheck,
    HealthPolicy, Heartbeat, HttpSettings, Intensity, Kind, Limit, LimitReached, Limits, ListenSpec,
    LogFormat, LogOwner, LogPolicy, OnUpdateFailure, Overlap, Probe, ProbeKind, Protocol, RecyclePolicy,
    Resource, RestartPolicy, RestartWhen, Share, StartPolicy, Stdin, StopPolicy, StopTo, Strategy,
    SuspendSignals, UpdateOrder, UpdatePolicy, WatchAction, WatchPolicy, Zone,
};

use super::super::*;
use super::{EVERY_KEY, app, nonzero, of, plain_app, plain_spec, seconds, strings, web, whole};

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
            signal: Signal::QUIT,
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
        logs: Some(LogPolicy {
            dir: Some("/var/log/shop".into()),
            journald: true,
            per: LogOwner::Worker,
            format: LogFormat::Json,
            timestamps: true,
            max_size: 1 << 20,
            max_age: Some(seconds(86_400)),
            keep: 9,
            compress: true,
        }),
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
        suspend: Some(SuspendSignals { signal: Signal::USR1, resume_signal: Signal::USR2 }),
        stop: StopPolicy { signal: Signal::INT, ..StopPolicy::default() },
        watch: Some(WatchPolicy {
            paths: vec!["src".into(), "web.toml".into()],
            ignore: strings(&["*.md"]),
            debounce: seconds(1),
            action: WatchAction::Restart,
        }),
        restart: RestartPolicy { when: RestartWhen::Never, ..RestartPolicy::of(Kind::Service) },
        kind: Kind::Oneshot,
        follows_cpus: false,
        start: StartPolicy { timeout: Duration::MAX, ..StartPolicy::default() },
        depends_on: vec![Dependency { app: "web".into(), condition: Condition::Ready }],
        essential: true,
        ..plain_spec()
    };
    let second = of(second);
    let report = AppSpec {
        name: "report".into(),
        command: Command::new("./report"),
        kind: Kind::Cron,
        workers: 1,
        follows_cpus: false,
        cron: CronPolicy {
            schedule: "30 3 * * MON-FRI".parse().ok(),
            timezone: Zone::UTC,
            overlap: Overlap::Replace,
            catch_up: false,
        },
        start: StartPolicy { timeout: Duration::MAX, ..StartPolicy::default() },
        restart: RestartPolicy::of(Kind::Cron),
        ..plain_spec()
    };
    let report = AppTable { of_machine: vec!["start.parallel"], ..of(report) };
    let expected = Config {
        master: MasterTable {
            fixed: FixedSettings {
                name: Some("shop".into()),
                http: Some(HttpSettings {
                    listen: "127.0.0.1:9900".parse().unwrap(),
                    hosts: strings(&["ops.example.org"]),
                    control_token_file: Some("token".into()),
                }),
            },
            shutdown_timeout: seconds(90),
            strategy: Strategy::RestForOne(Intensity { count: 3, period: seconds(60) }),
        },
        sockets: vec![http, admin, dns],
        apps: vec![web, second, report],
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
        (seconds(0), seconds(20), seconds(5), Signal::TERM)
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
fn the_file_in_the_readme_is_valid() {
    let readme = include_str!("../../../../../README.md");
    let (_, from) = readme.split_once("```toml\n").unwrap();
    let (text, _) = from.split_once("```").unwrap();
    let config = parse(text).unwrap_or_else(|error| panic!("{}", error.render("README.md", text, false)));
    assert_eq!(config.apps.iter().map(|app| &*app.spec.name).collect::<Vec<_>>(), ["web", "mailer"]);
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
