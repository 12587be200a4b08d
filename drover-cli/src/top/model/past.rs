//! How workers ended, and which replaced which.

use super::console::{Console, Pane};
use super::wrap::wrapped;
use crate::output::{clock, describe, table, word};
use drover_proto::latest::{AppStatus, WorkerRole, WorkerStatus};

/// How a row is meant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tone {
    Head,
    Plain,
    Quiet,
    /// It stands for this worker.
    Worker(Box<WorkerStatus>),
}

type Row = (String, Tone);

fn quiet(text: &str) -> Vec<Row> {
    vec![(text.to_owned(), Tone::Quiet)]
}

/// The rows of a pane that has no time axis.
pub(crate) fn rows(console: &Console) -> Vec<Row> {
    let rows = match console.pane {
        Pane::Ends => ends(console),
        Pane::Reload => reload(console),
        Pane::Logs | Pane::Events => Vec::new(),
    };
    let width = usize::from(console.size.0);
    let wrap = |(text, tone): Row| wrapped(&text, width).into_iter().map(move |row| (row, tone.clone()));
    rows.into_iter().flat_map(wrap).collect()
}

fn selected(console: &Console) -> Option<&AppStatus> {
    let place = console.list.selected.as_ref()?;
    console.status.as_ref()?.apps.iter().find(|app| app.name == place.app)
}

/// The evidence of the selected worker's ends, the last one first; of an app, the last end of each worker.
fn ends(console: &Console) -> Vec<Row> {
    let (Some(app), Some(place)) = (selected(console), &console.list.selected) else { return Vec::new() };
    if place.worker.is_none() {
        let ended = app.workers.iter().filter_map(|worker| {
            let text = word::of_last_exit(worker)?;
            Some((format!("{}/{} {text}", app.name, worker.slot), Tone::Plain))
        });
        let rows: Vec<Row> = ended.collect();
        return if rows.is_empty() { quiet("none of its workers has ended yet") } else { rows };
    }
    let Some((_, reply)) = console.evidence.as_ref().filter(|(name, _)| *name == place.name()) else {
        return quiet("…");
    };
    let mut ends: Vec<_> = reply.workers.iter().flat_map(|worker| &worker.history).collect();
    ends.sort_by_key(|exit| std::cmp::Reverse(exit.time_ms));
    if ends.is_empty() {
        return quiet("no worker has ended in this slot yet");
    }
    let mut rows = Vec::new();
    for exit in ends {
        let told = describe::end(exit, console.now.wall);
        for (number, line) in told.lines().enumerate() {
            let tone = if number == 0 { Tone::Head } else { Tone::Plain };
            rows.push((line.trim_start_matches("  before").trim_start().to_owned(), tone));
            if number > 0 {
                rows.last_mut().into_iter().for_each(|(text, _)| text.insert_str(0, "    "));
            }
        }
    }
    rows
}

/// The pairs of a reload: first those under way, then those that are done.
fn reload(console: &Console) -> Vec<Row> {
    let Some(app) = selected(console) else { return Vec::new() };
    let mut rows = vec![(table::headline(app, false), Tone::Head)];
    for incoming in app.workers.iter().filter(|worker| worker.role() == WorkerRole::Incoming) {
        let is_old =
            |worker: &&WorkerStatus| worker.slot == incoming.slot && worker.role() != WorkerRole::Incoming;
        let old =
            app.workers.iter().find(is_old).map_or_else(|| "nobody".to_owned(), |old| told(console, old));
        let text = format!("{}/{}  {old}  →  {}", app.name, incoming.slot, told(console, incoming));
        rows.push((text, Tone::Worker(Box::new(incoming.clone()))));
    }
    let is_alone = |leaving: &&WorkerStatus| {
        leaving.role() == WorkerRole::Leaving
            && !app
                .workers
                .iter()
                .any(|worker| worker.slot == leaving.slot && worker.role() == WorkerRole::Incoming)
    };
    for leaving in app.workers.iter().filter(is_alone) {
        let is_new =
            |worker: &&WorkerStatus| worker.slot == leaving.slot && worker.role() != WorkerRole::Leaving;
        let new =
            app.workers.iter().find(is_new).map_or_else(|| "nobody".to_owned(), |new| told(console, new));
        let text = format!("{}/{}  {}  →  {new}", app.name, leaving.slot, told(console, leaving));
        rows.push((text, Tone::Worker(Box::new(leaving.clone()))));
    }
    let Some(last) = console.replacements.of(&app.name) else {
        if rows.len() == 1 {
            rows.extend(quiet("no reload is remembered"));
        }
        return rows;
    };
    if last.begun != 0 {
        rows.push((format!("reload began at {}", clock::time_of_day(last.begun)), Tone::Quiet));
    }
    for pair in &last.pairs {
        let old = if pair.old_pid == 0 { "nobody".to_owned() } else { format!("pid {}", pair.old_pid) };
        let time = clock::time_of_day(pair.time);
        let (slot, new, generation) = (pair.slot, pair.new_pid, pair.generation);
        let text = format!("{}/{slot}  {old}  →  pid {new} of generation {generation}, at {time}", app.name);
        rows.push((text, Tone::Plain));
    }
    if let Some((verdict, time)) = &last.verdict {
        rows.push((format!("{verdict}, at {}", clock::time_of_day(*time)), Tone::Head));
    }
    rows
}

/// Where a worker stands, and for how long it may.
fn told(console: &Console, worker: &WorkerStatus) -> String {
    let mut text =
        format!("pid {} of generation {} {}", worker.pid, worker.generation, word::of_worker(worker));
    if let Some(left) = worker.left_ms.filter(|_| word::is_under_way(worker.phase())) {
        text.push_str(&format!(", {} left", clock::uptime(left.saturating_sub(console.age()))));
    }
    if let Some(in_flight) = worker.in_flight {
        text.push_str(&format!(", {in_flight} in flight"));
    }
    text
}
