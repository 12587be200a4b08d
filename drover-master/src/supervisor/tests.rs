//! A supervisor whose runtime, or whose apps' runtime, goes.

use std::time::Duration;

use super::Supervisor;
use crate::config::{Command, Protocol};
use crate::control::{ControlClient, ControlPath, ControlServer};
use crate::handle::Master;
use crate::handle::{StartError, Unavailable};
use crate::keeper::{Holds, TestKeeper};
use crate::machine::composite::{Fate, Standing};
use crate::machine::fleet::EventKind;
use crate::machine::phase::Phase;
use crate::supervision::End;

#[test]
fn a_supervisor_ends_when_the_task_of_its_app_is_gone() {
    // The runtime that the master's task lives on, and goes with.
    let apps = tokio::runtime::Runtime::new().unwrap();
    let supervisor = apps.block_on(async {
        let app =
            Master::builder("web", Command::new("sleep").arg("600")).workers(1).protocol(Protocol::None);
        Supervisor::builder().app(app).build().unwrap()
    });
    let mut events = supervisor.handle().events().since(0);
    let own = tokio::runtime::Runtime::new().unwrap();
    let running = own.spawn(supervisor.run());
    own.block_on(async { while events.next().await.unwrap().kind != EventKind::AppStarted {} });
    apps.shutdown_background();
    let ended = own.block_on(async { tokio::time::timeout(Duration::from_secs(20), running).await });
    let ended = ended.expect("it ends").unwrap().unwrap();
    assert!(matches!(ended.end, End::Failed | End::StartFailed), "{ended:?}");
    assert!(matches!(ended.failures[..], [StartError::Unavailable(Unavailable::Gone)]), "{ended:?}");
}

#[test]
fn what_is_shown_after_the_runtime_is_gone_is_that_nothing_runs() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (handle, master, alone) = runtime.block_on(async {
        let sleeper = || {
            let command = Command::new("sleep").arg("600");
            Master::builder("web", command).workers(1).protocol(Protocol::None)
        };
        let supervisor = Supervisor::builder().app(sleeper()).build().unwrap();
        let (handle, mut events) = (supervisor.handle(), supervisor.handle().events().since(0));
        tokio::spawn(supervisor.run());
        while events.next().await.unwrap().kind != EventKind::AppStarted {}
        let alone = sleeper().build().unwrap();
        alone.start().await.unwrap();
        let master = handle.master("web").unwrap();
        assert!(handle.master("mail").is_none());
        (handle, master, alone)
    });
    for master in [&master, &alone] {
        assert_eq!(master.snapshot().status.phase, Phase::Started);
    }
    drop(runtime);
    for master in [master, alone] {
        let shown = master.snapshot();
        assert_eq!((shown.status.phase, shown.status.ready), (Phase::Failed, 0));
        assert!(shown.status.outcome.is_some_and(|outcome| outcome.contains("runtime")));
        assert_eq!((shown.workers[0].phase, shown.workers[0].pid), (Phase::Failed, None));
    }
    assert_eq!(handle.standings(), [Standing::Ended(Fate::Failed)]);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a directory of this test")]
async fn a_client_that_asks_while_there_is_no_master_is_answered_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = ControlPath::Given(dir.path().join("x.sock"));
    let (mut keeper, holds) = TestKeeper::new();
    let app = Master::builder("web", Command::new("true")).workers(1).protocol(Protocol::None);
    let supervisor = Supervisor::builder().app(app).build().unwrap();
    let mut control = ControlServer::claim(&wanted, &holds).unwrap();
    control.serve(supervisor.handle()).unwrap();
    let path = control.path().to_owned();
    // Whoever accepts is a task, which is to be gone.
    holds.leave_all();
    control.finish(End::Completed).await;
    let next = keeper.crash(&holds, ());
    let asking = tokio::spawn(async move { ControlClient::connect(&path).await.unwrap().status(&[]).await });
    tokio::task::yield_now().await;
    assert!(ControlServer::claim(&wanted, &Holds::default()).is_err(), "it is locked");
    let mut control = ControlServer::claim(&wanted, &next).unwrap();
    control.serve(supervisor.handle()).unwrap();
    let answered = tokio::time::timeout(Duration::from_secs(60), asking).await.unwrap().unwrap();
    assert_eq!(answered.unwrap().apps[0].name, "web");
    control.finish(End::Completed).await;
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    assert_eq!(keeper.held(), [""; 0]);
}
