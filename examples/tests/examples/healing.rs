//! A worker that is killed comes back.

use std::io::ErrorKind;

use nix::sys::signal::{Signal, kill};

use super::program::Program;
use super::{Example, MULTI_APP_CLUSTER, SINGLE_APP_CLUSTER, SINGLE_APP_INSTANCE, http, within};

/// Kills the last worker of an app by SIGKILL and asks until it answers again.
async fn kill_and_see_it_back(example: &Example, app: &str) {
    let mut program = Program::of(example);
    program.all_started(&example.workers()).await;
    let address = program.address(app);
    let answered = http::all_answer(address, &example.workers_of(app)).await;
    let (victim, pid) = answered.last_key_value().unwrap();

    kill(*pid, Signal::SIGKILL).unwrap();
    let back = async {
        loop {
            match http::who(address).await {
                Ok((worker, new)) if worker == *victim && new != *pid => return,
                Ok(_) => {}
                // A connection that the victim had just taken goes with it; the others wait in the queue.
                Err(error) => assert_ne!(error.kind(), ErrorKind::ConnectionRefused),
            }
        }
    };
    within("an answer of the worker in the place of the killed one", back).await;
    program.all_started(&example.workers()).await;

    program.signal(Signal::SIGINT);
    let end = program.end().await;
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{:#?}", end.printed);
}

#[tokio::test]
async fn a_killed_worker_of_four_comes_back_in_its_place() {
    kill_and_see_it_back(&SINGLE_APP_CLUSTER, "app").await;
}

#[tokio::test]
async fn a_killed_worker_of_one_app_of_three_comes_back_in_its_place() {
    kill_and_see_it_back(&MULTI_APP_CLUSTER, "baz").await;
}

#[tokio::test]
async fn the_only_worker_comes_back_and_no_connection_is_refused_meanwhile() {
    kill_and_see_it_back(&SINGLE_APP_INSTANCE, "app").await;
}
