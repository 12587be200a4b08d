//! The last row: what is typed, what came of an order, or the first keys.

use ratatui_core::buffer::Buffer;

use super::put_right;
use super::style::{PLAIN, QUIET};
use crate::top::model::{Console, Focus};

/// From the most useful on: a narrow terminal shows the first ones.
const KEYS: &str =
    "? keys  q quit  / search  & filter  1 logs  2 events  3 ends  4 reload  r reload  R restart";

pub(super) fn draw(console: &Console, screen: &mut Buffer, y: u16) {
    let width = usize::from(console.size.0);
    let (search, filter) = (&console.timeline.search, &console.timeline.filter);
    let (text, style) = match (&console.focus, &console.told) {
        (Focus::Search { .. }, _) => (format!("/{}", search.typed), PLAIN),
        (Focus::Filter { .. }, _) => (format!("&{}", filter.typed), PLAIN),
        (Focus::Narrow { .. }, _) => (format!("F{}", console.list.narrow.typed), PLAIN),
        (_, Some(told)) => (told.clone(), PLAIN),
        _ if !search.is_empty() => {
            (format!("/{}  n newer  N older  Esc ends the search", search.typed), QUIET)
        }
        _ => (KEYS.to_owned(), QUIET),
    };
    let (x, _) = screen.set_stringn(0, y, &text, width, style);
    match &console.focus {
        Focus::Search { .. } | Focus::Filter { .. } | Focus::Narrow { .. } => {
            // The cursor of the terminal is hidden.
            screen.set_stringn(x, y, "▏", width.saturating_sub(usize::from(x)), PLAIN);
            if !search.is_valid() || !filter.is_valid() || !console.list.narrow.is_valid() {
                put_right(screen, y, "not a regular expression", usize::from(x) + 2, QUIET);
            }
        }
        Focus::Look | Focus::Confirm(_) | Focus::Help => {}
    }
}
