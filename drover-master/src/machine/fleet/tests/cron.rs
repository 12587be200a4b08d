//! An app that runs by a schedule, on a clock that may be set.

use std::time::SystemTime;

use super::super::*;
use super::stage::{Manner, Stage, secs, spec};
use crate::config::{AppSpec, Kind, Overlap, Protocol};
use crate::machine::exit::ExitStatus;
use crate::machine::gate::{DenyReason, Request, SlotRequest};

/// 2026-11-29T18:15:00Z.
const BEGIN: u64 = 1_795_976_100;

fn wall(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + secs(BEGIN + second)
}

/// Due every minute, in time to be waited for.
fn every_minute(overlap: Overlap) -> AppSpec {
    let mut spec = spec(Protocol::None);
    (spec.kind, spec.start.timeout) = (Kind::Cron, secs(3600));
    (spec.cron.schedule, spec.cron.overlap) = ("* * * * *".parse().ok(), overlap);
    spec
}

impl Stage {
    /// The wall clock shows this, so many seconds after [`BEGIN`], without any time having passed.
    pub(super) fn show(&mut self, second: u64) {
        self.feed(FleetInput::ClockRead { wall: wall(second) });
        self.settle();
    }

    fn cron(&self) -> CronStatus {
        self.fleet.status().cron.expect("an app that runs by a schedule")
    }

    /// The names of what was told of runs, with the numbers in it.
    fn told(&self) -> Vec<String> {
        let told = self.events.iter().filter_map(|event| match &event.kind {
            EventKind::RunStarted { number, due, .. } => {
                Some(format!("run {number} {}", if due.is_some() { "due" } else { "asked" }))
            }
            EventKind::RunSkipped { reason, count, .. } => Some(format!("skip {count} {reason:?}")),
            EventKind::ClockSetBack { .. } => Some("set back".to_owned()),
            EventKind::Exited { exit } => Some(format!("exit {}", exit.reason.code().unwrap_or(-1))),
            _ => None,
        });
        told.collect()
    }
}

fn scheduled(spec: AppSpec) -> Stage {
    let mut stage = Stage::new(spec, 1, false);
    stage.show(0);
    stage.begun()
}

/// It ends when this says, by itself; the clock shows the time then.
fn end_at(stage: &mut Stage, second: u64, code: i32) {
    stage.show(second);
    stage.end_process(0, ExitStatus::Code(code));
}

#[test]
fn it_is_started_without_a_run_and_runs_whenever_it_is_due() {
    let mut stage = scheduled(every_minute(Overlap::Skip));
    assert_eq!((stage.spawned.len(), stage.fleet.doing()), (0, Doing::Started));
    assert_eq!((stage.fleet.status().desired, stage.fleet.status().ready), (1, 1));
    assert_eq!((stage.cron().next, stage.fleet.wall_deadline()), (Some(wall(60)), Some(wall(60))));
    stage.show(59);
    assert_eq!(stage.told(), [""; 0]);
    stage.show(60);
    end_at(&mut stage, 65, 0);
    stage.show(120);
    end_at(&mut stage, 121, 3);
    assert_eq!(stage.told(), ["run 1 due", "exit 0", "run 2 due", "exit 3"]);
    // A failure is over, too: no try, no breaker, no restart.
    assert_eq!((stage.fleet.next_deadline(), stage.slot(0).restarts), (None, 0));
    let cron = stage.cron();
    assert_eq!((cron.runs, cron.failed, cron.skipped, cron.next), (2, 1, 0, Some(wall(180))));
    let fates: Vec<_> = cron.history.iter().map(|run| (run.due, &run.fate)).collect();
    assert!(
        matches!(fates[..], [
            (Some(first), RunFate::Ended { number: 1, began, ended, as_wished: true, .. }),
            (Some(_), RunFate::Ended { number: 2, as_wished: false, .. }),
        ] if first == wall(60) && *began == wall(60) && *ended == wall(65)),
        "{fates:?}"
    );
}

#[test]
fn what_is_due_during_a_run_is_skipped_queued_or_replaces_it() {
    for (overlap, expected) in [
        (Overlap::Skip, &["run 1 due", "skip 1 UnderWay", "skip 1 UnderWay", "exit 0"][..]),
        (Overlap::Queue, &["run 1 due", "skip 1 Waiting", "exit 0", "run 2 due"]),
        (Overlap::Replace, &["run 1 due", "exit -1", "run 2 due", "exit -1", "run 3 due", "exit 0"]),
    ] {
        let mut stage = scheduled(every_minute(overlap));
        for second in [60, 120, 180] {
            stage.show(second);
        }
        end_at(&mut stage, 190, 0);
        assert_eq!(stage.told(), expected, "{overlap:?}");
        assert_eq!(stage.cron().failed, 0, "an end that was asked for is not a failure");
        assert_eq!(stage.cron().next, Some(wall(240)));
    }
}

#[test]
fn a_run_that_does_not_go_is_not_replaced_before_it_is_gone() {
    let mut stage = scheduled(every_minute(Overlap::Replace)).script(0, [Manner::Deaf]);
    for second in [60, 120, 180] {
        stage.show(second);
    }
    assert_eq!(stage.told(), ["run 1 due", "skip 1 Stopping"]);
    stage.pass(secs(60));
    assert_eq!(stage.told()[2..4], ["exit -1", "run 2 due"]);
}

