//! Clients of the control socket that misbehave.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::signal::{SIGCONT, SIGSTOP};

use crate::harness::Home;

#[test]
fn the_socket_is_for_its_owner_alone() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    let mode = fs::metadata(home.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    home.down(demo);
}

#[test]
fn garbage_is_refused_and_disturbs_nobody() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        &[0xff; 100_000],
        &[0, 0, 0, 3, 0xff, 0xff, 0xff],
        &[0, 0, 0, 0],
    ] {
        let mut stream = UnixStream::connect(home.socket()).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        // It may be refused before all of it is written.
        let _ = stream.write_all(garbage);
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it is not closed: {error}");
        }
        assert_eq!(home.run(&["status", "-q"]).stdout, "demo/0\n");
    }
    home.down(demo);
}

#[test]
fn clients_that_stall_hold_up_nobody_and_not_the_end() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    let silent: Vec<UnixStream> = (0..100).map(|_| UnixStream::connect(home.socket()).unwrap()).collect();
    let mut half = UnixStream::connect(home.socket()).unwrap();
    half.write_all(&[0, 0, 0]).unwrap();
    assert_eq!(home.run(&["status", "-q"]).stdout, "demo/0\n");
    home.down(demo);
    drop((silent, half));
}

#[test]
fn neither_followers_nor_silent_clients_lock_the_operator_out() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    let silent: Vec<UnixStream> = (0..300).map(|_| UnixStream::connect(home.socket()).unwrap()).collect();
    let followers: Vec<_> = (0..64).map(|_| home.start(&["events", "-f"])).collect();
    for follower in &followers {
        follower.prints("started");
    }
    let refused = home.run(&["events", "-f"]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("64 clients follow already"), "{refused:#?}");
    assert_eq!(home.run(&["status", "-q"]).stdout, "demo/0\n");
    assert_eq!(home.run(&["stop", "demo"]).code, Some(0));
    home.down(demo);
    drop((silent, followers));
}

#[test]
fn a_follower_that_does_not_read_holds_up_nobody() {
    let home = Home::new();
    let master = home.start_sh(&[], "exec sleep 1000");
    master.says("app starts");
    let mut command = home.drover(&["events", "-f"]);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    let mut deaf = command.spawn().unwrap();
    home.worker("app", 0, "started");
    home.down(master);
    let status = crate::harness::eventually("its end", || deaf.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_control_socket_that_was_swept_away_is_made_again_and_stays_locked() {
    let home = Home::new();
    let master = home.up("[app.web]\ncommand = \"sleep 1000\"\nworkers = 1\n");
    master.says("web starts");
    let lock = home.socket().with_extension("sock.lock");
    for swept in [vec![home.socket()], vec![lock.clone()], vec![home.socket(), lock.clone()]] {
        let before = home.events().len();
        swept.iter().for_each(|path| fs::remove_file(path).expect("it is there"));
        // Until it is there again nobody answers.
        crate::harness::eventually("the event", || {
            let asked = home.run(&["events", "--json"]);
            let events =
                if asked.code == Some(0) { crate::harness::events_of(&asked.stdout) } else { Vec::new() };
            let renewed = events.iter().skip(before).find(|event| event["event"] == "socket_renewed")?;
            assert_eq!(renewed["app"], "");
            Some(())
        });
    }
    // The two files may have been made again one after the other.
    let serving = home.master_pid();
    crate::harness::eventually("the lock", || {
        let holder = fs::read_to_string(&lock).unwrap_or_default();
        (holder.trim() == serving.to_string() && home.socket().exists()).then_some(())
    });
    let second = home.run(&["run", "--", "sleep", "1000"]);
    second.failed(1, &[&format!("another master (pid {serving}) serves at")]);
    assert_eq!(home.down(master).code, Some(0));
    assert!(!home.socket().exists() && !lock.exists());
}

/// Fills the queue of clients of a master that takes none.
async fn fill(socket: &Path) -> Vec<tokio::net::UnixStream> {
    let mut waiting = Vec::new();
    loop {
        match tokio::net::UnixStream::connect(socket).await {
            Ok(stream) => waiting.push(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return waiting,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_busy_master_is_waited_for_as_long_as_the_verb_says_and_is_not_absent() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    demo.signal(SIGSTOP);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let waiting = runtime.block_on(fill(&home.socket()));
    home.run(&["status"]).failed(1, &["the master at `", "is busy: for 5s its queue of clients was full"]);
    for verb in [&["stop", "demo"][..], &["wait", "demo"]] {
        home.run(&[verb, &["--timeout", "100ms"]].concat()).failed(124, &["is busy: for 100ms"]);
    }
    let restart = home.start(&["restart", "demo"]);
    restart.says("still waiting: the master accepts no connection; it is busy, or stopped (SIGSTOP)");
    demo.signal(SIGCONT);
    drop(waiting);
    let restart = restart.end();
    assert_eq!(restart.code, Some(0), "{restart:#?}");
    home.down(demo);
}
