//! What `drover describe` shows to people.

use std::fmt::Write as _;

use drover_master::Readable;
use drover_proto::latest::{AppDescription, AppStatus, DescribeReply, Exit, WorkerDescription, WorkerRole};

use super::clock::timestamp;
use super::clock::uptime;
use super::table::headline;
use super::{runs, word};

/// Apps with their settings, then workers with their past.
pub(crate) fn description(reply: &DescribeReply, colour: bool) -> String {
    let apps = reply.apps.iter().map(|described| app(described, colour));
    let workers = reply.workers.iter().map(|described| {
        let statuses = reply.apps.iter().filter_map(|app| app.status.as_ref());
        worker(described, statuses.into_iter().find(|status| status.name == described.app))
    });
    let parts: Vec<String> = apps.chain(workers).collect();
    parts.join("\n")
}

fn app(described: &AppDescription, colour: bool) -> String {
    let status = described.status.clone().unwrap_or_default();
    let mut text = format!("{}\n", headline(&status, colour));
    let width = described.settings.iter().map(|setting| setting.key.len()).max().unwrap_or(0);
    for setting in &described.settings {
        let _ = writeln!(text, "  {:width$}  {}", setting.key, setting.value);
    }
    let now = runs::now_ms();
    described.runs.iter().for_each(|run| text.push_str(&runs::run(run, now)));
    text
}

fn worker(described: &WorkerDescription, app: Option<&AppStatus>) -> String {
    let status = described.status.clone().unwrap_or_default();
    let word = app.map_or_else(|| word::of_worker(&status), |app| word::of_row(app, &status));
    let mut text = format!("{}/{} {word}", described.app, status.slot);
    if status.pid != 0 {
        let _ = write!(text, ", pid {}, up {}", status.pid, uptime(status.uptime_ms));
    }
    if status.id != 0 {
        let _ = write!(text, ", worker {}@{} of generation {}", described.app, status.id, status.generation);
    }
    text.push_str(match status.role() {
        WorkerRole::Unspecified | WorkerRole::Occupant => "",
        WorkerRole::Incoming => ", to take over the slot",
        WorkerRole::Leaving => ", replaced",
    });
    let _ = write!(text, ", {} restarts", status.restarts);
    if let Some(left) = status.next_try_ms {
        let _ = write!(text, ", next try in {}", uptime(left));
    }
    text.push('\n');
    if !status.unready.is_empty() {
        let _ = writeln!(text, "  not ready: {}", Readable(&status.unready));
    }
    if !status.status_text.is_empty() {
        let _ = writeln!(text, "  says: {}", Readable(&status.status_text));
    }
    if let Some(in_flight) = status.in_flight {
        let _ = writeln!(text, "  in flight: {in_flight}");
    }
    described.history.iter().for_each(|exit| text.push_str(&end(exit, runs::now_ms())));
    text
}

/// One end, and its evidence.
pub(crate) fn end(exit: &Exit, now_ms: u64) -> String {
    // An older master does not tell.
    let when = match exit.time_ms {
        0 => String::new(),
        time => format!(" {} ago, at {}", uptime(now_ms.saturating_sub(time)), timestamp(time)),
    };
    let mut text = format!(
        "  before{when}: {}, after {}, {} ms of CPU, at most {} KiB\n",
        exit.text,
        uptime(exit.uptime_ms),
        exit.cpu_ms,
        exit.max_rss_kb
    );
    for line in &exit.stderr_tail {
        let _ = writeln!(text, "    {}", Readable(line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_with_the_time_that_has_passed_since_and_that_of_the_calendar() {
        let exit =
            Exit { text: "exited with code 3".into(), time_ms: 1_709_210_096_000, ..Default::default() };
        let told = end(&exit, 1_709_210_096_000 + 3 * 60_000);
        assert!(
            told.starts_with("  before 3 min 0 s ago, at 2024-02-29T12:34:56.000Z: exited with code 3,"),
            "{told}"
        );
        let unknown = end(&Exit { time_ms: 0, ..exit }, 0);
        assert!(unknown.starts_with("  before: exited with code 3,"), "{unknown}");
    }
}
