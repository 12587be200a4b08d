//! The workers of an app in the table of `drover status`, one a line.

use std::fmt::Write as _;

use drover_proto::latest::{AppStatus, WorkerRole, WorkerStatus};

use super::clock::uptime;
use super::look::{StatusLook, style_of_worker};
use super::status_column::{PADDING, StatusColumn, fitting};
use super::word;
use super::word::is_under_way;

/// The head of the table, and a line for each. Laid out here: a thousand lines are written in a millisecond.
pub(super) fn of(app: &AppStatus, look: &StatusLook<'_>) -> String {
    // Only workers of the protocol tell how much they have in flight.
    let is_told = app.workers.iter().any(|worker| worker.in_flight.is_some());
    let columns = StatusColumn::ALL.into_iter().filter(|column| is_told || *column != StatusColumn::InFlight);
    let columns: Vec<StatusColumn> = columns.collect();
    let row = |worker: &WorkerStatus| {
        let usage = (look.usage)(worker);
        columns.iter().map(|column| cell(*column, app, worker, usage)).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> = app.workers.iter().map(row).collect();
    let widths = columns.iter().enumerate().map(|(index, column)| {
        let cells = rows.iter().map(|row| row[index].chars().count());
        (*column, cells.chain([column.title().len()]).max().unwrap_or(0))
    });
    let shown = fitting(widths.collect(), look.width);
    let mut text = String::new();
    line(
        &mut text,
        shown.iter().map(|(column, wide)| (column.title().to_owned(), column.title().len(), *wide)),
    );
    for (row, worker) in rows.iter().zip(&app.workers) {
        let cells = columns.iter().zip(row).filter_map(|(column, cell)| {
            let (_, wide) = shown.iter().find(|(shown, _)| shown == column)?;
            let cell = cut(cell, *wide);
            let length = cell.chars().count();
            let is_painted = look.colour && *column == StatusColumn::State;
            Some((if is_painted { paint(&cell, app, worker) } else { cell }, length, *wide))
        });
        line(&mut text, cells);
    }
    text
}

/// Writes cells, each with its length on the screen and the width of its column. Escape codes have no length.
fn line(text: &mut String, cells: impl Iterator<Item = (String, usize, usize)>) {
    for (cell, length, wide) in cells {
        let _ = write!(text, " {cell}{:blanks$}", "", blanks = wide.saturating_sub(length) + PADDING - 1);
    }
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
}

/// A text that may be too long for its column.
fn cut(text: &str, wide: usize) -> String {
    if text.chars().count() <= wide {
        return text.to_owned();
    }
    text.chars().take(wide.saturating_sub(1)).chain(['…']).collect()
}

/// The word for the state in its colour; what follows it has none.
fn paint(cell: &str, app: &AppStatus, worker: &WorkerStatus) -> String {
    let (word, style) = (word::of_row(app, worker), style_of_worker(worker));
    match cell.strip_prefix(word) {
        Some(rest) => format!("{style}{word}{style:#}{rest}"),
        None => cell.to_owned(),
    }
}

/// What a column says of a worker. `usage`: the part of a CPU in percent, and memory in bytes.
pub(super) fn cell(
    column: StatusColumn,
    app: &AppStatus,
    worker: &WorkerStatus,
    usage: Option<(f64, u64)>,
) -> String {
    let is_there = worker.pid != 0;
    let usage = usage.filter(|_| is_there);
    let told = match column {
        StatusColumn::Worker => Some(format!("{}/{}{}", app.name, worker.slot, mark(worker.role()))),
        StatusColumn::State => Some(state(app, worker)),
        StatusColumn::Pid => is_there.then(|| worker.pid.to_string()),
        StatusColumn::Uptime => is_there.then(|| uptime(worker.uptime_ms)),
        StatusColumn::Restarts => Some(worker.restarts.to_string()),
        StatusColumn::Cpu => usage.map(|(percent, _)| format!("{percent:.1}%")),
        StatusColumn::Memory => usage.map(|(_, bytes)| memory(bytes)),
        StatusColumn::InFlight => worker.in_flight.map(|count| count.to_string()),
        StatusColumn::Generation => is_there.then(|| worker.generation.to_string()),
        StatusColumn::LastExit => word::of_last_exit(worker).map(|text| {
            // A run is not expected to come to anything but its end.
            let text = if app.cron.is_some() { text.trim_end_matches(" while starting") } else { text };
            text.to_owned()
        }),
    };
    told.unwrap_or_else(|| "-".to_owned())
}

fn state(app: &AppStatus, worker: &WorkerStatus) -> String {
    let word = word::of_row(app, worker);
    match (worker.next_try_ms, worker.left_ms.filter(|_| is_under_way(worker.phase()))) {
        (Some(left), _) => format!("{word}, next try in {}", uptime(left)),
        (None, Some(left)) => format!("{word}, {} left", uptime(left)),
        (None, None) => word.to_owned(),
    }
}

/// Tells those in a slot apart while they are replaced.
const fn mark(role: WorkerRole) -> &'static str {
    match role {
        WorkerRole::Unspecified | WorkerRole::Occupant => "",
        WorkerRole::Incoming => " ↑ new",
        WorkerRole::Leaving => " ↓ old",
    }
}

fn memory(bytes: u64) -> String {
    match bytes / 1024 {
        kib @ ..10_240 => format!("{kib} KiB"),
        kib => format!("{} MiB", kib / 1024),
    }
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::{Exit, Phase};

    use super::*;

    fn shown(width: Option<usize>) -> Vec<String> {
        let worker = |slot, in_flight, last_exit| WorkerStatus {
            slot,
            phase: Phase::Started.into(),
            pid: 4711 + slot,
            uptime_ms: 61_000,
            generation: 2,
            in_flight,
            last_exit,
            ..Default::default()
        };
        let exit =
            Exit { text: "was ended by SIGKILL from outside while ready".into(), ..Default::default() };
        let workers = vec![worker(0, Some(3), None), worker(1, None, Some(exit))];
        let app = AppStatus { name: "web".into(), workers, ..Default::default() };
        let usage = |worker: &WorkerStatus| (worker.slot == 0).then_some((12.34, 20 << 20));
        let text = of(&app, &StatusLook { colour: false, width, usage: &usage });
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn each_worker_is_shown_with_what_it_uses_and_a_dash_where_that_is_not_known() {
        assert_eq!(
            shown(None),
            [
                " WORKER  STATE  PID   UPTIME     RESTARTS  CPU    MEMORY  IN FLIGHT  GEN  LAST EXIT",
                " web/0   ready  4711  1 min 1 s  0         12.3%  20 MiB  3          2    -",
                " web/1   ready  4712  1 min 1 s  0         -      -       -          2    was ended by SIGKILL from outside while ready",
            ]
        );
    }

    #[test]
    fn on_a_narrow_terminal_no_line_is_longer_than_it_is_wide() {
        for width in 20..=130 {
            let lines = shown(Some(width));
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}: {lines:?}");
        }
        assert_eq!(shown(Some(44))[2], " web/1   ready  was ended by SIGKILL from o…");
    }
}
