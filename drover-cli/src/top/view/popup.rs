//! A box over the rest: the keys, or a question.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;

use super::style::{HEAD, PLAIN};
use crate::top::model::{Order, OrderKind, wrapped};

/// The keys that only look.
const LOOK: [&str; 15] = [
    "↑ ↓ j k      move; PgUp PgDn, g G: to the ends",
    "Enter → ←    open or fold an app; move long lines",
    "Tab          move in the list or in the pane",
    "1 2 3 4      logs, events, ends, reload",
    "z            the pane alone, or both",
    "/            search as you type: a regular expression",
    "n N          the next match: newer, older",
    "&            show only what matches",
    "F            narrow the list: by a name or a state",
    "w            wrap long lines, or cut them",
    "f            follow what comes",
    "Esc          end the search, the filters, the pane",
    "Ctrl-L       draw everything again",
    "Ctrl-Z       back to the shell; fg continues",
    "q Ctrl-C     quit",
];

/// Those that change something; each asks first.
const ORDERS: [&str; 5] = [
    "r R          reload the app; restart what is selected",
    "+ -          more or fewer workers",
    "S s          start, stop",
    "u U          suspend, resume",
    "p a          promote or abort the reload",
];

pub(super) fn keys(is_read_only: bool) -> Vec<String> {
    let orders: &[&str] = if is_read_only { &[] } else { &ORDERS };
    LOOK.iter().chain(orders).map(|line| (*line).to_owned()).collect()
}

pub(super) fn question(order: &Order) -> Vec<String> {
    let more = if matches!(order.what, OrderKind::Scale(_)) { "  + - more, fewer" } else { "" };
    vec![order.question(), order.line(), format!("y yes  n no{more}")]
}

pub(super) fn draw(screen: &mut Buffer, lines: &[String]) {
    let area = screen.area;
    let is_question = lines.len() == 3;
    let wide = usize::from(area.width).saturating_sub(2);
    let lines: Vec<String> = lines.iter().flat_map(|line| wrapped(line, wide)).collect();
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let width = u16::try_from(longest + 4).unwrap_or(u16::MAX).min(area.width);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height);
    if width < 5 || height < 3 {
        return;
    }
    let (left, top) = ((area.width - width) / 2, (area.height - height) / 2);
    let inner = usize::from(width) - 2;
    screen.set_style(Rect::new(left, top, width, height), ratatui_core::style::Style::reset());
    let rule = "─".repeat(inner);
    screen.set_stringn(left, top, format!("┌{rule}┐"), inner + 2, PLAIN);
    for y in 1..height - 1 {
        let line = lines.get(usize::from(y) - 1).map(String::as_str).unwrap_or_default();
        screen.set_stringn(left, top + y, format!("│{}│", " ".repeat(inner)), inner + 2, PLAIN);
        let style = if y == 1 && is_question { HEAD } else { PLAIN };
        let indent = u16::from(inner > longest);
        screen.set_stringn(left + 1 + indent, top + y, line, inner - usize::from(indent), style);
    }
    screen.set_stringn(left, top + height - 1, format!("└{rule}┘"), inner + 2, PLAIN);
}
