//! Apps that are reloaded while they run.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;

use super::program::Program;
use super::{GRACEFUL_RELOAD, http};

#[tokio::test]
async fn one_worker_and_four_are_reloaded_while_they_run_and_every_request_is_answered() {
    let mut program = Program::of(&GRACEFUL_RELOAD);
    program.all_started(&GRACEFUL_RELOAD.workers()).await;
    let (foo, bar) = (program.address("foo"), program.address("bar"));
    let old: BTreeSet<_> = program.children().into_iter().collect();
    // Somebody asks all the time the app that has one worker only.
    let asking = tokio::spawn(async move {
        loop {
            if let Err(error) = http::get(foo, "/").await {
                return error;
            }
        }
    });
    let mut reloaded = BTreeSet::new();
    while reloaded.len() < 2 {
        reloaded.insert(program.line(|line| line.contains(" reloaded, ")).await);
    }
    let lines = ["bar reloaded, generation 2", "foo reloaded, generation 2"];
    assert_eq!(reloaded.iter().collect::<Vec<_>>(), lines);
    assert!(!asking.is_finished(), "a request failed: {:?}", asking.await);
    asking.abort();
    for (address, app) in [(foo, "foo"), (bar, "bar")] {
        let body = http::get(address, "/").await.unwrap();
        assert!(body.starts_with(&format!("Good evening from {app}-")), "{body}");
    }
    let new: BTreeSet<_> = program.children().into_iter().collect();
    assert_eq!((new.len(), new.intersection(&old).count()), (5, 0));

    program.signal(Signal::SIGINT);
    let end = program.end().await;
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{:#?}", end.printed);
}
