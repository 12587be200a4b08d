//! `drover up -d`: the master in the background.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SIGHUP, SIGINT, SIGKILL, SIGUSR1, killpg};
use nix::unistd::Pid;

use crate::harness::{Home, Running, is_running, signal};

const SOON: &str = "[app.web]\ncommand = [\"sh\", \"-c\", \"echo hello; exec sleep 1000\"]\nworkers = 2\nstart.min_uptime = \"50ms\"\n";

/// Not ready for as long as a test looks, nor without the file `go`.
const LATE: &str = "[app.late]\ncommand = [\"sh\", \"-c\", \"echo waits; while [ ! -e go ]; do sleep 0.05; done; exit 0\"]\n\
                    workers = 1\nkind = \"oneshot\"\n[app.web]\ncommand = \"sleep 1000\"\nworkers = 1\ndepends_on = { late = \"ready\" }\n";

fn write(home: &Home, toml: &str) {
    home.write("drover.toml", &format!("version = 1\n{toml}"));
}

/// The process that was started.
fn keeper_pid(home: &Home) -> u32 {
    let pid = home.status()["master"]["keeper"]["pid"].as_u64();
    pid.and_then(|pid| pid.try_into().ok()).expect("a keeper has a pid")
}

/// Ends the master, which nobody waits for.
fn down(home: &Home) {
    let pid = keeper_pid(home);
    let down = home.run(&["down"]);
    assert_eq!(down.code, Some(0), "{down:?}");
    assert!(!is_running(pid));
}

