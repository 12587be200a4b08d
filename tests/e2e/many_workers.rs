//! As many workers as a machine of two CPUs starts in a few seconds; `DROVER_TEST_WORKERS` asks for more.

use std::collections::HashSet;
use std::time::Duration;

use drover_e2e::harness::{is_running, of_app};
use drover_master::config::{Output, Protocol, StartPolicy};
use drover_master::control::{ControlClient, ControlPath};
use drover_master::supervisor::{End, Supervisor};
use drover_master::{Command, Master};
use nix::sys::resource::{Resource, getrlimit};

/// Each takes half a millisecond to a millisecond, and the tests beside this one want their share.
const WORKERS: u32 = 2000;

/// For each worker that is started or ended. Nothing takes this long, however loaded the machine is.
const PATIENCE: Duration = Duration::from_millis(50);

/// What the other tests of this process hold open meanwhile.
const OTHER_FILES: u64 = 1000;

#[tokio::test]
async fn thousands_of_workers_start_are_listed_and_leave_nothing() {
    let count = drover_e2e::setting("DROVER_TEST_WORKERS").unwrap_or(WORKERS);
    drover_master::raise_nofile().unwrap();
    let files = getrlimit(Resource::RLIMIT_NOFILE).unwrap().0;
    assert!(files >= u64::from(count) + OTHER_FILES, "{count} workers need more than {files} open files");

    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("control.sock");
    // One descriptor a worker: captured output would take two more.
    let name = format!("e2e-many-{}", std::process::id());
    let app = Master::builder(&name, Command::new("sleep").arg("1000"))
        .workers(count)
        .protocol(Protocol::None)
        .start_policy(StartPolicy { timeout: PATIENCE * count, ..StartPolicy::default() })
        .output(Output::Inherit);
    let supervisor =
        Supervisor::builder().app(app).control(ControlPath::Given(socket.clone())).build().unwrap();
    let handle = supervisor.handle();
    let mut events = handle.events().since(0);
    let running = tokio::spawn(supervisor.run());
    let started = async { while events.next().await.unwrap().name() != "app_started" {} };
    tokio::time::timeout(PATIENCE * count, started).await.expect("the app starts");

    let mut client = ControlClient::connect(&socket).await.unwrap();
    let status = client.status(&[]).await.unwrap();
    let listed = &status.apps[0];
    assert_eq!((listed.desired, listed.ready, listed.workers.len()), (count, count, count as usize));
    let listed: HashSet<u32> = listed.workers.iter().map(|worker| worker.pid).collect();
    assert_eq!(listed, of_app(&name).into_iter().collect());
    assert_eq!(listed.len(), count as usize, "each has a process of its own");

    handle.shutdown().await;
    drop((client, handle));
    let ended = tokio::time::timeout(PATIENCE * count, running).await.expect("the app ends");
    assert_eq!(ended.unwrap().unwrap().end, End::ShutDown);
    assert_eq!(of_app(&name), [0; 0]);
    assert!(!listed.into_iter().any(is_running));
}
