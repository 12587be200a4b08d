//! The list of apps and workers.

use drover_proto::latest::{AppStatus, WorkerRole, WorkerStatus};
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;

use super::columns::{self, Column, Columns, GAP};
use super::style::{self, HEAD, SELECTED, TITLES};
use super::uptime;
use crate::output::word;
use crate::top::model::{Console, ListRow, Use, urgency};

pub(super) fn draw(console: &Console, screen: &mut Buffer, area: Rect) {
    let Some(status) = console.status.as_ref().filter(|_| area.height > 1) else { return };
    let rows = console.list.rows(status);
    let longest = |text: fn(&ListRow<'_>) -> String| {
        rows.iter().map(|row| text(row).chars().count()).max().unwrap_or_default()
    };
    let columns = columns::shared(usize::from(area.width), longest(name), longest(state));
    titles(screen, area, &columns);
    let height = usize::from(area.height) - 1;
    let at = console.list.at(&rows);
    // The selection stays in the middle where there is more above and below.
    let from = at.unwrap_or(0).saturating_sub(height / 2).min(rows.len().saturating_sub(height));
    for (y, (number, row)) in rows.iter().enumerate().skip(from).take(height).enumerate() {
        let y = area.y + 1 + u16::try_from(y).unwrap_or(0);
        put(console, screen, y, row, &columns);
        if Some(number) == at && !console.is_pane_focused {
            screen.set_style(Rect::new(0, y, area.width, 1), SELECTED);
        } else if Some(number) == at {
            screen.set_style(Rect::new(0, y, area.width, 1), HEAD);
        }
    }
    if rows.is_empty() {
        let narrow = &console.list.narrow;
        let text = match narrow.is_empty() {
            true => "no apps".to_owned(),
            false => format!("no app or worker matches {}; Esc shows all", narrow.typed),
        };
        screen.set_stringn(0, area.y + 1, text, usize::from(area.width), style::QUIET);
    }
}

fn titles(screen: &mut Buffer, area: Rect, columns: &Columns) {
    screen.set_stringn(0, area.y, "NAME", columns.name, TITLES);
    let x = columns.name + 1;
    screen.set_stringn(x16(x), area.y, "STATE", columns.state, TITLES);
    let mut x = x + columns.state;
    for (column, width) in &columns.others {
        cell(screen, (x + GAP, area.y), column.title(), *width, column.is_number(), TITLES);
        x += GAP + width;
    }
}

fn put(console: &Console, screen: &mut Buffer, y: u16, row: &ListRow<'_>, columns: &Columns) {
    let (of_name, of_state) = match row {
        ListRow::App { app, .. } => (HEAD, style::phase(app.phase())),
        ListRow::Worker { worker, .. } => (Style::new(), style::worker(worker)),
    };
    screen.set_stringn(0, y, name(row), columns.name, of_name);
    screen.set_stringn(x16(columns.name + 1), y, state(row), columns.state, of_state);
    let mut x = columns.name + 1 + columns.state;
    for (column, width) in &columns.others {
        let text = match row {
            ListRow::App { app, .. } => of_app(console, app, *column),
            ListRow::Worker { worker, .. } => of_worker(console, worker, *column),
        };
        cell(screen, (x + GAP, y), &text, *width, column.is_number(), Style::new());
        x += GAP + width;
    }
}

fn cell(screen: &mut Buffer, (x, y): (usize, u16), text: &str, width: usize, is_number: bool, style: Style) {
    let indent = if is_number { width.saturating_sub(text.chars().count()) } else { 0 };
    screen.set_stringn(x16(x + indent), y, text, width - indent, style);
}

fn x16(x: usize) -> u16 {
    u16::try_from(x).unwrap_or(u16::MAX)
}

