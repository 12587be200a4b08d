//! An example from its start to Ctrl-C, as its README shows it.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;

use super::program::{Program, is_left};
use super::{Example, MULTI_APP_CLUSTER, SINGLE_APP_CLUSTER, SINGLE_APP_INSTANCE, http};

/// Starts, asks every worker of every app, presses Ctrl-C.
async fn run(example: &Example) {
    let mut program = Program::of(example);
    program.all_started(&example.workers()).await;

    let mut pids = BTreeSet::new();
    for (app, _) in example.variables {
        let answered = http::all_answer(program.address(app), &example.workers_of(app)).await;
        pids.extend(answered.into_values());
    }
    let children: BTreeSet<_> = program.children().into_iter().collect();
    assert_eq!(pids, children, "each worker is a process of its own, and there are no others");

    program.signal(Signal::SIGINT);
    let end = program.end().await;
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{:#?}", end.printed);
    for (app, _) in example.variables {
        let farewell = format!("{app} shut down, asked by SIGINT");
        assert!(end.printed.contains(&farewell), "{farewell} is not in {:#?}", end.printed);
    }
    for pid in pids {
        assert!(!is_left(pid, example.worker), "{pid} is left");
    }
}

#[tokio::test]
async fn one_app_with_four_workers_answers_on_one_port_and_ends_at_ctrl_c() {
    run(&SINGLE_APP_CLUSTER).await;
}

#[tokio::test]
async fn three_apps_answer_on_a_port_each_and_end_at_ctrl_c() {
    run(&MULTI_APP_CLUSTER).await;
}

#[tokio::test]
async fn one_app_with_one_worker_answers_and_ends_at_ctrl_c() {
    run(&SINGLE_APP_INSTANCE).await;
}
