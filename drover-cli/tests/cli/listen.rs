//! `-l NAME=ADDR`: sockets that workers inherit.

use std::net::TcpListener;
use std::os::unix::net::UnixStream;

use crate::harness::{Home, get};

const SAY: &str = "echo $LISTEN_FDS $LISTEN_FDNAMES; [ \"$LISTEN_PID\" = $$ ] && echo own; readlink /proc/self/fd/3 /proc/self/fd/4";

#[test]
fn a_worker_gets_its_sockets_from_descriptor_3_with_their_names_and_its_own_pid() {
    let home = Home::new();
    let unix = format!("admin=unix:{}", home.path("admin.socket").display());
    let ended = home.run_sh(&["-l", "http=127.0.0.1:0", "-l", &unix], SAY);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let lines: Vec<&str> = ended.stdout.lines().map(|line| line.strip_prefix("app/0 | ").unwrap()).collect();
    assert_eq!(lines[..2], ["2 http:admin", "own"]);
    assert!(lines[2].starts_with("socket:") && lines[3].starts_with("socket:"), "{lines:?}");
    assert!(!home.path("admin.socket").exists(), "the path is left behind");
}

#[test]
fn a_connection_waits_for_a_worker_at_the_address_that_status_shows() {
    let home = Home::new();
    let unix = home.path("app.socket");
    let unix_arg = format!("b=unix:{}", unix.display());
    let master = home.start_sh(&["-l", "a=127.0.0.1:0", "-l", &unix_arg], "exec sleep 1000");
    let listeners = home.until("its listeners", |status| {
        let listeners = status["apps"][0]["listeners"].as_array()?;
        let shown: Vec<String> =
            listeners.iter().filter_map(|shown| Some(shown.as_str()?.to_owned())).collect();
        (shown.len() == 2).then_some(shown)
    });
    assert!(std::net::TcpStream::connect(listeners[0].strip_prefix("a=").unwrap()).is_ok());
    assert_eq!(listeners[1], unix_arg);
    assert!(UnixStream::connect(&unix).is_ok());
    home.down(master);
    assert!(!unix.exists());
}

#[test]
fn a_port_in_use_is_named() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ended = home.run_sh(&["-l", &format!("web={addr}")], "exit 0");
    ended.failed(1, &["app `app` can't listen", &format!("listener `web`: {addr} is in use by pid ")]);
    assert!(!ended.stderr.contains("starting"), "nothing was to be started: {ended:#?}");
}

#[test]
fn the_port_is_free_again_when_the_master_has_ended() {
    let home = Home::new();
    let (demo, addr) = home.demo(&["-n", "1"]);
    get(&addr, "/");
    home.down(demo);
    let again = home.start(&["demo", "-n", "1", "-l", &addr]);
    again.says("demo is running");
    assert!(get(&addr, "/").starts_with("worker 0"));
    home.down(again);
}

#[test]
fn what_is_no_listener_is_a_usage_error() {
    let home = Home::new();
    for (listen, word) in [
        ("8080", "NAME=ADDR"),
        ("http=", "HOST:PORT"),
        ("http=:8080", "the host is empty"),
        ("http=localhost:99999", "0 to 65535"),
        ("http=unix:", "empty"),
        ("a b=127.0.0.1:0", "`a b`"),
        ("=127.0.0.1:0", "``"),
    ] {
        home.run_sh(&["-l", listen], "exit 0").failed(2, &[word]);
    }
    home.run_sh(&["-l", "a=127.0.0.1:0", "-l", "a=127.0.0.1:0"], "exit 0").failed(2, &["`a` is given twice"]);
}

#[test]
fn a_host_that_is_unknown_and_a_path_that_is_taken_are_named() {
    let home = Home::new();
    home.run_sh(&["-l", "a=no.such.host.invalid:80"], "exit 0")
        .failed(1, &["listener `a`", "no.such.host.invalid:80", "can't be resolved"]);
    let notes = home.write("notes", "dear diary");
    home.run_sh(&["-l", &format!("a=unix:{}", notes.display())], "exit 0")
        .failed(1, &["listener `a`", "exists and is not a socket"]);
}
