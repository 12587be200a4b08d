//! `drover events`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::sys::signal::SIGINT;

use crate::harness::{Home, events_of, eventually};

#[test]
fn what_happened_is_told_in_order_with_the_promised_fields() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    let events = home.events();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], number + 1);
        let event = event.as_object().unwrap();
        let promised =
            ["seq", "time_ms", "app", "slot", "generation", "worker", "pid", "event", "phase", "exit"];
        for field in promised {
            assert!(event.contains_key(field), "{field} is not in {event:?}");
        }
    }
    let told: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(told, ["app_starting", "spawned", "starting", "handshaken", "started", "app_started"]);
    assert_eq!(events[1]["slot"], 0);
    assert_eq!(events[1]["pid"], home.status()["apps"][0]["workers"][0]["pid"]);
    let lines = home.run(&["events"]).stdout;
    assert_eq!(lines.lines().count(), events.len());
    assert!(lines.lines().nth(1).unwrap().contains("demo/0 @1 pid "), "{lines}");
    home.down(demo);
}

#[test]
fn since_shows_only_what_came_after() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    let last = home.status()["last_seq"].as_u64().unwrap();
    let later = home.run(&["events", "--json", "--since", &(last - 1).to_string()]);
    let seqs: Vec<u64> =
        events_of(&later.stdout).iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [last]);
    let none = home.run(&["events", "--since", &last.to_string()]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));
    // A number from the future is not a reason to fail, nor to tell old news.
    let future = home.run(&["events", "--since", &(last + 1000).to_string()]);
    assert_eq!((future.code, future.stdout.as_str()), (Some(0), ""));
    home.down(demo);
}

#[test]
fn following_ends_with_the_master_and_tells_its_end() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    let follower = home.start(&["events", "-f", "--json"]);
    follower.prints("\"app_started\"");
    home.down(demo);
    let ended = follower.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:#?}");
    let events = events_of(&ended.stdout);
    let exit = &events.iter().find(|event| event["event"] == "exited").unwrap()["exit"];
    assert_eq!((&exit["kind"], &exit["code"]), (&"normal_exit".into(), &0.into()));
    assert!(exit["asked_by"].as_str().unwrap().starts_with("drover (pid "), "{exit}");
    assert_eq!(events.last().unwrap()["event"], "app_ended");
}

#[test]
fn following_can_be_interrupted() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    let follower = home.start(&["events", "-f"]);
    follower.prints("app started");
    follower.signal(SIGINT);
    assert_eq!(follower.end().code, Some(0));
    home.down(demo);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "4"]);
    for args in [&["events"][..], &["events", "--json"], &["status"], &["status", "-w"]] {
        let mut command = home.drover(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        let status = eventually("its end", || child.try_wait().unwrap());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
        assert_eq!(status.code(), Some(0), "{args:?}");
    }
    home.down(demo);
}
