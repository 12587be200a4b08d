//! What an end leaves unharmed, and when it may come.

use nix::sys::signal::Signal;

use super::program::Program;
use super::{Example, MULTI_APP_CLUSTER, SINGLE_APP_CLUSTER, http};

/// Presses Ctrl-C while a request is under way.
async fn interrupt_a_slow_request(example: &Example, app: &str) {
    let mut program = Program::of(example);
    program.all_started(&example.workers()).await;
    let address = program.address(app);
    let request = tokio::spawn(async move { http::get(address, "/slow").await });
    program.line(|line| line.ends_with("a slow request has begun")).await;

    program.signal(Signal::SIGINT);
    let answer = request.await.unwrap().unwrap();
    assert!(answer.starts_with("Hello at last from "), "{answer:?}");
    let end = program.end().await;
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{:#?}", end.printed);
}

#[tokio::test]
async fn a_request_under_way_at_ctrl_c_is_answered_by_axum() {
    interrupt_a_slow_request(&SINGLE_APP_CLUSTER, "app").await;
}

#[tokio::test]
async fn a_request_under_way_at_ctrl_c_is_answered_by_hyper() {
    interrupt_a_slow_request(&MULTI_APP_CLUSTER, "bar").await;
}

#[tokio::test]
async fn sigterm_ends_an_example_as_ctrl_c_does() {
    let mut program = Program::of(&SINGLE_APP_CLUSTER);
    program.all_started(&SINGLE_APP_CLUSTER.workers()).await;
    program.signal(Signal::SIGTERM);
    let end = program.end().await;
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{:#?}", end.printed);
}