#[test]
fn what_was_missed_is_made_up_for_by_one_run_or_by_none() {
    for (catch_up, expected) in
        [(true, &["skip 58 Missed", "run 1 due"][..]), (false, &["skip 58 Missed", "run 1 due"])]
    {
        let mut spec = every_minute(Overlap::Skip);
        spec.cron.catch_up = catch_up;
        let mut stage = scheduled(spec);
        // The last one is only 30 seconds late.
        stage.show(59 * 60 + 30);
        assert_eq!(stage.told(), expected, "{catch_up}");
    }
    for (catch_up, expected) in [(true, &["skip 1 Missed", "run 1 due"][..]), (false, &["skip 2 Missed"])] {
        let mut spec = every_minute(Overlap::Skip);
        (spec.cron.schedule, spec.cron.catch_up) = ("@hourly".parse().ok(), catch_up);
        let mut stage = scheduled(spec);
        stage.show(2 * 3600);
        assert_eq!(stage.told(), expected, "{catch_up}");
    }
}

#[test]
fn a_clock_that_is_set_back_repeats_nothing_and_is_told() {
    let mut stage = scheduled(every_minute(Overlap::Skip));
    stage.show(60);
    end_at(&mut stage, 60, 0);
    stage.show(30);
    stage.show(60);
    assert_eq!(stage.told(), ["run 1 due", "exit 0", "set back"]);
    stage.show(120);
    assert_eq!(stage.told().last().unwrap(), "run 2 due");
}

#[test]
fn a_start_runs_it_now_and_waits_for_the_end_of_the_run() {
    let mut stage = scheduled(every_minute(Overlap::Skip));
    let start = stage.operate_on(SlotRequest::Start, 0);
    stage.settle();
    assert_eq!(stage.verdict(start), None);
    let joins = stage.operate_on(SlotRequest::Start, 0);
    end_at(&mut stage, 5, 0);
    assert_eq!((stage.verdict(start), stage.verdict(joins)), (Some(Verdict::Done), Some(Verdict::Done)));
    let start = stage.operate(SlotRequest::Start, Target::All);
    stage.settle();
    end_at(&mut stage, 6, 7);
    assert!(
        matches!(stage.verdict(start), Some(Verdict::StartFailed(failure)) if failure.exit.reason.code() == Some(7))
    );
    assert_eq!(stage.told(), ["run 1 asked", "exit 0", "run 2 asked", "exit 7"]);
    assert_eq!((stage.cron().next, stage.fleet.doing()), (Some(wall(60)), Doing::Started));
}

#[test]
fn a_stop_ends_the_run_and_holds_the_schedule_until_a_start() {
    let mut stage = scheduled(every_minute(Overlap::Queue));
    stage.show(60);
    stage.show(120);
    let stop = stage.operate_on(SlotRequest::Stop, 0);
    stage.settle();
    assert_eq!(stage.verdict(stop), Some(Verdict::Done));
    stage.show(600);
    assert_eq!(stage.told(), ["run 1 due", "exit -1"]);
    assert_eq!((stage.cron().next, stage.fleet.wall_deadline(), stage.fleet.status().ready), (None, None, 0));
    stage.operate_on(SlotRequest::Start, 0);
    stage.settle();
    assert_eq!((stage.told()[2].as_str(), stage.cron().next), ("run 2 asked", Some(wall(660))));
}

#[test]
fn a_suspension_holds_the_schedule_and_leaves_the_run_alone() {
    let mut stage = scheduled(every_minute(Overlap::Skip));
    stage.show(60);
    let suspend = stage.operate(SlotRequest::Suspend, Target::All);
    assert_eq!(stage.verdict(suspend), Some(Verdict::Done));
    let again = stage.operate(SlotRequest::Suspend, Target::All);
    assert_eq!(stage.verdict(again), Some(Verdict::Done));
    stage.show(120);
    end_at(&mut stage, 130, 0);
    stage.show(180);
    assert_eq!(stage.told(), ["run 1 due", "exit 0"]);
    let resume = stage.operate(SlotRequest::Resume, Target::All);
    assert_eq!((stage.verdict(resume), stage.cron().next), (Some(Verdict::Done), Some(wall(240))));
    // And while a run is under way, or with a start instead.
    stage.show(240);
    stage.operate(SlotRequest::Suspend, Target::All);
    let start = stage.operate(SlotRequest::Start, Target::All);
    assert_eq!((stage.verdict(start), stage.spawned.len()), (Some(Verdict::Done), 2));
    assert_eq!(stage.cron().next, Some(wall(300)));
}

#[test]
fn another_description_is_for_the_next_run_and_ends_none() {
    let mut stage = scheduled(every_minute(Overlap::Skip));
    stage.show(60);
    let mut other = every_minute(Overlap::Skip);
    other.cron.schedule = "@hourly".parse().ok();
    let update = other.update.clone();
    let reload = stage.reload_to(other, update.clone(), None, true);
    assert_eq!((stage.verdict(reload), stage.fleet.workers().count()), (Some(Verdict::Done), 1));
    assert_eq!(stage.cron().next, Some(wall(45 * 60)));
    end_at(&mut stage, 61, 0);
    stage.show(45 * 60);
    assert_eq!(stage.generations(), [2]);
    let again = stage.reload_to(every_minute(Overlap::Skip), update, None, false);
    assert_eq!(stage.verdict(again), Some(Verdict::Denied(DenyReason::Cron)));
    let scale = stage.scale(Count::To(2));
    assert_eq!(stage.verdict(scale), Some(Verdict::Denied(DenyReason::Cron)));
}

#[test]
fn an_end_stops_the_run_by_its_policy_and_the_schedule() {
    let mut stage = scheduled(every_minute(Overlap::Skip));
    stage.show(60);
    let end = stage.end(Request::Shutdown);
    stage.settle();
    assert_eq!((stage.verdict(end), stage.fleet.doing()), (Some(Verdict::Done), Doing::Idle));
    stage.show(600);
    assert_eq!(stage.told(), ["run 1 due", "exit -1"]);
    assert_eq!((stage.fleet.wall_deadline(), stage.cron().runs), (None, 1));
}
