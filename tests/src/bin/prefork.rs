//! The floor of a reload, as a program: `prefork WORKER COUNT` keeps this many workers on one listener, says "ready PORT", and with
//! each line on its stdin starts so many new ones, waits until each has said "ready", asks the old ones to leave, waits for
//! their end, and says "reloaded". It ends with its stdin.
//!
//! It checks nothing, decides nothing and has no way back.

use std::io::{BufRead, BufReader, PipeReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use drover_e2e::floor::{Child, Floor, stop};

/// The number at which a worker finds the listener; the first after the standard streams.
const LISTENER: i32 = 3;

fn main() {
    drover_e2e::die_with_the_test();
    let mut args = std::env::args().skip(1);
    let worker = args.next().expect("WORKER is named");
    let count: usize = args.next().and_then(|count| count.parse().ok()).expect("COUNT is a number");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let (ready, says_ready) = std::io::pipe().expect("a pipe can be had");
    let floor = Floor::with_stdout(&worker, [] as [&str; 0], says_ready.into())
        .handing_over(OwnedFd::from(listener), LISTENER)
        .with_env("E2E_LISTENER", &LISTENER.to_string());
    let mut ready = BufReader::new(ready);
    let mut workers = start(&floor, count, &mut ready);
    drover_e2e::say(&format!("ready {port}"));
    for _ in std::io::stdin().lines() {
        let old = std::mem::replace(&mut workers, start(&floor, count, &mut ready));
        stop(old);
        drover_e2e::say("reloaded");
    }
    stop(workers);
}

fn start(floor: &Floor, count: usize, ready: &mut BufReader<PipeReader>) -> Vec<Child> {
    let workers = (0..count).map(|_| floor.spawn()).collect();
    for _ in 0..count {
        let mut line = String::new();
        ready.read_line(&mut line).expect("a pipe can be read");
        assert_eq!(line, "ready\n");
    }
    workers
}
