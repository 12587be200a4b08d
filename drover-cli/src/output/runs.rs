//! What people read of an app that runs by a schedule.

use std::time::SystemTime;

use drover_master::Readable;
use drover_proto::latest::{AppStatus, CronRun, CronStatus};

use super::clock::{timestamp, uptime};

/// When it runs, and how often it has, as a part of a line.
pub(crate) fn summary(app: &AppStatus, cron: &CronStatus, now_ms: u64) -> String {
    let is_under_way = cron.last.as_ref().is_some_and(is_under_way);
    let mut told = match (cron.next_ms, is_under_way) {
        (Some(next), _) => format!("next run in {}", uptime(next.saturating_sub(now_ms))),
        // It says itself that it does not run.
        (None, _) if app.desired == 0 || is_under_way => "its schedule is held".to_owned(),
        (None, _) => "no next run".to_owned(),
    };
    told += &format!(", {} {}", cron.runs, if cron.runs == 1 { "run" } else { "runs" });
    for (count, what) in [(cron.failed, "failed"), (cron.skipped, "skipped")] {
        if count > 0 {
            told += &format!(", {count} {what}");
        }
    }
    if cron.waiting_ms.is_some() {
        told += ", one waits";
    }
    told
}

/// One run in a line, and the last words of one that failed.
pub(crate) fn run(run: &CronRun, now_ms: u64) -> String {
    let ago = |then: u64| format!("{} ago, at {}", uptime(now_ms.saturating_sub(then)), timestamp(then));
    let due = match run.due_ms {
        None => "asked for".to_owned(),
        Some(due) => format!("due {}", timestamp(due)),
    };
    if !run.skipped.is_empty() {
        let what = match run.count {
            1 => "skipped a run".to_owned(),
            count => format!("skipped {count} runs, the last one"),
        };
        return format!("  {what} {due}: {}\n", Readable(&run.skipped));
    }
    let Some(ended) = run.ended_ms else {
        return format!("  run {} began {}, {due}: under way\n", run.number, ago(run.began_ms));
    };
    let exit = run.exit.clone().unwrap_or_default();
    let took = uptime(ended.saturating_sub(run.began_ms));
    // A run is not expected to come to anything but its end.
    let how = exit.text.strip_suffix(" while starting").unwrap_or(&exit.text);
    let mut told = format!("  run {} began {}, {due}: {how} after {took}\n", run.number, ago(run.began_ms));
    for line in exit.stderr_tail.iter().filter(|_| run.failed) {
        told += &format!("    {}\n", Readable(line));
    }
    told
}

/// Whether it has begun and not ended.
pub(crate) const fn is_under_way(run: &CronRun) -> bool {
    run.number != 0 && run.ended_ms.is_none()
}

/// The wall clock, as the master tells times.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::Exit;

    use super::*;

    /// 2024-02-29T12:35:00Z.
    const DUE: u64 = 1_709_210_100_000;

    fn ended(code: i32) -> CronRun {
        let text = format!("exited with code {code} while starting");
        let exit = Exit { text, stderr_tail: vec!["no disk".into()], ..Default::default() };
        CronRun {
            number: 12,
            due_ms: Some(DUE),
            began_ms: DUE + 4,
            ended_ms: Some(DUE + 1500),
            exit: Some(exit),
            failed: code != 0,
            ..Default::default()
        }
    }

    #[test]
    fn each_run_is_a_line_with_the_evidence_of_its_failure() {
        let now = DUE + 60_004;
        let began = "began 1 min 0 s ago, at 2024-02-29T12:35:00.004Z";
        let due = "due 2024-02-29T12:35:00.000Z";
        let asked = CronRun { due_ms: None, ended_ms: None, ..ended(0) };
        let skipped = |count| CronRun {
            due_ms: Some(DUE),
            skipped: "the run before it is under way".into(),
            count,
            ..Default::default()
        };
        for (shown, expected) in [
            (ended(0), format!("  run 12 {began}, {due}: exited with code 0 after 1.4 s\n")),
            (ended(3), format!("  run 12 {began}, {due}: exited with code 3 after 1.4 s\n    no disk\n")),
            (asked, format!("  run 12 {began}, asked for: under way\n")),
            (skipped(1), format!("  skipped a run {due}: the run before it is under way\n")),
            (skipped(3), format!("  skipped 3 runs, the last one {due}: the run before it is under way\n")),
        ] {
            assert_eq!(run(&shown, now), expected);
        }
    }

    #[test]
    fn a_line_says_when_it_runs_next_and_how_often_it_has() {
        let app = AppStatus { desired: 1, ..Default::default() };
        let cron = CronStatus { next_ms: Some(DUE), runs: 1, ..Default::default() };
        assert_eq!(summary(&app, &cron, DUE - 90_000), "next run in 1 min 30 s, 1 run");
        let cron =
            CronStatus { next_ms: None, runs: 5, failed: 1, skipped: 2, waiting_ms: Some(DUE), ..cron };
        assert_eq!(summary(&app, &cron, DUE), "no next run, 5 runs, 1 failed, 2 skipped, one waits");
        let held = AppStatus { desired: 0, ..app };
        assert!(summary(&held, &cron, DUE).starts_with("its schedule is held, 5 runs"));
    }
}
