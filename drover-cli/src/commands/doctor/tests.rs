//! Facts in, findings out.

use drover_master::config::file as config;

use super::facts::{Answer, Facts, File, Found, Keeper, Machine, Master, Opening, Socket, Unit};
use super::finding::{Finding, Level};
use super::judge::findings;

const WEB: &str = "version = 1\n[app.web]\ncommand = 'web'\nworkers = 4\n";

fn file(more: &str) -> Option<File> {
    let read = Ok(config::parse(&format!("{WEB}{more}")).unwrap());
    let (obstacles, openings) = (Vec::new(), Vec::new());
    Some(File { path: "/srv/drover.toml".into(), read, obstacles, openings, changed: 0 })
}

fn with(more: &str, machine: Machine) -> Facts {
    Facts { file: file(more), machine, master: Some(master()), sockets: Vec::new() }
}

/// One that nothing is wrong with.
fn master() -> Master {
    let unit = Unit { name: "shop.service".into(), restart: "on-failure".into(), kill_mode: "mixed".into() };
    let answer = Answer {
        pid: 7,
        version: env!("CARGO_PKG_VERSION").into(),
        file: "/srv/drover.toml".into(),
        listeners: vec!["http=127.0.0.1:80".into()],
        unit: Some(unit),
        keeper: None,
    };
    Master { socket: "/run/drover/x.sock".into(), answer: Some(answer) }
}

fn of_master(change: impl FnOnce(&mut Answer)) -> Facts {
    let mut facts = with("", Machine::default());
    change(facts.master.as_mut().unwrap().answer.as_mut().unwrap());
    facts
}

fn keeper() -> Option<Keeper> {
    Some(Keeper { pid: 6, is_gone: false, oom_scores: Some((-100, 0)) })
}

fn opened(found: Found) -> Facts {
    let mut facts = with("", Machine::default());
    let opening = Opening { key: "sockets.http".into(), addr: "127.0.0.1:80".into(), found };
    facts.file.as_mut().unwrap().openings.push(opening);
    facts
}

