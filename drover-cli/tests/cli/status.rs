//! `drover status`, `ps`, `ls`.

use std::fs::File;
use std::process::Stdio;

use nix::pty::openpty;
use nix::sys::signal::{SIGINT, SIGKILL};

use crate::harness::{Captured, Home, is_running, signal};

#[test]
fn a_oneshot_that_has_done_its_work_is_completed_and_lacks_nothing() {
    let home = Home::new();
    let master = home.up(
        "[app.migrate]\ncommand = \"true\"\nkind = \"oneshot\"\n\
         [app.web]\ncommand = \"sleep 1000\"\nworkers = 1\nstart.min_uptime = \"50ms\"\ndepends_on = { migrate = \"completed\" }\n",
    );
    master.says("web is running");
    let status = home.run(&["status"]);
    assert_eq!(status.code, Some(0), "{status:#?}");
    assert!(status.stdout.contains("\nmigrate completed\n"), "{status:#?}");
    let row = status.stdout.lines().find(|line| line.starts_with(" migrate/0")).expect("it has a row");
    assert!(row.contains("completed") && row.ends_with("exited with code 0"), "{row}");
    assert_eq!(home.status()["apps"][0]["phase"], "shut_down");
    home.down(master);
}

#[test]
fn people_see_suspended_and_stopped() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    assert_eq!(home.run(&["suspend", "demo"]).code, Some(0));
    assert_eq!(home.run(&["wait", "demo", "--for", "suspended"]).stdout, "demo is suspended\n");
    let status = home.run(&["status"]);
    assert!(
        status.stdout.contains("demo suspended") && status.stdout.contains(" demo/0  suspended"),
        "{status:#?}"
    );
    assert_eq!(home.status()["apps"][0]["workers"][0]["phase"], "stopped");
    assert_eq!(home.run(&["stop", "demo"]).code, Some(0));
    assert_eq!(home.run(&["wait", "demo", "--for", "stopped"]).code, Some(0));
    let status = home.run(&["status"]);
    assert!(
        status.stdout.contains("demo stopped") && status.stdout.contains(" demo/0  stopped"),
        "{status:#?}"
    );
    home.down(demo);
}

#[test]
fn the_table_the_names_and_the_aliases_show_the_same_workers() {
    let home = Home::new();
    let (demo, addr) = home.demo(&["-n", "2"]);
    let table = home.run(&["status"]);
    assert_eq!((table.code, table.stderr.as_str()), (Some(0), ""), "{table:#?}");
    assert!(table.stdout.starts_with(&format!("master pid {}, version ", demo.pid())), "{table:#?}");
    assert!(table.stdout.contains(&format!("demo running, 2 of 2 ready, http={addr}")), "{table:#?}");
    let status = home.status();
    for slot in 0..2 {
        let pid = status["apps"][0]["workers"][slot]["pid"].to_string();
        let name = format!("demo/{slot}");
        let row = table.stdout.lines().find(|line| line.contains(&name)).unwrap();
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(&words[..3], [name.as_str(), "ready", &pid], "{row}");
    }
    assert!(!table.stdout.contains('\x1b'));
    assert!(home.run(&["--color", "always", "status"]).stdout.contains('\x1b'));
    assert_eq!(home.run(&["status", "-q"]).stdout, "demo/0\ndemo/1\n");
    for alias in ["ps", "ls"] {
        assert_eq!(home.run(&[alias, "-q", "demo"]).stdout, "demo/0\ndemo/1\n");
    }
    home.down(demo);
}

