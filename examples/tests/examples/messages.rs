//! Workers that share what they know.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::program::Program;
use super::{MESSAGE_BUS, http, within};

/// An answer to `/`.
struct Greeting {
    text: String,
    worker: String,
    pid: Pid,
    visit: u64,
}

async fn greeting(address: SocketAddr) -> io::Result<Greeting> {
    let body = http::get(address, "/").await?;
    let parsed = || {
        let (first, second) = body.trim_end().split_once('\n')?;
        let (text, first) = first.split_once(" from ")?;
        let (worker, pid) = first.split_once(", pid ")?;
        Some(Greeting {
            text: text.to_owned(),
            worker: worker.to_owned(),
            pid: Pid::from_raw(pid.parse().ok()?),
            visit: second.strip_prefix("visit ")?.parse().ok()?,
        })
    };
    Ok(parsed().unwrap_or_else(|| panic!("{body:?} does not greet and count")))
}

/// Asks until every worker has greeted so; the process of each.
async fn all_greet(address: SocketAddr, text: &str) -> BTreeMap<String, Pid> {
    let mut seen = BTreeMap::new();
    let asking = async {
        while seen.len() < MESSAGE_BUS.workers().len() {
            let greeting = greeting(address).await.unwrap();
            if greeting.text == text {
                seen.insert(greeting.worker, greeting.pid);
            }
        }
    };
    within("the same greeting of every worker", asking).await;
    seen
}

#[tokio::test]
async fn visits_are_counted_over_all_workers() {
    let mut program = Program::of(&MESSAGE_BUS);
    program.all_started(&MESSAGE_BUS.workers()).await;
    let address = program.address("app");
    for number in 1..=9 {
        assert_eq!(greeting(address).await.unwrap().visit, number);
    }
    program.signal(Signal::SIGINT);
    let end = program.end().await;
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{:#?}", end.printed);
    assert_eq!(end.printed.last().unwrap(), "app shut down, asked by SIGINT, after 9 visits");
}

#[tokio::test]
async fn a_new_greeting_reaches_all_workers_and_who_comes_later() {
    let mut program = Program::of(&MESSAGE_BUS);
    program.all_started(&MESSAGE_BUS.workers()).await;
    let address = program.address("app");
    all_greet(address, "Hello").await;

    assert_eq!(http::post(address, "/greeting", "Good night").await.unwrap(), "all are told\n");
    program.line(|line| line == "the greeting is \"Good night\" now, 3 workers are told").await;
    let killed = all_greet(address, "Good night").await["app-1"];

    // Its successor was not there when that was published; it asks.
    kill(killed, Signal::SIGKILL).unwrap();
    let back = async {
        loop {
            match greeting(address).await {
                Ok(greeting) if greeting.worker == "app-1" && greeting.pid != killed => return greeting.text,
                Ok(_) => {}
                // A connection that it had just taken goes with it; the others wait in the queue.
                Err(error) => assert_ne!(error.kind(), io::ErrorKind::ConnectionRefused),
            }
        }
    };
    assert_eq!(within("an answer of the successor", back).await, "Good night");

    program.signal(Signal::SIGINT);
    let end = program.end().await;
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{:#?}", end.printed);
}
