//! Apps that are scaled while they run.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;

use super::program::Program;
use super::{RUNTIME_SCALING, http};

#[tokio::test]
async fn two_apps_are_scaled_while_they_run_and_a_request_under_way_is_answered() {
    let mut program = Program::of(&RUNTIME_SCALING);
    program.all_started(&RUNTIME_SCALING.workers()).await;
    let (foo, bar) = (program.address("foo"), program.address("bar"));
    // Somebody asks all the time; whoever has to leave answers first.
    let asking = tokio::spawn(async move {
        loop {
            if let Err(error) = http::who(foo).await {
                return error;
            }
        }
    });
    let mut scaled = BTreeSet::new();
    while scaled.len() < 2 {
        scaled.insert(program.line(|line| line.contains(" scaled to ")).await);
    }
    assert_eq!(scaled.iter().collect::<Vec<_>>(), ["bar scaled to 4 workers", "foo scaled to 2 workers"]);
    assert!(!asking.is_finished(), "a request failed: {:?}", asking.await);
    asking.abort();
    assert_eq!(program.children().len(), 6);
    let workers = |app: &str, count: u32| (0..count).map(|slot| format!("{app}-{slot}")).collect::<Vec<_>>();
    http::all_answer(bar, &workers("bar", 4)).await;

    program.signal(Signal::SIGINT);
    let end = program.end().await;
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{:#?}", end.printed);
}