#[test]
fn the_json_has_the_promised_fields() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    let status = home.status();
    assert_eq!(status["master"]["pid"], demo.pid());
    assert!(status["master"]["version"].is_string() && status["master"]["uptime_ms"].is_u64(), "{status}");
    let app = status["apps"][0].as_object().unwrap();
    for field in ["name", "phase", "desired", "ready", "generation", "operation", "workers"] {
        assert!(app.contains_key(field), "{field} is not in {app:?}");
    }
    let worker = app["workers"][0].as_object().unwrap();
    let promised =
        ["id", "slot", "generation", "pid", "phase", "uptime_ms", "restarts", "next_try_ms", "last_exit"];
    for field in promised {
        assert!(worker.contains_key(field), "{field} is not in {worker:?}");
    }
    // What its process uses is seen by whoever may look at it.
    assert!(worker["resident_bytes"].as_u64().is_some_and(|bytes| bytes > 100_000), "{worker:?}");
    assert!(worker["cpu_ms"].is_u64() && worker["cpu_percent"].is_f64(), "{worker:?}");
    let table = home.run(&["status"]).stdout;
    let row = table.lines().find(|line| line.contains("demo/0")).expect("it has a row");
    assert!(row.contains('%') && row.contains("iB"), "{row}");
    home.down(demo);
}

#[test]
fn an_unknown_app_is_told_with_those_there_are() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    home.run(&["status", "dmeo"]).failed(4, &["no app `dmeo`", "there is demo"]);
    home.run(&["status", "--json", "demo", "x"]).failed(4, &["no app `x`"]);
    home.run(&["status", "--watch", "x"]).failed(4, &["no app `x`"]);
    home.run(&["status", "--watch", "--json"]).failed(2, &["--watch", "--json"]);
    home.down(demo);
}

#[test]
fn what_is_not_ready_yet_is_3_to_a_script() {
    let home = Home::new();
    let master = home.up("[app.slow]\ncommand = \"sleep 1000\"\nworkers = 1\nstart.min_uptime = \"1h\"\nstart.timeout = \"2h\"\nstart.max_timeout = \"2h\"\n");
    home.worker("slow", 0, "starting");
    let ended = home.run(&["status"]);
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    assert!(ended.stdout.contains("slow starting, 0 of 1 ready"), "{ended:#?}");
    // A start that is broken off by request is a graceful end.
    home.down(master);
}

#[test]
fn watch_shows_the_screen_again_when_something_changes_and_ends_with_the_master() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    let pty = openpty(None, None).unwrap();
    let stdout = Stdio::from(pty.slave.try_clone().unwrap());
    let mut watch = home.drover(&["status", "-w"]);
    let mut watch = watch.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::from(pty.slave)).spawn().unwrap();
    let screen = Captured::new(File::from(pty.master));
    screen.until("the first screen", |all| {
        (all.contains("\x1b[H\x1b[J") && all.contains("1 of 1 ready")).then_some(())
    });
    // On a terminal it is coloured.
    assert!(screen.text().contains("\x1b[32mrunning"), "{}", screen.text());
    let pid = home.worker("demo", 0, "started")["pid"].as_u64().unwrap();
    signal(u32::try_from(pid).unwrap(), SIGKILL);
    screen.until("the new screen", |all| {
        let last = all.rsplit("\x1b[H\x1b[J").next()?;
        (last.contains("by SIGKILL from outside") && last.contains("1 of 1 ready")).then_some(())
    });
    home.down(demo);
    let ended = crate::harness::eventually("the end of watch", || watch.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0), "{}", screen.text());
}

#[test]
fn watch_ends_when_it_is_interrupted_and_the_master_goes_on() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    let watch = home.start(&["status", "-w"]);
    watch.prints("1 of 1 ready");
    // The uptime grows, and is shown; into a pipe one after the other.
    watch.stdout.until("the next status", |all| (all.matches("1 of 1 ready").count() > 1).then_some(()));
    watch.signal(SIGINT);
    let ended = watch.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(!ended.stdout.contains('\x1b') && ended.stdout.contains("\n\ndemo"), "{ended:#?}");
    assert!(is_running(demo.pid()));
    home.down(demo);
}

#[test]
fn a_result_that_can_not_be_written_is_a_failure_and_a_reader_that_has_gone_is_none() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    for verb in
        [&["status"][..], &["events"], &["describe", "demo"], &["schema"], &["restart", "demo/0"], &["logs"]]
    {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = home.drover(verb);
        let output = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Nothing was printed by the demo's worker, so there is nothing to write.
        let expected = if verb == ["logs"] { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(expected), "{verb:?}: {said}");
        assert!(
            expected == 0 || said.contains("the result can't be written: No space left"),
            "{verb:?}: {said}"
        );
    }
    home.down(demo);
}
