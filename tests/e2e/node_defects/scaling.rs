//! Defects of changing an app while it runs.

use std::io::{BufRead, Write};

use drover_e2e::harness::{App, eventually, patiently};
use drover_master::config::Protocol;
use drover_master::{Count, ExitReason, OperateError, Phase, SlotIndex, Target};

use super::ending::client;
use super::{running, scripted, told};
use crate::policies::soon;

/// "Failed reload has no rollback and loses the old workers: the old processes keep running but are untracked." Here all
/// workers are restarted into a program that fails.
#[tokio::test]
async fn defect_04_a_restart_that_fails_leaves_no_process_that_the_master_does_not_know() {
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken");
    let script = format!("[ -e {} ] && exit 3; exec sleep 300", broken.display());
    let app = App::started(scripted(&script).protocol(Protocol::None).start_policy(soon())).await;
    std::fs::write(&broken, "").unwrap();
    let failed = patiently("the restart", app.master().restart(Target::All)).await;
    assert!(matches!(failed, Err(OperateError::Worker { .. })), "{failed:?}");
    std::fs::remove_file(&broken).unwrap();
    patiently("the start", app.master().restart(Target::All)).await.unwrap();
    assert_eq!((running(&app).len(), running(&app)), (2, told(&app)));
    app.end().await;
}

/// "Concurrent operations interleave: two reloads at once left 3 live workers with 2 tracked. Same for reload with rescale
/// or shutdown."
#[tokio::test]
async fn defect_06_scales_and_restarts_at_the_same_time_do_not_interleave() {
    let app = App::started(App::builder(program!("worker_good")).workers(2)).await;
    for count in [4, 1, 3] {
        let restart = app.master().restart(Target::All);
        let scale = app.master().scale(Count::To(count));
        let again = app.master().scale(Count::To(count));
        // A restart of a worker that leaves with its slot is interrupted; nothing is lost by that.
        let _ = patiently("the restart", restart).await;
        patiently("the scale", scale).await.unwrap();
        patiently("the same scale", again).await.unwrap();
        // What stays is restarted all the same.
        let settled =
            || app.master().snapshot().status.ready == count && running(&app).len() == count as usize;
        eventually("every worker is ready", || settled().then_some(())).await;
        assert_eq!(running(&app), told(&app));
    }
    app.end().await;
}

/// "Scale-down is not graceful. Victims get `quit` only, never `stop`: with 8 requests in flight, scaling 2 to 1 reset 4 of
/// them."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_07_a_worker_that_a_scale_takes_away_finishes_what_is_under_way() {
    let worker = App::builder(program!("worker_good")).workers(2).listen("http", "127.0.0.1:0");
    let mut app = App::started(worker).await;
    let addr = app.master().listener_addr("http").unwrap();
    // Both are at work, so whoever is chosen is.
    let mut clients = Vec::new();
    while !(0..2).all(|slot| clients.iter().any(|(_, served_by)| *served_by == SlotIndex(slot))) {
        let mut client = client(addr);
        client.0.get_mut().write_all(b"half a ").unwrap();
        clients.push(client);
    }
    let scale = app.master().scale(Count::To(1));
    app.until("stopping").await;
    for (mut client, _) in clients {
        client.get_mut().write_all(b"request\n").unwrap();
        let mut answer = String::new();
        client.read_line(&mut answer).unwrap();
        assert_eq!(answer, "half a request\n");
    }
    patiently("the scale", scale).await.unwrap();
    let exit = app.exit().await;
    assert_eq!((exit.reason, exit.asked_by.as_deref()), (ExitReason::NormalExit, Some("scale()")));
    app.end().await;
}

/// "Scale-down victims are the oldest, i.e. the warm ones; never the unhealthy or idle ones."
#[tokio::test]
async fn defect_08_a_scale_takes_away_what_does_not_run_and_then_the_youngest() {
    let app = App::started(App::builder(program!("worker_good")).workers(4)).await;
    app.master().stop_workers(Target::Slot(SlotIndex(1))).await.unwrap();
    app.master().restart(Target::Slot(SlotIndex(0))).await.unwrap();
    let warm = [app.pid(2), app.pid(3)];
    app.master().scale(Count::By(-1)).await.unwrap();
    assert_eq!(app.master().snapshot().status.ready, 3, "the one that did not run went");
    app.master().scale(Count::By(-1)).await.unwrap();
    let mut left = running(&app);
    left.sort_unstable();
    let mut warm = warm;
    warm.sort_unstable();
    assert_eq!(left, warm, "then the one that was restarted");
    app.end().await;
}

/// "`rescale` accepts NaN, fractions and strings; `scale` is stored before success, so a failed scale-up also corrupts the
/// size of the next reload, and newcomers that did start are untracked."
#[tokio::test]
async fn defect_09_a_growth_that_fails_leaves_the_size_and_no_newcomer() {
    let script = "[ $DROVER_SLOT = 3 ] && exit 3; exec sleep 300";
    let app = App::started(scripted(script).protocol(Protocol::None).start_policy(soon())).await;
    let old = told(&app);
    let failed = patiently("the scale", app.master().scale(Count::To(5))).await;
    assert!(matches!(failed, Err(OperateError::Worker { .. })), "{failed:?}");
    for count in [Count::To(0), Count::By(-2), Count::To(u32::MAX)] {
        let refused = app.master().scale(count).await;
        assert!(matches!(refused, Err(OperateError::Denied { .. })), "{refused:?}");
    }
    // The newcomers that did start may still be leaving.
    patiently("the same size", app.master().scale(Count::To(2))).await.unwrap();
    eventually("the newcomers are gone", || (running(&app) == old).then_some(())).await;
    let status = app.master().snapshot().status;
    assert_eq!((status.desired, status.ready, status.phase), (2, 2, Phase::Started));
    app.end().await;
}
