//! `drover up`: several apps from a file.

use std::fs;
use std::process::Command;

use crate::harness::{Home, Running};

const TWO: &str = r#"
sockets.http.listen = "127.0.0.1:0"
[app.one]
command = ["sh", "-c", "echo $LISTEN_FDNAMES; exec sleep 1000"]
workers = 2
sockets = ["http"]
[app.two]
command = "sleep 1000"
workers = 1
sockets = ["http"]
"#;

fn write(home: &Home, toml: &str) {
    home.write("drover.toml", &format!("version = 1\n{toml}"));
}

#[test]
fn two_apps_start_and_share_a_socket() {
    let home = Home::new();
    let master = home.up(TWO);
    master.says("two is running");
    master.says("one is running");
    let status = home.status();
    let names: Vec<&str> =
        status["apps"].as_array().unwrap().iter().filter_map(|app| app["name"].as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(status["apps"][0]["listeners"], status["apps"][1]["listeners"]);
    assert_eq!(home.run(&["status", "-q", "two"]).stdout, "two/0\n");
    let ended = home.down(master);
    assert_eq!(ended.stdout.matches("one/").count(), 2, "{ended:#?}");
    assert!(ended.stdout.lines().all(|line| line.ends_with("| http")), "{ended:#?}");
}

#[test]
fn only_some_apps_can_be_run() {
    let home = Home::new();
    write(&home, TWO);
    let master = home.start(&["up", "--only", "two"]);
    master.says("two is running");
    assert_eq!(home.run(&["status", "-q"]).stdout, "two/0\n");
    home.run(&["status", "one"]).failed(4, &["no app `one`"]);
    home.down(master);
    home.run(&["up", "--only", "two,three"])
        .failed(4, &["no app `three` in /", "/drover.toml; there is one, two"]);
}

#[test]
fn an_app_that_fails_to_start_stops_the_others() {
    let home = Home::new();
    let toml = "[app.good]\ncommand = \"sleep 1000\"\nworkers = 2\n[app.bad]\ncommand = [\"sh\", \"-c\", \"echo no database >&2; exit 9\"]\nworkers = 1\n";
    let ended = home.up(toml).end();
    ended.failed(1, &["app `bad` failed to start: worker 0 exited with code 9 while starting"]);
    assert!(ended.stderr.ends_with("its last words on stderr:\n  no database\n"), "{ended:#?}");
}

#[test]
fn an_app_whose_port_is_taken_stops_the_others() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let toml = format!(
        "[sockets]\nhttp.listen = \"{addr}\"\n[app.good]\ncommand = \"sleep 1000\"\nworkers = 1\n[app.bad]\ncommand = \"sleep 1000\"\nworkers = 1\nsockets = [\"http\"]\n"
    );
    home.up(&toml).end().failed(1, &["app `bad` can't listen", "listener `http`", &addr.to_string()]);
}

#[test]
fn keep_going_leaves_the_others_running_and_tries_again() {
    let home = Home::new();
    write(
        &home,
        "[app.good]\ncommand = \"sleep 1000\"\nworkers = 1\n[app.late]\ncommand = [\"sh\", \"-c\", \"[ -e ready ] && exec sleep 1000; exit 9\"]\nworkers = 1\n",
    );
    let master = home.start(&["up", "--keep-going"]);
    master.says("late/0 tries again in");
    home.worker("good", 0, "started");
    home.write("ready", "");
    let late = home.worker("late", 0, "started");
    assert!(late["restarts"].as_u64().unwrap() >= 1, "{late}");
    home.down(master);
}

#[test]
fn when_all_apps_have_completed_it_ends_well() {
    let home = Home::new();
    let toml = "[app.one]\ncommand = \"true\"\nrestart = \"on-failure\"\nworkers = 2\n[app.two]\ncommand = [\"sh\", \"-c\", \"sleep 1.2\"]\nrestart = \"never\"\nworkers = 1\n";
    let ended = home.up(toml).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.errors().is_empty(), "{ended:#?}");
}

#[test]
fn its_name_is_the_files_or_the_directorys() {
    let home = Home::new();
    let is_served_as = |name: &str| {
        let entries = fs::read_dir(home.path("run/drover")).unwrap().flatten();
        let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        // Behind the name stands what tells the file from others.
        names.any(|file| {
            let mark = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".sock"));
            mark.is_some_and(|mark| mark.len() == 8)
        })
    };
    let directory = home.dir().file_name().unwrap().to_str().unwrap();
    for (line, name) in [("", directory), ("master.name = \"shop\"", "shop")] {
        write(&home, &format!("{line}\n[app.a]\ncommand = \"sleep 1000\"\nworkers = 1\n"));
        let master = Running::start(&mut home.bare(&["up"]));
        master.says("is running");
        assert!(is_served_as(name), "{name}");
        // And so it is found from here.
        assert_eq!(Running::start(&mut home.bare(&["down"])).end().code, Some(0));
        assert_eq!(master.end().code, Some(0));
    }
}

/// A file by whatever can be read only once.
const ONCE: &str =
    "version = 1\n[app.web]\ncommand = \"sleep 1000\"\nworkers = 1\nstart.min_uptime = \"50ms\"\n";

#[test]
fn a_file_that_can_be_read_only_once_is_read_once_also_for_a_master_in_the_background() {
    let home = Home::new();
    home.write("in.toml", ONCE);
    let program = env!("CARGO_BIN_EXE_drover");
    let socket = home.socket();
    let shell = |script: &str| {
        let script = script.replace("DROVER", &format!("{program} -s {}", socket.display()));
        let drover = home.bare(&[]);
        let mut command = Command::new("bash");
        command.args(["--norc", "-c", &script]).current_dir(home.dir());
        command.envs(drover.get_envs().filter_map(|(key, value)| Some((key, value?))));
        Running::start(&mut command).end()
    };
    for up in [
        "DROVER up -d -f - < in.toml",
        "cat in.toml | DROVER up -d -f -",
        "DROVER up -d -f <(cat in.toml)",
        "mkfifo fifo; cat in.toml > fifo & DROVER up -d -f fifo",
        "cat in.toml | DROVER up -f - 2>log & until grep -q 'web is running' log; do sleep 0.02; done",
    ] {
        let ended =
            shell(&format!("{up} || exit 9; DROVER status && DROVER config -f - < in.toml && DROVER down"));
        assert_eq!(ended.code, Some(0), "{up}: {ended:#?}");
        assert!(ended.stdout.contains("web running, 1 of 1 ready"), "{up}: {ended:#?}");
    }
    let ended =
        shell("DROVER up -d -f - < in.toml && DROVER reload web && DROVER diff; DROVER apply; DROVER down");
    assert!(
        ended.stderr.contains("was read from standard input or a pipe, and can't be read again"),
        "{ended:#?}"
    );
    assert!(!ended.stderr.contains("has mistakes"), "{ended:#?}");
    let mistaken = shell("echo 'version = 2' | DROVER up -d -f -");
    assert!(
        mistaken.code == Some(2) && mistaken.stderr.contains("version 2 of drover.toml"),
        "{mistaken:#?}"
    );
}
