//! `up` with a keeper: whoever starts it sees one process, which ends as its master does and outlives its crash.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1};
use nix::sys::stat::Mode;

use crate::harness::{Home, Running, Terminal, eventually, is_running, signal, skipped};

const WEB: &str = "version = 1\n[app.web]\ncommand = [\"sh\", \"-c\", \"echo up; exec sleep 1000\"]\nworkers = 1\nstart.min_uptime = \"50ms\"\n";

/// Drains for longer than two signals can be apart that are one press; a hurry would end it at once.
const DRAINS: &str = "version = 1\n[app.web]\nworkers = 1\ncommand = [\"sh\", \"-c\", \"\"\"\n\
    trap 'sleep 1; echo drained; exit 0' TERM; echo up; while :; do sleep 0.1; done\"\"\"]\n";

/// A master that has started its app, and its keeper, which is what was started.
fn up(home: &Home, toml: &str) -> (Running, u32) {
    home.write("drover.toml", toml);
    let keeper = home.start(&["up"]);
    keeper.says("web is running");
    let master = master(home);
    assert_ne!(master, keeper.pid());
    (keeper, master)
}

fn master(home: &Home) -> u32 {
    pid(&home.status()["master"]["pid"])
}

fn pid(value: &serde_json::Value) -> u32 {
    value.as_u64().and_then(|pid| pid.try_into().ok()).expect("it has a pid")
}

/// The master that goes on after this one.
fn successor(home: &Home, crashed: u32) -> u32 {
    home.until("another master", |status| Some(pid(&status["master"]["pid"])).filter(|pid| *pid != crashed))
}

fn field(pid: u32, file: &str, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().to_owned()
}

#[test]
fn it_ends_with_the_status_of_its_master() {
    let home = Home::new();
    home.run(&["up"]).failed(2, &["no drover.toml"]);
    home.write("drover.toml", "version = 1\n[app.web]\ncomand = \"x\"\n");
    assert_eq!(home.run(&["up"]).code, Some(2));
    home.write("drover.toml", WEB);
    home.run(&["up", "--only", "nosuch"]).failed(4, &["no app `nosuch`"]);
    home.write(
        "drover.toml",
        "version = 1\n[app.bad]\ncommand = [\"sh\", \"-c\", \"exit 9\"]\nworkers = 1\n",
    );
    home.run(&["up"]).failed(1, &["app `bad` failed to start"]);
    let (keeper, _) = up(&home, WEB);
    let status = home.status();
    assert_eq!(status["master"]["keeper"], serde_json::json!({ "pid": keeper.pid(), "protected": true }));
    let shown = home.run(&["status"]);
    assert!(shown.stdout.contains(&format!(", keeper pid {}, version ", keeper.pid())), "{shown:#?}");
    home.run(&["up"]).failed(1, &["already running", &format!("pid {};", keeper.pid())]);
    home.down(keeper);
    let (keeper, _) = up(&home, WEB);
    keeper.signal(SIGTERM);
    let ended = keeper.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.stderr.matches("web stops, asked by SIGTERM").count(), 1, "{ended:#?}");
}

#[test]
fn a_master_that_dies_before_there_is_anything_to_go_on_with_ends_it_by_the_same_signal() {
    let home = Home::new();
    let pipe = home.path("pipe");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let mut command = home.drover(&["up", "-f", "pipe"]);
    let mut keeper =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", keeper.id());
    // It waits for whoever writes.
    let master: u32 = eventually("its master", || fs::read_to_string(&children).ok()?.trim().parse().ok());
    signal(master, SIGKILL);
    let status = eventually("its end", || keeper.try_wait().unwrap());
    assert_eq!(status.signal(), Some(SIGKILL as i32), "{status:?}");
}

#[test]
fn a_signal_that_it_is_sent_acts_once_and_a_stopped_one_holds_nothing_up() {
    let home = Home::new();
    let (keeper, master) = up(&home, WEB);
    assert_eq!(field(keeper.pid(), "status", "Name"), "drover-keeper");
    assert_eq!(field(master, "status", "PPid"), keeper.pid().to_string());
    keeper.signal(SIGUSR1);
    keeper.says("SIGUSR1 opens log files again");
    keeper.signal(SIGHUP);
    let is_reloaded = |status: &serde_json::Value| {
        let app = &status["apps"][0];
        (app["generation"] == 2 && app["operation"].is_null()).then_some(())
    };
    home.until("a reload", is_reloaded);
    keeper.signal(SIGSTOP);
    assert_eq!(home.run(&["restart", "web"]).code, Some(0));
    keeper.signal(SIGCONT);
    let events = home.events();
    assert_eq!(events.iter().filter(|event| event["event"] == "reload_started").count(), 1);
    keeper.signal(SIGINT);
    let ended = keeper.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.stderr.matches("SIGUSR1 opens log files again").count(), 1, "{ended:#?}");
    assert_eq!(ended.stderr.matches("web stops, asked by SIGINT").count(), 1, "{ended:#?}");
}