fn name(row: &ListRow<'_>) -> String {
    match row {
        ListRow::App { app, is_open: true } => format!("▾ {}", app.name),
        ListRow::App { app, is_open: false } => format!("▸ {}", app.name),
        ListRow::Worker { app, worker } => {
            let mark = match worker.role() {
                WorkerRole::Unspecified | WorkerRole::Occupant => "",
                WorkerRole::Incoming => " ↑",
                WorkerRole::Leaving => " ↓",
            };
            format!("  {}/{}{mark}", app.name, worker.slot)
        }
    }
}

fn state(row: &ListRow<'_>) -> String {
    match row {
        ListRow::App { app, .. } => match (word::of_app(app), &*app.operation) {
            (word::COMPLETED, _) => word::COMPLETED.to_owned(),
            (word, "") => format!("{word} {}/{}", app.ready, app.desired),
            (_, operation) => format!("{operation} {}/{}", app.ready, app.desired),
        },
        ListRow::Worker { worker, .. } => word::of_worker(worker).to_owned(),
    }
}

fn of_app(console: &Console, app: &AppStatus, column: Column) -> String {
    let workers = app.workers.iter();
    match column {
        Column::Restarts => workers.map(|worker| worker.restarts).sum::<u64>().to_string(),
        Column::NextTry => workers
            .filter_map(|worker| worker.next_try_ms)
            .min()
            .map_or_else(String::new, |left| next_try(console, left)),
        Column::Cpu | Column::Memory => {
            let used: Vec<&Use> = workers.filter_map(|worker| console.used.get(&worker.pid)).collect();
            let (cpu, memory) =
                (used.iter().map(|used| used.cpu).sum(), used.iter().map(|used| used.memory).sum());
            if used.is_empty() { String::new() } else { usage(Use { cpu, memory }, column) }
        }
        Column::InFlight => {
            let reported: Vec<u64> = workers.filter_map(|worker| worker.in_flight).collect();
            if reported.is_empty() { String::new() } else { reported.iter().sum::<u64>().to_string() }
        }
        Column::Generation => app.generation.to_string(),
        Column::Uptime | Column::Pid => String::new(),
        Column::LastExit => match workers.filter(|worker| urgency(worker) < 3).count() {
            0 => app.queued.clone(),
            1 => "1 worker is not well".to_owned(),
            count => format!("{count} workers are not well"),
        },
    }
}

fn of_worker(console: &Console, worker: &WorkerStatus, column: Column) -> String {
    let has_process = worker.pid != 0;
    match column {
        Column::Uptime if has_process => uptime(worker.uptime_ms + console.age()),
        Column::Pid if has_process => worker.pid.to_string(),
        Column::Uptime | Column::Pid => String::new(),
        Column::Restarts => worker.restarts.to_string(),
        Column::NextTry => worker.next_try_ms.map_or_else(String::new, |left| next_try(console, left)),
        Column::Cpu | Column::Memory => {
            console.used.get(&worker.pid).map_or_else(String::new, |used| usage(*used, column))
        }
        Column::InFlight => worker.in_flight.map_or_else(String::new, |count| count.to_string()),
        Column::Generation => worker.generation.to_string(),
        Column::LastExit => word::of_last_exit(worker).unwrap_or_default().to_owned(),
    }
}

/// Shorter than an uptime: it is a few seconds, or minutes.
fn next_try(console: &Console, left: u64) -> String {
    match left.saturating_sub(console.age()).div_ceil(1000) {
        0 => "now".to_owned(),
        seconds @ ..600 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

fn usage(used: Use, column: Column) -> String {
    match column {
        Column::Cpu => format!("{:.1}%", used.cpu),
        _ => memory(used.memory),
    }
}

/// In three digits, which is as exact as a number that changes is read.
fn memory(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "no process has that much")]
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    match mebibytes {
        ..9.95 => format!("{mebibytes:.1} MiB"),
        ..9999.5 => format!("{mebibytes:.0} MiB"),
        _ => format!("{:.1} GiB", mebibytes / 1024.0),
    }
}
