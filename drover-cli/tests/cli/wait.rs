//! `drover wait`.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::{SIGINT, SIGKILL};

use crate::harness::{Home, Running, signal};
use crate::operate::started;

#[test]
fn it_waits_until_an_app_is_ready() {
    let home = Home::new();
    let master = home.up("[app.late]\ncommand = \"sleep 1000\"\nworkers = 2\nstart.min_uptime = \"700ms\"\n");
    master.says("late/0 starting");
    let ended = home.run(&["wait", "late", "late/1", "--for", "ready"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "late is ready\nlate/1 is ready\n"),
        "{ended:#?}"
    );
    assert_eq!(home.run(&["status", "late"]).code, Some(0));
    home.down(master);
}

#[test]
fn what_can_not_come_to_be_ends_it() {
    let home = Home::new();
    let master = started(&home);
    assert_eq!(home.run(&["stop", "web/1"]).code, Some(0));
    home.run(&["wait", "web/1", "--for", "ready"]).failed(3, &["web/1 is not running", "SIGTERM, as asked"]);
    // The app is ready without the worker that was stopped.
    assert_eq!(home.run(&["wait", "web", "--for", "ready"]).code, Some(0));
    assert_eq!(home.run(&["stop", "web"]).code, Some(0));
    home.run(&["wait", "web", "--for", "ready"])
        .failed(3, &["web is not running: shut down, asked by drover"]);
    home.run(&["wait", "mail", "--for", "ready"]).failed(4, &["no app `mail`"]);
    home.down(master);
}

#[test]
fn it_waits_for_a_stop_and_so_does_the_masters_end() {
    let home = Home::new();
    let master = started(&home);
    let waiting = home.start(&["wait", "web/0", "--for", "stopped"]);
    waiting.says("waiting until web/0 is stopped");
    let for_all = home.start(&["wait", "*", "--for", "stopped"]);
    for_all.says("waiting until * is stopped");
    let ready = home.start(&["wait", "slow@999", "--for", "ready"]);
    assert_eq!(ready.end().code, Some(4));
    assert_eq!(home.run(&["stop", "web/0"]).code, Some(0));
    let ended = waiting.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "web/0 is stopped\n"));
    home.down(master);
    assert_eq!(for_all.end().code, Some(0));
}

#[test]
fn it_waits_for_the_end_of_the_processes_that_run_and_tells_how() {
    let home = Home::new();
    let master = started(&home);
    let worker = home.worker("web", 0, "started");
    let waiting = home.start(&["wait", "web/0", "--for", "exited"]);
    waiting.says("waiting until web/0 has ended");
    signal(worker["pid"].as_u64().unwrap().try_into().unwrap(), SIGKILL);
    let ended = waiting.end();
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "web/0 was ended by SIGKILL from outside while ready\n")
    );
    home.down(master);
}

#[test]
fn a_timeout_and_ctrl_c_end_it() {
    let home = Home::new();
    let master = started(&home);
    home.run(&["wait", "web", "--for", "stopped", "--timeout", "100ms"])
        .failed(124, &["web is not stopped within 100ms; `drover status` shows"]);
    let waiting = home.start(&["wait", "web", "--for", "exited"]);
    waiting.says("waiting until web has ended");
    waiting.signal(SIGINT);
    assert_eq!(waiting.end().code, Some(130));
    let quiet = home.run(&["-q", "wait", "web", "--for", "stopped", "--timeout", "10ms"]);
    assert!(quiet.code == Some(124) && !quiet.stderr.contains("waits"), "{quiet:#?}");
    // Without a goal, it waits until it is ready.
    assert_eq!(home.run(&["wait", "web"]).stdout, "web is ready\n");
    home.run(&["wait", "web", "--for", "running"]).failed(2, &["'running'"]);
    home.down(master);
}

/// Why a descriptor can be had.
const ROOM: &str = "there is room for a descriptor";

/// Why nothing is poisoned.
const ALONE: &str = "nobody panics with the list";

/// Hands on connections to a master, until it cuts them: what a master does with one that is idle, or not read, for long.
struct Between(Arc<Mutex<Vec<UnixStream>>>);

impl Between {
    fn serve(path: &Path, master: &Path) -> Self {
        let (listener, master) = (UnixListener::bind(path).expect("the path is free"), master.to_owned());
        let open = Arc::new(Mutex::new(Vec::new()));
        let opened = Arc::clone(&open);
        // It ends with the test's process; a thread leaves no trace.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(&master) else { continue };
                for (mut from, mut to) in [
                    (client.try_clone().expect(ROOM), server.try_clone().expect(ROOM)),
                    (server.try_clone().expect(ROOM), client.try_clone().expect(ROOM)),
                ] {
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
                opened.lock().expect(ALONE).extend([client, server]);
            }
        });
        Self(open)
    }

    fn cut(&self) {
        for stream in self.0.lock().expect(ALONE).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn a_lost_connection_is_not_the_masters_end() {
    let home = Home::new();
    let master = started(&home);
    let path = home.path("between.sock");
    let between = Between::serve(&path, &home.socket());
    let waiting = Running::start(home.bare(&["wait", "web/0", "--for", "stopped"]).arg("-s").arg(&path));
    waiting.says("waiting until web/0 is stopped");
    between.cut();
    assert_eq!(home.run(&["stop", "web/0"]).code, Some(0));
    let ended = waiting.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "web/0 is stopped\n"), "{ended:#?}");
    std::fs::remove_file(path).unwrap();
    home.down(master);
}