#[test]
fn what_a_terminal_sends_to_both_acts_once() {
    let home = Home::new();
    home.write("drover.toml", DRAINS);
    for (key, name) in [("\x03", "SIGINT"), ("\x1c", "SIGQUIT")] {
        let mut terminal = Terminal::start(&home.drover(&["up"]));
        terminal.shows("web is running");
        terminal.press(key);
        terminal.shows(&format!("web stops, asked by {name}"));
        terminal.shows("drained");
        assert_eq!(terminal.end().code(), Some(0));
    }
    // Nobody sits there any more.
    let mut terminal = Terminal::start(&home.drover(&["up"]));
    terminal.shows("web is running");
    terminal.close();
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn a_job_is_stopped_and_goes_on() {
    let home = Home::new();
    home.write("drover.toml", WEB);
    let mut shell = Command::new("bash");
    shell.args(["--norc", "--noprofile", "-i"]).current_dir(home.dir());
    for (name, value) in home.drover(&[]).get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let mut terminal = Terminal::start(&shell);
    let drover = env!("CARGO_BIN_EXE_drover");
    terminal.press(&format!("{drover} -s d.sock up\r"));
    terminal.shows("web is running");
    let (master, keeper) = {
        let status = home.status();
        (pid(&status["master"]["pid"]), pid(&status["master"]["keeper"]["pid"]))
    };
    let state = |of: u32| field(of, "status", "State").chars().next();
    terminal.press("\x1a");
    terminal.shows("Stopped");
    eventually("both are stopped", || {
        (state(master) == Some('T') && state(keeper) == Some('T')).then_some(())
    });
    terminal.press("fg\r");
    eventually("both go on", || (state(master) != Some('T') && state(keeper) != Some('T')).then_some(()));
    assert_eq!(home.status()["apps"][0]["ready"], 1);
    terminal.press("\x03");
    terminal.shows("web stops, asked by SIGINT");
    eventually("both are gone", || (!is_running(master) && !is_running(keeper)).then_some(()));
    terminal.press("exit 7\r");
    assert_eq!(terminal.end().code(), Some(7));
}

#[test]
fn another_master_goes_on_where_one_was_killed() {
    let home = Home::new();
    let (keeper, first) = up(&home, WEB);
    let worker = home.worker("web", 0, "started")["pid"].clone();
    signal(first, SIGKILL);
    let second = successor(&home, first);
    assert_eq!(home.worker("web", 0, "started")["pid"], worker, "it has noticed nothing");
    assert_eq!(field(second, "status", "PPid"), keeper.pid().to_string());
    let told = format!("pid {second} goes on: the last one (pid {first}) was killed by SIGKILL");
    let events = home.events();
    let replaced: Vec<_> = events.iter().filter(|event| event["event"] == "master_replaced").collect();
    assert!(replaced.len() == 1 && replaced[0]["detail"] == told.as_str(), "{replaced:#?}");
    // It is still the one process that holds the file, and that can be signalled.
    home.run(&["up"]).failed(1, &["already running", &format!("pid {};", keeper.pid())]);
    keeper.signal(SIGTERM);
    let ended = keeper.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for once in ["was killed by SIGKILL", "web/0 ready"] {
        assert_eq!(ended.stderr.matches(once).count(), 1, "{once}: {ended:#?}");
    }
    assert_eq!(ended.stderr.matches("web stops, asked by SIGTERM").count(), 1, "{ended:#?}");
}

#[test]
fn the_sixth_crash_within_a_minute_ends_everything() {
    let home = Home::new();
    let (keeper, mut master) = up(&home, WEB);
    let worker = pid(&home.worker("web", 0, "started")["pid"]);
    for _ in 0..5 {
        let crashed = master;
        signal(crashed, SIGKILL);
        master = successor(&home, crashed);
    }
    signal(master, SIGKILL);
    let ended = keeper.end();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("crashed more than 5 times within 60s"), "{ended:#?}");
    assert!(ended.stderr.ends_with("everything is ended\n"), "{ended:#?}");
    assert!(!is_running(worker));
    // As after any master that was killed, the next one finds the way clear.
    let next = home.start(&["up"]);
    next.says("web is running");
    home.down(next);
}

