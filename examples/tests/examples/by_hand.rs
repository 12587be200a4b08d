//! Workers without a master.

use std::path::Path;

use nix::sys::signal::Signal;

use super::program::{Program, address_in};
use super::{Example, MESSAGE_BUS, MULTI_APP_CLUSTER, SINGLE_APP_CLUSTER, SINGLE_APP_INSTANCE, http};

/// Starts a worker by itself, asks it, ends it by SIGTERM.
async fn run_alone(example: &Example) {
    let mut worker = Program::start(Path::new(example.worker), [("LISTEN", "127.0.0.1:0")]);
    let address = address_in(&worker.line(|line| line.contains("http://")).await);
    let (name, _) = http::who(address).await.unwrap();
    assert!(name.ends_with("-0"), "{name}");

    worker.signal(Signal::SIGTERM);
    let end = worker.end().await;
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{:#?}", end.printed);
}

#[tokio::test]
async fn every_worker_answers_by_itself_and_ends_at_sigterm() {
    for example in [SINGLE_APP_CLUSTER, MULTI_APP_CLUSTER, SINGLE_APP_INSTANCE, MESSAGE_BUS] {
        run_alone(&example).await;
    }
}
