//! The runs of an app that runs by a schedule, as messages.

use std::time::SystemTime;

use drover_proto::latest as wire;

use super::exit::{milliseconds, whole_exit};
use crate::machine::fleet::{CronStatus, Run, RunFate};

/// How it stands; of its runs the newest one, without all of its last words.
pub(super) fn status(cron: &CronStatus) -> wire::CronStatus {
    let mut last = cron.history.last().map(run);
    if let Some(exit) = last.as_mut().and_then(|last| last.exit.as_mut()) {
        exit.stderr_tail.clear();
    }
    wire::CronStatus {
        schedule: cron.schedule.clone(),
        timezone: cron.timezone.clone(),
        next_ms: cron.next.map(since_1970),
        waiting_ms: cron.waiting.map(since_1970),
        runs: cron.runs,
        failed: cron.failed,
        skipped: cron.skipped,
        last,
    }
}

/// The last ones, oldest first.
pub(super) fn runs(cron: &CronStatus) -> Vec<wire::CronRun> {
    cron.history.iter().map(run).collect()
}

fn run(run: &Run) -> wire::CronRun {
    let due_ms = run.due.map(since_1970);
    match &run.fate {
        RunFate::UnderWay { number, began } => {
            wire::CronRun { number: *number, due_ms, began_ms: since_1970(*began), ..Default::default() }
        }
        RunFate::Ended { number, began, ended, exit, as_wished } => wire::CronRun {
            number: *number,
            due_ms,
            began_ms: since_1970(*began),
            ended_ms: Some(since_1970(*ended)),
            exit: Some(whole_exit(exit)),
            failed: !as_wished,
            ..Default::default()
        },
        RunFate::Skipped { reason, count } => {
            wire::CronRun { due_ms, skipped: reason.to_string(), count: *count, ..Default::default() }
        }
    }
}

fn since_1970(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, milliseconds)
}