#[test]
fn in_the_background_it_is_the_process_that_is_named() {
    let home = Home::new();
    home.write("drover.toml", WEB);
    let started = home.run(&["up", "-d"]);
    assert_eq!(started.code, Some(0), "{started:#?}");
    let status = home.status();
    let (first, keeper) = (pid(&status["master"]["pid"]), pid(&status["master"]["keeper"]["pid"]));
    assert!(started.stderr.contains(&format!("keeper pid {keeper}\n")), "{started:#?}");
    let again = home.run(&["up", "-d"]);
    assert!(
        again.code == Some(0) && again.stderr.contains(&format!("pid {keeper} already runs")),
        "{again:#?}"
    );
    // The log of a successor is the one of that name, also after a rotation.
    fs::rename(home.path("d.log"), home.path("old.log")).unwrap();
    signal(keeper, SIGUSR1);
    eventually("the log by its name", || home.path("d.log").exists().then_some(()));
    signal(first, SIGKILL);
    let second = successor(&home, first);
    eventually("it tells there", || {
        let told = fs::read_to_string(home.path("d.log")).ok()?;
        told.contains(&format!("pid {second}) goes on")).then_some(())
    });
    assert_eq!(home.run(&["down"]).code, Some(0));
    eventually("both are gone", || (!is_running(second) && !is_running(keeper)).then_some(()));
}

#[test]
fn it_takes_little_memory_and_sleeps() {
    let home = Home::new();
    let (keeper, _) = up(&home, WEB);
    let pss = field(keeper.pid(), "smaps_rollup", "Pss");
    let _ =
        std::io::Write::write_all(&mut std::io::stderr(), format!("PSS of the keeper: {pss}\n").as_bytes());
    let switches = || field(keeper.pid(), "status", "voluntary_ctxt_switches");
    // Nothing is to be awaited: that nothing happens is what is looked at. A second after the last event it gives back memory, once.
    let looks = || {
        let before = switches();
        #[expect(
            clippy::disallowed_methods,
            reason = "that nothing happens meanwhile is what is to be seen"
        )]
        std::thread::sleep(std::time::Duration::from_millis(1500));
        (switches() == before).then_some(())
    };
    eventually("a second and a half in which it sleeps", looks);
    home.down(keeper);
}

#[test]
fn as_the_first_process_of_a_container_it_reaps_everybody() {
    if !nix::unistd::geteuid().is_root() {
        return skipped("only root may make a pid namespace");
    }
    let home = Home::new();
    let script = "(sleep 0.2 &) ; echo up; exec sleep 1000";
    home.write(
        "drover.toml",
        &format!("version = 1\n[app.web]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nworkers = 1\n"),
    );
    let drover = home.drover(&["up"]);
    let mut inside = Command::new("unshare");
    inside.args(["-pf", "--mount-proc", "--kill-child"]).arg(drover.get_program()).args(drover.get_args());
    inside.current_dir(home.dir());
    for (name, value) in drover.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    let unshare = Running::start(&mut inside);
    eventually("it runs, or can't", || {
        let said = unshare.stderr.text();
        (said.contains("web is running") || said.contains("unshare")).then_some(())
    });
    if unshare.stderr.text().contains("unshare:") {
        return skipped("no pid namespace can be made here");
    }
    let status = home.status();
    assert_eq!(status["master"]["keeper"]["pid"], 1, "{status}");
    let children = format!("/proc/{0}/task/{0}/children", unshare.pid());
    let keeper: u32 = fs::read_to_string(children).unwrap().trim().parse().unwrap();
    let own = || fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).unwrap();
    eventually("only its master is left of its children", || {
        (own().split_whitespace().count() == 1).then_some(())
    });
    signal(keeper, SIGTERM);
    let ended = unshare.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stderr.contains("web stops, asked by SIGTERM"), "{ended:#?}");
}

#[test]
fn a_master_that_hangs_is_replaced_before_the_service_manager_ends_everything() {
    let home = Home::new();
    home.write("drover.toml", WEB);
    let path = home.path("above.sock");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let mut command = home.drover(&["up"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "2000000").env_remove("WATCHDOG_PID");
    let keeper = Running::start(&mut command);
    keeper.says("web is running");
    let (first, worker) = (master(&home), pid(&home.worker("web", 0, "started")["pid"]));
    signal(first, SIGSTOP);
    let second = successor(&home, first);
    assert_eq!(pid(&home.worker("web", 0, "started")["pid"]), worker);
    keeper
        .says(&format!("the master (pid {first}) hangs: it made no progress for 1.5s; another one follows"));
    // The next one is watched, too.
    signal(second, SIGSTOP);
    successor(&home, second);
    assert_eq!(pid(&home.worker("web", 0, "started")["pid"]), worker);
    home.down(keeper);
    fs::remove_file(path).unwrap();
}