#[test]
fn it_returns_when_every_app_is_ready_and_the_master_goes_on() {
    let home = Home::new();
    write(&home, SOON);
    let ended = home.run(&["up", "-d"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:#?}");
    let (socket, log) = (home.socket(), home.path("d.log"));
    for part in [
        format!("control socket {}", socket.display()),
        format!("log {}", log.display()),
        "every app is ready".into(),
    ] {
        assert!(ended.stderr.contains(&part), "{part} is not in {ended:#?}");
    }
    assert_eq!(home.run(&["status"]).code, Some(0));
    // The keeper: what ends all of it, by whatever signal.
    let pid = keeper_pid(&home);
    assert!(ended.stderr.contains(&format!("keeper pid {pid}\n")), "{ended:#?}");
    // proc_pid_stat(5): the session is the fourth field after the name.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert_eq!(stat.rsplit(") ").next().unwrap().split(' ').nth(3), Some(&*pid.to_string()), "{stat}");
    assert_eq!(fs::read_link(format!("/proc/{pid}/fd/0")).unwrap().to_str(), Some("/dev/null"));
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    down(&home);
    let told = fs::read_to_string(&log).unwrap();
    assert!(told.contains("web/0 | hello\n") && told.contains("web shut down"), "{told}");
}

#[test]
fn a_failed_start_is_told_as_in_the_foreground() {
    let home = Home::new();
    write(&home, "[app.bad]\ncommand = [\"sh\", \"-c\", \"echo no database >&2; exit 9\"]\nworkers = 1\n");
    let ended = home.run(&["up", "-d"]);
    ended.failed(1, &["app `bad` failed to start: worker 0 exited with code 9 while starting"]);
    assert!(ended.stderr.ends_with("its last words on stderr:\n  no database\n"), "{ended:#?}");
    assert!(fs::read_to_string(home.path("d.log")).unwrap().contains("app `bad` failed to start"));
    write(&home, "[app.bad]\ncomand = \"x\"\n");
    let mistaken = home.run(&["up", "-d"]);
    assert!(mistaken.code == Some(2) && mistaken.stderr.contains("did you mean `command`?"), "{mistaken:#?}");
    write(&home, SOON);
    home.run(&["up", "-d", "--only", "nosuch"]).failed(4, &["no app `nosuch`"]);
    home.run(&["up", "-d", "--log", "no/such/dir"]).failed(1, &["no/such/dir", "No such file"]);
}

#[test]
fn its_log_is_opened_again_after_a_rotation() {
    let home = Home::new();
    write(&home, SOON);
    let moved = home.path("own.log.1");
    assert_eq!(home.run(&["up", "-d", "--log", "own.log"]).code, Some(0));
    fs::rename(home.path("own.log"), &moved).unwrap();
    signal(home.master_pid(), SIGUSR1);
    let mode = crate::harness::eventually("the log by its name", || {
        Some(fs::metadata(home.path("own.log")).ok()?.permissions().mode() & 0o777)
    });
    assert_eq!(mode, 0o600);
    assert_eq!(home.run(&["restart", "web"]).code, Some(0));
    down(&home);
    let (before, after) =
        (fs::read_to_string(&moved).unwrap(), fs::read_to_string(home.path("own.log")).unwrap());
    assert!(before.contains("web/0 | hello\n") && !before.contains("shut down"), "{before}");
    assert!(after.contains("web/0 | hello\n") && after.contains("web shut down"), "{after}");
}

#[test]
fn its_log_has_times_and_is_bounded() {
    let home = Home::new();
    // A little more than one file may have.
    let script = "yes $(printf %01000d 7) | head -c 20000000; echo; echo all; exec sleep 1000";
    write(&home, &format!("[app.a]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nworkers = 1\n"));
    assert_eq!(home.run(&["up", "-d", "--log", "own.log"]).code, Some(0));
    crate::harness::eventually("all is written", || {
        fs::read_to_string(home.path("own.log")).is_ok_and(|text| text.contains("a/0 | all\n")).then_some(())
    });
    down(&home);
    let size = |name: &str| fs::metadata(home.path(name)).map_or(0, |file| file.len());
    let sizes = ["own.log", "own.log.1", "own.log.2"].map(size);
    assert!((1..10 << 20).contains(&sizes[0]) && (16 << 20..18 << 20).contains(&sizes[1]), "{sizes:?}");
    assert_eq!(sizes[2], 0);
    let text = fs::read_to_string(home.path("own.log")).unwrap();
    let line = text.lines().find(|line| line.ends_with("a/0 | all")).unwrap();
    assert!(line.starts_with("20") && line[..25].ends_with("Z "), "{line}");
}

#[test]
fn a_worker_that_starts_a_master_in_the_background_leaves_it_to_itself() {
    let home = Home::new();
    write(&home, SOON);
    let inner = home.path("inner.sock");
    let inner = inner.to_str().unwrap();
    let ended = home.run_sh(&[], &format!("{} -s {inner} up -d", env!("CARGO_BIN_EXE_drover")));
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let ended = Running::start(home.bare(&["-s", inner, "down"]).stdin(std::process::Stdio::null())).end();
    assert_eq!(ended.code, Some(0), "the other master has outlived the worker that started it: {ended:#?}");
}

#[test]
fn a_second_master_of_the_same_file_is_refused() {
    let home = Home::new();
    write(&home, SOON);
    assert_eq!(home.run(&["up", "--wait", "--log", "own.log"]).code, Some(0));
    let pid = keeper_pid(&home);
    home.run(&["up"]).failed(1, &["drover.toml` is already running", &format!("pid {pid};")]);
    // In the background it is there already, as it is to be.
    let again = home.run(&["up", "-d", "--log", "own.log"]);
    assert!(
        again.code == Some(0) && again.stderr.contains(&format!("keeper pid {pid} already runs")),
        "{again:#?}"
    );
    write(&home, &SOON.replace("50ms", "60ms"));
    let changed = home.run(&["up", "-d", "--log", "own.log"]);
    changed.failed(
        1,
        &[&format!("(pid {pid})"), "the file differs from what it runs; `drover apply` applies the file"],
    );
    assert!(changed.stderr.contains("app.web.start.min_uptime"), "{changed:#?}");
    // Whatever makes new workers gives them what runs, and says so.
    for verb in [&["reload", "web"][..], &["restart", "web"], &["start", "web"]] {
        let done = home.run(verb);
        assert_eq!(done.code, Some(0), "{done:#?}");
        assert!(done.stderr.contains("differs from what runs, in app.web.start.min_uptime;"), "{done:#?}");
    }
    write(&home, "nonsense");
    let mistaken = home.run(&["reload", "web"]);
    assert!(
        mistaken.code == Some(0) && mistaken.stderr.contains("drover.toml has mistakes now"),
        "{mistaken:#?}"
    );
    assert_eq!(keeper_pid(&home), pid);
    // Nobody was started who could have written to the log of the first.
    let told = fs::read_to_string(home.path("own.log")).unwrap();
    assert!(told.contains("web is running") && !told.contains("error"), "{told}");
    down(&home);
}

#[test]
fn without_waiting_it_returns_once_the_master_can_be_asked() {
    let home = Home::new();
    write(&home, LATE);
    let ended = home.run(&["up", "-d", "--no-wait"]);
    assert!(ended.code == Some(0) && !ended.stderr.contains("every app is ready"), "{ended:#?}");
    assert_eq!(home.run(&["status"]).code, Some(3));
    home.write("go", "");
    assert_eq!(home.run(&["wait", "*", "--for", "ready"]).code, Some(0));
    down(&home);
    home.run(&["up", "--no-wait"]).failed(2, &["required"]);
    home.run(&["up", "--detached"]).failed(2, &["--detached is for `drover up -d` itself"]);
}

#[test]
fn a_timeout_and_ctrl_c_end_the_waiting_and_not_the_start() {
    let home = Home::new();
    write(&home, LATE);
    home.run(&["up", "-d", "--timeout", "200ms"])
        .failed(124, &["not ready within 200ms", "the start continues"]);
    home.write("go", "");
    assert_eq!(home.run(&["wait", "*", "--for", "ready"]).code, Some(0));
    down(&home);
    fs::remove_file(home.path("go")).unwrap();
    let waiting = home.start(&["up", "-d"]);
    waiting.says("log ");
    waiting.signal(SIGINT);
    let ended = waiting.end();
    assert!(ended.code == Some(130) && ended.stderr.contains("the start continues"), "{ended:#?}");
    home.write("go", "");
    assert_eq!(home.run(&["wait", "*", "--for", "ready"]).code, Some(0));
    down(&home);
}

#[test]
fn neither_the_death_of_its_parent_nor_a_hangup_of_the_terminal_ends_it() {
    let home = Home::new();
    write(&home, LATE);
    // As a shell does it: the job is a process group, and the hangup goes to all of it.
    let job = Running::start(home.drover(&["up", "-d"]).process_group(0));
    job.says("log ");
    killpg(Pid::from_raw(job.pid().try_into().unwrap()), SIGHUP).unwrap();
    assert_eq!(job.end().code, None);
    // The same in another file, as a file has one master.
    fs::copy(home.path("drover.toml"), home.path("other.toml")).unwrap();
    let parent = Running::start(&mut home.bare(&["-s", "k.sock", "up", "-d", "-f", "other.toml"]));
    parent.says("log ");
    parent.signal(SIGKILL);
    parent.end();
    home.write("go", "");
    for socket in ["d.sock", "k.sock"] {
        for verb in [&["wait", "*", "--for", "ready"][..], &["down"]] {
            let ended = Running::start(&mut home.bare(&[&["-s", socket], verb].concat())).end();
            assert_eq!(ended.code, Some(0), "{socket}: {ended:#?}");
        }
    }
}

#[test]
fn it_starts_without_any_stdio_and_keeps_nothing_open_of_its_parents() {
    let home = Home::new();
    write(&home, SOON);
    let shell = |home: &Home, script: &str| {
        let drover = home.drover(&["up", "-d"]);
        let mut command = Command::new("sh");
        command
            .args(["-c", script, "sh"])
            .arg(drover.get_program())
            .args(drover.get_args())
            .current_dir(home.dir());
        for (key, value) in drover.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        Running::start(&mut command).end()
    };
    let ended = shell(&home, "\"$@\" <&- >&- 2>&-; echo $?");
    assert_eq!(ended.stdout, "0\n", "{ended:#?}");
    down(&home);
    // Its stdout ends although the master lives, as that of an ssh has to.
    let ended = shell(&home, "exec 7>&1 9>&2; \"$@\" >/dev/null; echo $?");
    assert_eq!(ended.stdout, "0\n", "{ended:#?}");
    down(&home);
}

#[test]
fn below_a_keeper_the_start_goes_on_though_the_master_dies() {
    let home = Home::new();
    write(&home, LATE);
    let waiting = home.start(&["up", "-d"]);
    waiting.says("log ");
    home.worker("late", 0, "starting");
    let master = home.master_pid();
    signal(master, SIGKILL);
    waiting.says("the master crashed, and another one goes on with the start");
    home.write("go", "");
    let ended = waiting.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:#?}");
    assert!(ended.stderr.contains("every app is ready"), "{ended:#?}");
    assert_ne!(home.master_pid(), master);
    down(&home);
}

#[test]
fn a_master_that_dies_is_told_with_the_last_lines_of_its_log() {
    let home = Home::new();
    write(&home, LATE);
    let waiting = home.start(&["up", "-d", "--no-keeper"]);
    waiting.says("log ");
    home.worker("late", 0, "starting");
    let pid = home.master_pid();
    crate::harness::eventually("the worker's line", || {
        fs::read_to_string(home.path("d.log")).unwrap().contains("late/0 | waits").then_some(())
    });
    signal(pid, SIGKILL);
    let ended = waiting.end();
    ended.failed(1, &["the master died before every app was ready", "SIGKILL"]);
    assert!(
        ended.stderr.contains("the last lines of its log ") && ended.stderr.contains(" late/0 | waits\n"),
        "{ended:#?}"
    );
    // Whoever comes next clears away what it has left.
    home.write("go", "");
    assert_eq!(home.run(&["up", "-d"]).code, Some(0));
    down(&home);
}
