//! Ctrl-C and its kin, to the master.

use nix::sys::signal::{
    SIGALRM, SIGINT, SIGIO, SIGPROF, SIGPWR, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGVTALRM,
    SIGXCPU, SIGXFSZ,
};

use crate::harness::{Home, Running, body, eventually, request};

/// Ignores what it is asked, and tells when it is asked; so late that the next signal to the master is a wish of its own.
const STUBBORN: &str = "trap 'sleep 0.6; echo asked' INT; trap 'sleep 0.6; echo pressed' TERM; echo up; while :; do sleep 0.1; done";

#[test]
fn the_first_signal_ends_gracefully() {
    for signal in [SIGINT, SIGTERM] {
        let home = Home::new();
        let (demo, _) = home.demo(&["-n", "2"]);
        demo.signal(signal);
        let ended = demo.end();
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert!(ended.stderr.contains(&format!("demo stops, asked by {signal}")), "{ended:#?}");
        assert!(!home.socket().exists());
    }
}

#[test]
fn a_signal_without_a_meaning_ends_nothing_and_a_line_says_what_has_one() {
    let home = Home::new();
    let master = home.start_sh(&[], "echo up; exec sleep 1000");
    master.prints("up");
    home.worker("app", 0, "started");
    for signal in [SIGXFSZ, SIGTTIN, SIGTTOU] {
        master.signal(signal);
    }
    let useless = [SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGXCPU];
    for signal in useless {
        master.signal(signal);
        master.says(&format!("{signal} does nothing to a master: SIGTERM ends it, SIGHUP reloads"));
    }
    let real_time = format!("kill -{} {}", nix::libc::SIGRTMIN() + 3, master.pid());
    assert!(std::process::Command::new("sh").args(["-c", &real_time]).status().unwrap().success());
    master.says("SIGRTMIN+3 does nothing to a master");
    master.signal(SIGUSR1);
    master.says("SIGUSR1 opens log files again; neither stdout nor stderr is one");
    home.worker("app", 0, "started");
    master.signal(SIGQUIT);
    let ended = master.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stderr.contains("app stops, asked by SIGQUIT"), "{ended:#?}");
}

#[test]
fn a_request_under_way_when_it_is_interrupted_is_finished() {
    let home = Home::new();
    let (demo, addr) = home.demo(&["-n", "2"]);
    let slow = request(&addr, "/slow");
    eventually("the request is taken", || is_queue_empty(&addr).then_some(()));
    demo.signal(SIGINT);
    demo.says("demo stops, asked by SIGINT");
    assert!(body(slow).starts_with("worker "));
    assert_eq!(demo.end().code, Some(0));
}

fn stubborn(home: &Home, times: &str) -> Running {
    let toml = format!(
        "[app.app]\nworkers = 1\nstop.signal = \"INT\"\n{times}\ncommand = [\"sh\", \"-c\", {STUBBORN:?}]\n"
    );
    let master = home.up(&toml);
    master.prints("app/0 | up");
    home.worker("app", 0, "started");
    master
}

#[test]
fn a_second_signal_hurries_and_a_third_kills() {
    let home = Home::new();
    let master = stubborn(&home, "");
    master.signal(SIGINT);
    master.prints("app/0 | asked");
    master.signal(SIGTERM);
    master.prints("app/0 | pressed");
    master.signal(SIGINT);
    let ended = master.end();
    assert_eq!(ended.code, Some(137), "{ended:#?}");
    assert!(ended.stderr.contains("app/0 stopped: was ended by SIGKILL"), "{ended:#?}");
    assert!(ended.stderr.ends_with("drover: killed\n"), "{ended:#?}");
    assert!(ended.errors().is_empty(), "{ended:#?}");
}

#[test]
fn a_second_signal_kills_who_has_been_sent_sigterm_already() {
    let home = Home::new();
    let master =
        home.start_sh(&[], "trap 'sleep 0.6; echo asked' TERM; echo up; while :; do sleep 0.1; done");
    master.prints("app/0 | up");
    master.signal(SIGINT);
    master.prints("app/0 | asked");
    master.signal(SIGTERM);
    let ended = master.end();
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert!(ended.stderr.contains("was ended by SIGKILL: its end was hurried"), "{ended:#?}");
    assert!(ended.stderr.ends_with("drover: a second signal came before every app had ended, so work under way may have been cut off\n"), "{ended:#?}");
}

#[test]
fn who_ignores_the_stop_is_pressed_and_then_killed_each_after_its_time() {
    let home = Home::new();
    let master = stubborn(&home, "stop.drain_timeout = \"2s\"\nstop.term_timeout = \"2s\"");
    let follower = home.start(&["events", "-f", "--json"]);
    follower.prints("app_started");
    master.signal(SIGTERM);
    let ended = master.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.stdout, "app/0 | up\napp/0 | asked\napp/0 | pressed\n");
    let events = crate::harness::events_of(&follower.end().stdout);
    let exit = &events.iter().find(|event| event["event"] == "exited").unwrap()["exit"];
    assert_eq!(exit["kind"], "killed_by_master");
    assert_eq!(exit["cause"], "stop_deadline");
    assert_eq!(exit["signal"], "SIGKILL");
    assert_eq!(exit["asked_by"], "SIGTERM");
}

#[test]
fn a_start_that_is_interrupted_is_a_graceful_end() {
    let home = Home::new();
    let master = home.start_sh(&[], "echo up; exec sleep 1000");
    master.prints("up");
    master.signal(SIGINT);
    let ended = master.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.errors().is_empty(), "{ended:#?}");
}

/// Whether nobody waits to be accepted: the receive queue of a listener is its accept queue (`/proc/net/tcp`).
pub(crate) fn is_queue_empty(addr: &str) -> bool {
    let port: u16 =
        addr.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("an address has a port");
    let table = std::fs::read_to_string("/proc/net/tcp").expect("there is a /proc");
    let listener = table.lines().find(|line| line.contains(&format!(":{port:04X} 00000000:0000 0A")));
    listener.is_some_and(|line| line.contains(" 00000000:00000000 "))
}
