//! Drover as the first process of containers that allow little.

mod filtered;
mod room;

use std::fs;

use nix::sys::signal::{SIGINT, SIGTERM, Signal};

use self::room::{Room, USER, children, first_process};
use crate::harness::{eventually, is_running, signal};

/// A worker that leaves an orphan behind, which ends while the worker goes on.
const LEAVES_ORPHANS: &str = r#"[app.web]
workers = 2
command = ["sh", "-c", "(sleep 0.1 &); (sleep 0.2 &); echo here; exec sleep 1000"]
"#;

/// Gives up soon.
const LIMITED: &str = r#"start = { min_uptime = "10ms" }
restart = { limit = { count = 1, within = "5m", then = "stop-app" }, backoff = { initial = "10ms", max = "10ms" } }"#;

fn field(pid: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect(name).trim().to_owned()
}

/// Starts, is looked at from outside, and ends by a signal; what it said.
fn served_and_ended(proc: &'static str, by: Signal) -> Option<String> {
    let room = Room::new(proc)?;
    room.describe(LEAVES_ORPHANS);
    let container = room.start(&["up", "-f", "/tmp/drover.toml"]);
    container.says("web is running: every worker is ready");
    let first = first_process(&container);
    // The container is what it is meant to be.
    assert_eq!(field(first, "NSpid").split_whitespace().last(), Some("1"));
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(first, set), "0000000000000000", "{set}");
    }
    assert_eq!(field(first, "NoNewPrivs"), "1");
    assert!(fs::write(format!("/proc/{first}/root/etc"), "").is_err());

    let status = room.status();
    let workers = status["apps"][0]["workers"].as_array().expect("there is an app");
    assert!(workers.iter().all(|worker| worker["phase"] == "started"), "{status:#}");
    container.stdout.until("both workers", |all| (all.matches("here").count() == 2).then_some(()));
    eventually("the orphans are reaped", || {
        // The first process is the keeper, and inherits them.
        let [master] = children(first)[..] else { return None };
        let left = children(master);
        (left.len() == 2 && left.iter().all(|pid| is_running(*pid))).then_some(())
    });

    signal(first, by);
    let ended = container.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.stderr.matches("was ended by SIGTERM, as asked").count(), 2, "{ended:#?}");
    assert!(ended.errors().is_empty(), "{ended:#?}");
    let left: Vec<_> = fs::read_dir(room.tmp(&format!("drover-{USER}"))).expect("it was made").collect();
    assert!(left.is_empty(), "{left:?}");
    Some(ended.stderr)
}

#[test]
fn a_user_without_a_name_or_rights_needs_no_more_than_a_tmp_that_everybody_may_write_to() {
    if let Some(said) = served_and_ended("hidepid=2", SIGTERM) {
        assert!(said.contains("asked by SIGTERM"), "{said}");
        assert!(said.contains(&format!("control socket /tmp/drover-{USER}/")), "{said}");
    }
}

#[test]
fn without_proc_workers_are_served_and_orphans_reaped_too() {
    if let Some(said) = served_and_ended("none", SIGINT) {
        assert!(said.contains("asked by SIGINT"), "{said}");
        assert!(said.contains("/proc can't be read"), "{said}");
    }
}

#[test]
fn workers_with_the_protocol_find_their_master_there() {
    let Some(room) = Room::new("hidepid=2") else { return };
    let container = room.start(&["demo", "-l", "127.0.0.1:0", "--workers", "2"]);
    container.says("demo is running: every worker is ready");
    assert_eq!(room.status()["apps"][0]["workers"].as_array().unwrap().len(), 2);
    signal(first_process(&container), SIGTERM);
    let ended = container.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.stderr.matches("exited with code 0 while quitting").count(), 2, "{ended:#?}");
    let left: Vec<_> = fs::read_dir(room.tmp(&format!("drover-workers-{USER}"))).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_container_ends_with_the_code_and_the_last_words_of_what_happened_in_it() {
    let Some(room) = Room::new("hidepid=2") else { return };
    let app = |command: &str, rest: &str| {
        format!("[app.job]\nworkers = 1\ncommand = [\"sh\", \"-c\", \"{command}\"]\n{rest}\n")
    };
    let fails_later = "[ -e /tmp/up ] && echo no database >&2 && exit 3; touch /tmp/up; sleep 0.1; exit 4";
    for (toml, code, last_words) in [
        (app("exit 0", "kind = \"oneshot\""), 0, &[][..]),
        (app("echo no database >&2; exit 3", ""), 1, &["app `job` failed to start", "\n  no database\n"]),
        (app(fails_later, LIMITED), 1, &["app `job` failed: ", "\n  no database\n"]),
        ("[app.job]\ncommand = 7\n".to_owned(), 2, &["app.job.command", "/tmp/drover.toml:3:11"]),
    ] {
        let log = room.writable("termination-log");
        room.describe(&toml);
        let ended = room.start(&["up", "-f", "/tmp/drover.toml"]).end();
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        let told = fs::read_to_string(log).unwrap();
        assert_eq!(told.is_empty(), last_words.is_empty(), "{told}: {ended:#?}");
        for words in last_words {
            assert!(told.contains(words), "{words}: {told}: {ended:#?}");
        }
    }
}

#[test]
fn with_nowhere_to_write_the_sentence_says_what_to_name() {
    let Some(room) = Room::new("hidepid=2") else { return };
    room.describe(LEAVES_ORPHANS);
    // Where the tests run as this very user, it may change its own directory; in a container that is not so.
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    fs::set_permissions(room.home.path("tmp"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let ended = room.start(&["up", "-f", "/tmp/drover.toml"]).end();
    ended.failed(
        1,
        &["the directory `/tmp/drover-54321` for the control socket can't be used; name a socket with -s"],
    );
}
