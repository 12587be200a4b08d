//! What `drover describe` shows to people.

use std::fmt::Write as _;

use drover_master::machine::readable::Readable;
use drover_proto::latest::{AppDescription, DescribeReply, Exit, WorkerDescription, WorkerRole};

use super::table::{headline, uptime};
use super::word;

/// Apps with their settings, then workers with their past.
pub(crate) fn description(reply: &DescribeReply, colour: bool) -> String {
    let apps = reply.apps.iter().map(|described| app(described, colour));
    let parts: Vec<String> = apps.chain(reply.workers.iter().map(worker)).collect();
    parts.join("\n")
}

fn app(described: &AppDescription, colour: bool) -> String {
    let status = described.status.clone().unwrap_or_default();
    let mut text = format!("{}\n", headline(&status, colour));
    let width = described.settings.iter().map(|setting| setting.key.len()).max().unwrap_or(0);
    for setting in &described.settings {
        let _ = writeln!(text, "  {:width$}  {}", setting.key, setting.value);
    }
    text
}

fn worker(described: &WorkerDescription) -> String {
    let status = described.status.clone().unwrap_or_default();
    let mut text = format!("{}/{} {}", described.app, status.slot, word::of_worker(&status));
    if status.pid != 0 {
        let _ = write!(text, ", pid {}, up {}", status.pid, uptime(status.uptime_ms));
    }
    if status.id != 0 {
        let _ = write!(text, ", worker {}@{} of generation {}", described.app, status.id, status.generation);
    }
    text.push_str(match status.role() {
        WorkerRole::Unspecified | WorkerRole::Occupant => "",
        WorkerRole::Incoming => ", to take the place",
        WorkerRole::Leaving => ", replaced, drains",
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
    described.history.iter().for_each(|exit| text.push_str(&end(exit)));
    text
}

fn end(exit: &Exit) -> String {
    let mut text = format!(
        "  before: {}, after {}, {} ms of CPU, at most {} KiB\n",
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
