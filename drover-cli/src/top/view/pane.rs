//! The pane below the list: its title, and what is in it.

use std::ops::Range;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;
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
    if timeline.wraps {
        wrapped(console, screen, &shown[..above], area);
    } else {
        let from = above.saturating_sub(height);
        for (entry, y) in shown[from..above].iter().zip(area.y..) {
            let shift = entry.text.char_indices().nth(timeline.shift).map_or(entry.text.len(), |(at, _)| at);
            put(console, screen, entry, y, true, shift..entry.text.len());
        }
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

/// The newest entries that there is room for, each in as many rows as it takes; of the topmost perhaps only the last ones.
fn wrapped(console: &Console, screen: &mut Buffer, shown: &[&Entry], area: Rect) {
    let height = usize::from(area.height);
    let mut rows = Vec::new();
    for entry in shown.iter().rev() {
        let parts = parts(&entry.text, usize::from(area.width).saturating_sub(before(entry, area.width)));
        rows.extend(parts.into_iter().enumerate().rev().map(|(number, part)| (*entry, number == 0, part)));
        if rows.len() >= height {
            break;
        }
    }
    rows.truncate(height);
    for ((entry, is_first, part), y) in rows.into_iter().rev().zip(area.y..) {
        put(console, screen, entry, y, is_first, part);
    }
}

/// A text in pieces that are this wide, as ranges of bytes; at least one.
fn parts(text: &str, width: usize) -> Vec<Range<usize>> {
    let (mut parts, mut from, mut wide) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        let columns = Span::raw(&text[at..at + character.len_utf8()]).width();
        if wide + columns > width && at > from {
            parts.push(from..at);
            (from, wide) = (at, 0);
        }
        wide += columns;
    }
    parts.push(from..text.len());
    parts
}

/// Whose it is and when it was, as far as there is room for it.
fn head(entry: &Entry, width: u16) -> [(String, Style); 3] {
    let who = match entry.slot {
        Some(slot) => format!("{}/{slot}", entry.app),
        None => entry.app.clone(),
    };
    let mark = if matches!(entry.what, EntryKind::Line(_)) { "│ " } else { "● " };
    let time = clock::time_of_day(entry.mark.0);
    // Nobody asks for the date of what has just happened, nor for the zone in each row.
    let time = if width >= 60 { format!("{} ", time.trim_end_matches('Z')) } else { String::new() };
    let who = if width >= 40 && !who.is_empty() { format!("{who} ") } else { String::new() };
    [(time, QUIET), (who, NAME), (mark.to_owned(), QUIET)]
}

/// How many columns stand before its text.
fn before(entry: &Entry, width: u16) -> usize {
    head(entry, width).iter().map(|(text, _)| Span::raw(text).width()).sum()
}

/// A row of an entry: a part of its text, behind its head or below it.
fn put(console: &Console, screen: &mut Buffer, entry: &Entry, y: u16, is_first: bool, part: Range<usize>) {
    let width = screen.area.width;
    let left = |x: u16| usize::from(width.saturating_sub(x));
    let mut x = 0;
    if is_first {
        for (text, style) in head(entry, width) {
            (x, _) = screen.set_stringn(x, y, &text, left(x), style);
        }
    } else {
        x = u16::try_from(before(entry, width)).unwrap_or(width).min(width);
    }
    screen.set_stringn(x, y, &entry.text[part.clone()], left(x), style::entry(entry.what));
    highlight(console, screen, entry, part, (x, y));
}

/// What the search found in it, in a part of its text that is shown there.
fn highlight(
    console: &Console,
    screen: &mut Buffer,
    entry: &Entry,
    part: Range<usize>,
    (begin, y): (u16, u16),
) {
    let width = screen.area.width;
    let is_hit = console.timeline.hit == Some(entry.mark);
    let style = if is_hit { FOUND.patch(SELECTED) } else { FOUND };
    for (from, to) in console.timeline.search.places(&entry.text) {
        let columns = |text: &str| u16::try_from(Span::raw(text).width()).unwrap_or(width);
        let (from, to) = (from.clamp(part.start, part.end), to.clamp(part.start, part.end));
        let (x, wide) =
            (begin.saturating_add(columns(&entry.text[part.start..from])), columns(&entry.text[from..to]));
        if x < width {
            screen.set_style(Rect::new(x, y, wide.min(width - x), 1), style);
        }
    }
}
