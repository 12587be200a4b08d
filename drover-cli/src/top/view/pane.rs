//! The pane below the list: its title, and what is in it.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::text::Span;

use super::put_right;
use super::style::{self, FOUND, HEAD, NAME, QUIET, SELECTED};
use crate::output::clock;
use crate::top::model::{Console, Entry, EntryKind, Pane, past_rows};

pub(super) fn draw(console: &Console, screen: &mut Buffer, area: Rect) {
    let inner = Rect::new(area.x, area.y + 1, area.width, area.height.saturating_sub(1));
    let note = match console.pane {
        Pane::Logs | Pane::Events => entries(console, screen, inner),
        Pane::Ends | Pane::Reload => {
            let rows = past_rows(console);
            let shown = rows.iter().skip(console.skipped).take(usize::from(inner.height));
            for ((text, tone), y) in shown.zip(inner.y..) {
                screen.set_stringn(inner.x, y, text, usize::from(inner.width), style::tone(tone));
            }
            String::new()
        }
    };
    title(console, screen, area, &note);
}

fn title(console: &Console, screen: &mut Buffer, area: Rect, note: &str) {
    let width = usize::from(area.width);
    let rule = if console.is_pane_focused || console.is_zoomed { "━" } else { "─" };
    screen.set_stringn(area.x, area.y, rule.repeat(width), width, QUIET);
    let mut x = area.x;
    for pane in Pane::ALL {
        let (text, style) = match pane == console.pane {
            true => (format!("[{}]", pane.title()), HEAD),
            false => (format!(" {} ", pane.title()), QUIET),
        };
        // In a narrow one the name of the pane that is open stands alone.
        if pane == console.pane || width >= 40 {
            (x, _) = screen.set_stringn(x, area.y, &text, width.saturating_sub(usize::from(x)), style);
        }
    }
    if let Some(place) = &console.list.selected {
        let text = format!(" {} ", place.name());
        (x, _) = screen.set_stringn(x, area.y, &text, width.saturating_sub(usize::from(x)), NAME);
    }
    put_right(screen, area.y, note, usize::from(x), HEAD);
}

/// Lines and events; comes back with what is beyond the edge.
fn entries(console: &Console, screen: &mut Buffer, area: Rect) -> String {
    let timeline = &console.timeline;
    let shown = timeline.shown(console.look());
    let height = usize::from(area.height);
    let (above, new) = timeline.edge(&shown, height);
    let from = above.saturating_sub(height);
    for (entry, y) in shown[from..above].iter().zip(area.y..) {
        put(console, screen, entry, Rect::new(area.x, y, area.width, 1));
    }
    let filter = &timeline.filter;
    let filtered = if filter.is_empty() { String::new() } else { format!(" &{} ", filter.typed) };
    let edge = match (timeline.bottom, new) {
        (None, _) => " following ".to_owned(),
        (Some(_), 0) => " held ".to_owned(),
        (Some(_), new) => format!(" +{new} new "),
    };
    format!("{filtered}{edge}")
}

fn put(console: &Console, screen: &mut Buffer, entry: &Entry, area: Rect) {
    let width = usize::from(area.width);
    let who = match entry.slot {
        Some(slot) => format!("{}/{slot}", entry.app),
        None => entry.app.clone(),
    };
    let mark = if matches!(entry.what, EntryKind::Line(_)) { "│ " } else { "● " };
    let time = clock::time_of_day(entry.mark.0);
    // The date of what has just happened is no question, nor is the zone in each row.
    let time = if width >= 60 { time.trim_end_matches('Z') } else { "" };
    let who = if width >= 40 { who.as_str() } else { "" };
    let mut x = area.x;
    for (text, style) in [(time, QUIET), (who, NAME)] {
        if !text.is_empty() {
            (x, _) = screen.set_stringn(x, area.y, text, width.saturating_sub(usize::from(x)), style);
            x += 1;
        }
    }
    let left = |x: u16| width.saturating_sub(usize::from(x));
    (x, _) = screen.set_stringn(x, area.y, mark, left(x), QUIET);
    let shift = entry.text.char_indices().nth(console.timeline.shift).map_or(entry.text.len(), |(at, _)| at);
    screen.set_stringn(x, area.y, &entry.text[shift..], left(x), style::entry(entry.what));
    highlight(console, screen, entry, shift, (x, area.y));
}

/// What the search found in it, in a text that is shown there from this byte on.
fn highlight(console: &Console, screen: &mut Buffer, entry: &Entry, shift: usize, (begin, y): (u16, u16)) {
    let width = screen.area.width;
    let is_hit = console.timeline.hit == Some(entry.mark);
    let style = if is_hit { FOUND.patch(SELECTED) } else { FOUND };
    for (from, to) in console.timeline.search.places(&entry.text) {
        let columns = |text: &str| u16::try_from(Span::raw(text).width()).unwrap_or(width);
        let (from, to) = (from.max(shift), to.max(shift));
        let (x, wide) =
            (begin.saturating_add(columns(&entry.text[shift..from])), columns(&entry.text[from..to]));
        if x < width {
            screen.set_style(Rect::new(x, y, wide.min(width - x), 1), style);
        }
    }
}