#[test]
fn where_nothing_is_wrong_nothing_is_found() {
    assert_eq!(findings(&with("", Machine::default())), []);
    assert_eq!(findings(&of_master(|answer| answer.keeper = keeper())), []);
    let as_first = of_master(|answer| {
        (answer.unit, answer.keeper) = (None, Some(Keeper { pid: 1, ..keeper().unwrap() }));
    });
    assert_eq!(findings(&as_first), []);
    let used_by_itself = opened(Found::InUse(Some((8, "web".into()))));
    assert_eq!(findings(&used_by_itself), []);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_fault_is_found_with_its_remedy() {
    use Level::{Error, Note, Warning};

    let of = Machine::default;
    let socket = |socket: Socket| Facts {
        sockets: vec![Socket { path: "/run/drover/x.sock".into(), ..socket }],
        ..with("", of())
    };
    let mut broken = with("", of());
    broken.file.as_mut().unwrap().read = Err("error: unknown key".into());
    let mut hindered = with("", of());
    let obstacles =
        [("`web` is in no directory".to_owned(), None), ("`|`".to_owned(), Some("no shell".to_owned()))];
    hindered.file.as_mut().unwrap().obstacles.extend(obstacles);
    let mut elsewhere = opened(Found::InUse(Some((8, "nginx".into()))));
    elsewhere.master = None;
    let mut silent = with("", of());
    silent.master.as_mut().unwrap().answer = None;
    let low = "[sockets.http]\nlisten = '127.0.0.1:80'\n";
    let chain = "stop.drain_timeout = '30s'\n[app.db]\ncommand = 'db'\n[app.api]\ncommand = 'api'\ndepends_on = { db = 'ready' }\n";
    for (facts, level, words) in [
        (
            with("", Machine { descriptors: Some(64), ..of() }),
            Error,
            &["descriptors", "64", "LimitNOFILE"][..],
        ),
        (with("", Machine { processes: Some(10), ..of() }), Error, &["processes", "10", "LimitNPROC"]),
        (
            with("", Machine { cgroup_processes: Some(30), cgroup_processes_now: 20, ..of() }),
            Error,
            &["processes", "10 of 30", "TasksMax"],
        ),
        (
            with("recycle.rss = '512MiB'\n", Machine { cgroup_memory: Some(1 << 30), ..of() }),
            Warning,
            &["memory", "2048 MiB", "1024 MiB"],
        ),
        (with("", Machine { is_killed_as_a_group: true, ..of() }), Warning, &["memory", "OOMPolicy"]),
        (with("user = 'www'\n", of()), Error, &["rights", "`www`", "as root"]),
        (with("group = 'www'\n", of()), Warning, &["rights", "`www`"]),
        (
            with("", Machine { uid: 0, capabilities: u64::MAX, ..of() }),
            Note,
            &["run as root", "app.web.user"],
        ),
        (with(low, of()), Error, &["rights", "sockets.http", "below 1024"]),
        (opened(Found::Denied), Error, &["rights", "CAP_NET_BIND_SERVICE"]),
        (opened(Found::Wrong("no such host".into())), Error, &["ports", "no such host"]),
        (elsewhere, Error, &["ports", "pid 8 (`nginx`)", "another address"]),
        (
            with("stop.drain_timeout = '60s'\n", of()),
            Warning,
            &["deadlines", "`web`", "65s", "45s", "raise master.shutdown_timeout"],
        ),
        (with(chain, of()), Note, &["deadlines", "`db` is stopped after api", "50s"]),
        (with("start = { timeout = '5s', min_uptime = '5s' }\n", of()), Error, &["deadlines", "it never is"]),
        (
            with("update = { soak = '5m', timeout = '10m' }\n", of()),
            Warning,
            &["deadlines", "reload of app `web`", "1200s"],
        ),
        (with("", Machine { is_container: true, ..of() }), Warning, &["docker stop -t 50"]),
        (with("[master]\nshutdown_timeout = '3m'\n", of()), Warning, &["deadlines", "TimeoutStopSec=185"]),
        (
            with("", Machine { is_container: true, first_process: "sh".into(), ..of() }),
            Warning,
            &["pid1", "`sh`", "exec drover up"],
        ),
        (
            with("", Machine { lingers: false, serves_in_login: true, ..of() }),
            Warning,
            &["login", "loginctl enable-linger me"],
        ),
        (with("", Machine { now: 100_000, ..of() }), Error, &["clock", "set-ntp"]),
        (of_master(|answer| answer.unit = None), Warning, &["protection", "pid 7", "systemd.md"]),
        (
            of_master(|answer| answer.unit.as_mut().unwrap().restart = "no".into()),
            Warning,
            &["shop.service", "Restart=on-failure"],
        ),
        (
            of_master(|answer| answer.unit.as_mut().unwrap().kill_mode = "control-group".into()),
            Warning,
            &["KillMode=mixed"],
        ),
        (
            of_master(|answer| (answer.unit, answer.keeper) = (None, keeper())),
            Note,
            &["keeper (pid 6)", "both are killed"],
        ),
        (
            of_master(|answer| {
                answer.unit.as_mut().unwrap().restart = "no".into();
                answer.keeper = keeper();
            }),
            Note,
            &["shop.service", "together", "Restart=on-failure"],
        ),
        (
            of_master(|answer| answer.keeper = Some(Keeper { is_gone: true, ..keeper().unwrap() })),
            Warning,
            &["keeper (pid 6) is gone"],
        ),
        (
            of_master(|answer| {
                answer.keeper = Some(Keeper { oom_scores: Some((0, 0)), ..keeper().unwrap() })
            }),
            Note,
            &["oom_score_adj is 0", "CAP_SYS_RESOURCE"],
        ),
        (of_master(|answer| answer.version = "0.0.1".into()), Note, &["master", "0.0.1"]),
        (of_master(|answer| answer.file = "/srv/other.toml".into()), Note, &["/srv/other.toml"]),
        (silent, Error, &["does not answer"]),
        (Facts { master: None, ..with("", of()) }, Note, &["protection"]),
        (
            socket(Socket { is_stale: true, ..Socket::default() }),
            Warning,
            &["control", "rm /run/drover/x.sock"],
        ),
        (socket(Socket { is_open_to_others: true, ..Socket::default() }), Warning, &["chmod 600"]),
        (socket(Socket { is_replaceable: true, ..Socket::default() }), Error, &["chmod go-w /run/drover"]),
        (broken, Error, &["file", "unknown key", "drover validate"]),
        (hindered, Error, &["file", "is in no directory"]),
    ] {
        let found = findings(&facts);
        assert!(has(&found, level, words), "{level:?} {words:?}: {found:#?}");
        assert!(found.is_sorted_by_key(|finding| finding.level));
    }
}

/// Whether there is one of this level.
fn has(found: &[Finding], level: Level, words: &[&str]) -> bool {
    let is_it = |finding: &&Finding| {
        let text = format!("{}: {}; {}", finding.check, finding.what, finding.remedy);
        finding.level == level && words.iter().all(|word| text.contains(word))
    };
    found.iter().any(|finding| is_it(&finding))
}
