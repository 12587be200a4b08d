//! What is on the screen: a function of the state and nothing else.

mod columns;
mod foot;
mod list;
mod pane;
mod popup;
mod style;
#[cfg(test)]
mod tests;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;

use super::model::{Console, Focus};
use style::{HEAD, LOST};

/// The whole screen.
pub(super) fn view(console: &Console) -> Buffer {
    let (columns, rows) = console.size;
    let mut screen = Buffer::empty(Rect::new(0, 0, columns, rows));
    if columns == 0 || rows < 3 {
        return screen;
    }
    head(console, &mut screen);
    let list = u16::try_from(console.list_height()).unwrap_or(rows);
    list::draw(console, &mut screen, Rect::new(0, 1, columns, list));
    if console.is_pane_shown() {
        pane::draw(console, &mut screen, Rect::new(0, 1 + list, columns, rows - 2 - list));
    }
    foot::draw(console, &mut screen, rows - 1);
    match &console.focus {
        Focus::Help => popup::draw(&mut screen, &popup::keys(console.is_read_only)),
        Focus::Confirm(order) => popup::draw(&mut screen, &popup::question(order)),
        Focus::Look | Focus::Search { .. } | Focus::Filter { .. } | Focus::Narrow { .. } => {}
    }
    screen
}

/// Which master this is, and whether it is there.
fn head(console: &Console, screen: &mut Buffer) {
    let width = usize::from(console.size.0);
    let (text, style) = match (&console.lost, &console.status) {
        (Some(why), _) => (format!("the master is gone: {why}"), LOST),
        (None, None) => ("drover top".to_owned(), HEAD),
        (None, Some(status)) => {
            let master = status.master.clone().unwrap_or_default();
            let up = uptime(master.uptime_ms + console.age());
            let from = if master.file.is_empty() { String::new() } else { format!(", from {}", master.file) };
            (format!("master pid {}, up {up}{from}", master.pid), HEAD)
        }
    };
    screen.set_stringn(0, 0, &text, width, style);
    let narrow = &console.list.narrow;
    let narrowed = if narrow.is_empty() { String::new() } else { format!(" only {} ", narrow.typed) };
    let mark = format!("{narrowed}{}", if console.is_read_only { "read-only" } else { "" });
    put_right(screen, 0, &mark, text.chars().count() + 1, HEAD);
}

/// Puts a text at the right edge if there is room for it behind what stands in the row.
fn put_right(screen: &mut Buffer, y: u16, text: &str, from: usize, style: ratatui_core::style::Style) {
    let (width, length) = (usize::from(screen.area.width), text.chars().count());
    if length > 0 && from + length <= width {
        screen.set_stringn(u16::try_from(width - length).unwrap_or(0), y, text, length, style);
    }
}

/// A length of time in full seconds: tenths that jump are no news.
fn uptime(ms: u64) -> String {
    match ms / 1000 {
        seconds @ ..60 => format!("{seconds} s"),
        seconds => crate::output::clock::uptime(seconds * 1000),
    }
}
