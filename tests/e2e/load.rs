//! No request is lost while workers come and go. Seconds each here; at full length in the benchmarks, see
//! `docs/benchmarks.md`.

use drover_e2e::load::generator::Clients;
use drover_e2e::load::notes::Version;
use drover_e2e::load::service::{Service, Setup};
use drover_e2e::load::step::{Pace, Step};
use drover_e2e::load::trial::{Report, under_load};

/// In each mode.
const REQUESTS: u64 = 6_000;

/// Every kind of client.
const ALL: Clients = Clients { once: 6, kept: 6, slow: 12 };

/// How workers share a socket, as lines of `drover.toml`.
const MODES: [&str; 2] = ["", "mode = \"reuseport\""];

/// Four workers.
fn setup(socket: &'static str) -> Setup {
    Setup {
        drover: program!("drover_command").into(),
        worker: program!("worker_http").into(),
        workers: 4,
        socket,
        app: "",
    }
}

/// What the steps come to, in each mode; nothing else than what they may cost.
pub(crate) async fn trials(steps: &[Step]) -> Vec<Report> {
    let mut reports = Vec::new();
    for socket in MODES {
        let service = Service::start(setup(socket)).await;
        let report = under_load(&service, ALL, steps, REQUESTS).await;
        report.is_clean();
        service.end().await;
        reports.push(report);
    }
    reports
}

/// The fewest workers that served at once, which is the same in each mode.
pub(crate) async fn fewest(steps: &[Step]) -> u32 {
    let fewest =
        trials(steps).await.into_iter().map(|report| report.observed.fewest.expect("a trial has a floor"));
    let fewest: Vec<u32> = fewest.collect();
    assert!(fewest.iter().all(|one| *one == fewest[0]), "{fewest:?}");
    fewest[0]
}

#[tokio::test]
async fn more_and_fewer_workers_lose_no_request() {
    assert_eq!(fewest(&[6, 3, 5, 2, 4].map(Step::Scale)).await, 2);
}

#[tokio::test]
async fn restarts_of_single_workers_lose_no_request_and_leave_all_others_at_work() {
    assert_eq!(fewest(&[0, 1, 2, 3, 0].map(Step::Restart)).await, 3);
}

#[tokio::test]
async fn successors_that_serve_first_lose_no_request_and_leave_no_gap() {
    assert_eq!(fewest(&[0, 1, 2, 3, 0].map(Step::Renew)).await, 4);
}

#[tokio::test]
async fn workers_that_rest_and_go_on_as_the_same_processes_lose_no_request() {
    let steps = [0, 1, 2, 3].map(|slot| [Step::Suspend(slot), Step::Resume(slot)]);
    assert_eq!(fewest(&steps.concat()).await, 3);
}

#[tokio::test]
async fn a_worker_that_is_stopped_for_a_while_loses_no_request() {
    assert_eq!(fewest(&[0, 1, 2, 3].map(Step::StopAndStart)).await, 3);
}

#[tokio::test]
async fn a_restart_of_all_workers_makes_requests_wait_and_loses_none() {
    trials(&[Step::RestartAll; 3]).await;
}

#[tokio::test]
async fn a_growth_that_fails_loses_no_request_and_no_worker() {
    let steps = [Version::Fails, Version::NeverReady, Version::Fails].map(|bad| Step::ScaleInVain(6, bad));
    assert_eq!(fewest(&steps).await, 4);
}

#[tokio::test]
async fn a_slot_whose_workers_crash_before_they_serve_loses_no_request() {
    assert_eq!(fewest(&[Step::CrashLoop(1)]).await, 3);
}

#[tokio::test]
async fn a_killed_worker_takes_with_it_what_is_inside_it_and_nothing_else() {
    for report in trials(&[0, 3, 2, 5, 7].map(Step::Kill)).await {
        // Each had requests of 200 ms inside.
        assert_eq!(report.observed.killed.len(), 5);
        assert!(report.tally.failed() > 0, "{report}");
    }
}

#[tokio::test]
async fn masters_that_are_killed_and_upgraded_lose_no_request_and_no_worker() {
    let steps = [[Step::KillMaster, Step::Upgrade]; 3].concat();
    assert_eq!(fewest(&steps).await, 4);
}

/// What the new worker has said may have been heard and not been written down.
#[tokio::test]
async fn masters_that_are_killed_in_reloads_bring_them_to_their_end_and_lose_no_request() {
    for pace in Pace::ALL {
        trials(&[Step::KillMasterInReload(pace); 4]).await;
    }
}

/// At moments that no test would think of.
#[tokio::test]
async fn masters_that_are_killed_at_any_moment_of_an_operation_bring_it_to_its_end_and_lose_no_request() {
    trials(&drover_e2e::load::chaos::steps(6)).await;
}
