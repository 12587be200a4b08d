//! Apps that run by a schedule, with real processes and the real clock.

use drover_e2e::harness::{App, patiently};
use drover_master::config::{Output, Schedule};
use drover_master::{Command, EventKind, Master, MasterBuilder, Outcome, RunFate};

fn every_second(case: &str, command: &str) -> MasterBuilder {
    let schedule: Schedule = "@every 1s".parse().unwrap();
    let name = format!("cron-{case}-{}", std::process::id());
    let command = Command::new("sh").args(["-c", command]);
    Master::builder(&name, command).output(Output::Discard).schedule(schedule)
}

#[tokio::test]
async fn it_runs_again_and_again_though_each_run_fails_and_remembers_how() {
    let mut app = App::started(every_second("fails", "echo no disk >&2; exit 3")).await;
    for number in 1..=3 {
        let EventKind::RunStarted { number: told, due: Some(_), .. } = &app.until("run_started").await.kind
        else {
            panic!("a run that nobody asked for is due at some time");
        };
        assert_eq!(*told, number);
        assert_eq!(app.exit().await.reason.code(), Some(3));
    }
    let status = app.master().snapshot().status;
    assert_eq!((status.desired, status.ready), (1, 1));
    let cron = status.cron.unwrap();
    assert!(cron.runs >= 3 && cron.failed >= 3 && cron.next.is_some(), "{cron:?}");
    let RunFate::Ended { number: 1, exit, as_wished: false, .. } = &cron.history[0].fate else {
        panic!("{cron:?}");
    };
    assert_eq!(exit.stderr_tail, ["no disk"]);
    assert!(!app.all_events().iter().any(|event| event.name() == "restart_scheduled"));
    app.end().await;
}

#[tokio::test]
async fn what_is_due_during_a_run_is_skipped_and_the_end_of_the_app_ends_the_run() {
    let mut app = App::started(every_second("lasts", "exec sleep 1000")).await;
    let EventKind::RunSkipped { count, .. } = app.until("run_skipped").await.kind.clone() else { panic!() };
    assert!(count >= 1);
    assert_eq!(app.master().snapshot().status.cron.unwrap().runs, 1);
    patiently("the end", app.master().shutdown()).await.unwrap();
    assert!(matches!(app.outcome().await, Outcome::ShutDown { .. }));
    app.end().await;
}
