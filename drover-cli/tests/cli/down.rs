//! `drover down`.

use nix::sys::signal::SIGINT;

use crate::harness::{Home, body, eventually, request};
use crate::signals::is_queue_empty;

#[test]
fn down_ends_everything_and_returns_when_the_socket_is_free() {
    let home = Home::new();
    let (demo, _) = home.demo(&[]);
    let down = home.run(&["down"]);
    assert!(!home.socket().exists(), "the socket is there after down has returned");
    assert_eq!((down.code, down.stdout.as_str()), (Some(0), ""));
    assert_eq!(down.stderr, "drover: shut down gracefully\n");
    assert_eq!(demo.end().code, Some(0));
}

#[test]
fn a_quiet_down_says_nothing() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    let down = home.run(&["down", "-q"]);
    assert_eq!((down.code, down.stdout.as_str(), down.stderr.as_str()), (Some(0), "", ""));
    assert_eq!(demo.end().code, Some(0));
}

#[test]
fn down_now_kills() {
    let home = Home::new();
    let (demo, addr) = home.demo(&["-n", "2"]);
    let slow = request(&addr, "/slow");
    let down = home.run(&["down", "--now"]);
    assert_eq!((down.code, down.stderr.as_str()), (Some(0), "drover: killed\n"));
    assert_eq!(demo.end().code, Some(137));
    drop(slow);
}

#[test]
fn a_request_under_way_is_finished() {
    let home = Home::new();
    let (demo, addr) = home.demo(&["-n", "2"]);
    let slow = request(&addr, "/slow");
    // Only what a worker has taken is under way to it.
    eventually("the request is taken", || is_queue_empty(&addr).then_some(()));
    let down = home.start(&["down"]);
    assert!(body(slow).starts_with("worker "));
    assert_eq!(down.end().code, Some(0));
    assert_eq!(demo.end().code, Some(0));
}

#[test]
fn two_who_ask_for_the_end_both_get_it() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "2"]);
    let (one, two) = (home.start(&["down"]), home.start(&["down"]));
    let (one, two) = (one.end(), two.end());
    // The second may come too late to find anybody.
    for down in [&one, &two] {
        assert!([Some(0), Some(6)].contains(&down.code), "{down:#?}");
    }
    assert!([one.code, two.code].contains(&Some(0)), "{one:#?} {two:#?}");
    assert_eq!(demo.end().code, Some(0));
}

#[test]
fn a_down_that_is_interrupted_says_that_the_end_goes_on() {
    let home = Home::new();
    // It takes its time to leave, until the test lets it.
    let script = "trap 'echo leaving; while ! [ -e may-leave ]; do sleep 0.1; done; exit 0' TERM; echo up; while :; do sleep 0.1; done";
    let master = home.start_sh(&[], script);
    master.prints("up");
    let down = home.start(&["down"]);
    master.prints("leaving");
    down.signal(SIGINT);
    let down = down.end();
    assert_eq!(
        (down.code, down.stderr.as_str()),
        (Some(130), "drover: interrupted; the shutdown continues\n")
    );
    home.write("may-leave", "");
    assert_eq!(master.end().code, Some(0));
}
