//! From cells to the bytes that draw them (ECMA-48).

use std::fmt::Write as _;

use ratatui_core::buffer::{Buffer, Cell};
use ratatui_core::style::{Color, Modifier};

/// Another screen, so that what was there before comes back; no cursor.
pub(super) const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[0m\x1b[2J";
/// All colours off, the cursor, and the screen of before.
pub(super) const LEAVE: &str = "\x1b[0m\x1b[?25h\x1b[?1049l";
/// What the terminal shows is not known any more.
const CLEAR: &str = "\x1b[0m\x1b[2J";

/// What turns one screen into the next; of another size, or after nothing, all of it.
pub(super) fn difference(before: Option<&Buffer>, next: &Buffer, is_coloured: bool) -> String {
    let empty = Buffer::empty(next.area);
    let (mut bytes, before) = match before.filter(|before| before.area == next.area) {
        Some(before) => (String::new(), before),
        None => (CLEAR.to_owned(), &empty),
    };
    let mut pen: Option<(Color, Color, Modifier)> = None;
    let mut expected = None;
    for (x, y, cell) in before.diff(next) {
        if expected != Some((x, y)) {
            let _ = write!(bytes, "\x1b[{};{}H", y + 1, x + 1);
        }
        let (fg, bg) = if is_coloured { (cell.fg, cell.bg) } else { (Color::Reset, Color::Reset) };
        let modifier = if is_coloured || cell.bg == Color::Reset {
            cell.modifier
        } else {
            cell.modifier ^ Modifier::REVERSED
        };
        if pen != Some((fg, bg, modifier)) {
            take_pen(&mut bytes, fg, bg, modifier);
            pen = Some((fg, bg, modifier));
        }
        bytes.push_str(cell.symbol());
        expected = Some((x + width(cell), y));
    }
    if pen.is_some() {
        bytes.push_str("\x1b[0m");
    }
    bytes
}

fn width(cell: &Cell) -> u16 {
    let width = ratatui_core::text::Span::raw(cell.symbol()).width();
    u16::try_from(width).unwrap_or(1).max(1)
}

fn take_pen(bytes: &mut String, fg: Color, bg: Color, modifier: Modifier) {
    bytes.push_str("\x1b[0");
    for (flag, number) in [(Modifier::BOLD, 1), (Modifier::DIM, 2), (Modifier::REVERSED, 7)] {
        if modifier.contains(flag) {
            let _ = write!(bytes, ";{number}");
        }
    }
    for (colour, base) in [(fg, 30), (bg, 40)] {
        if let Some(number) = number(colour) {
            let _ = write!(bytes, ";{}", base + number);
        }
    }
    bytes.push('m');
}

/// Of the colours that the view uses.
const fn number(colour: Color) -> Option<u8> {
    Some(match colour {
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Cyan => 6,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use ratatui_core::layout::Rect;
    use ratatui_core::style::Style;

    use super::*;

    fn screen(text: &str, style: Style) -> Buffer {
        let mut screen = Buffer::empty(Rect::new(0, 0, 10, 2));
        screen.set_string(0, 1, text, style);
        screen
    }

    #[test]
    fn only_what_differs_is_drawn_and_the_same_screen_costs_nothing() {
        let (one, other) = (screen("abc", Style::new()), screen("aXc", Style::new().fg(Color::Red)));
        assert_eq!(difference(Some(&one), &one, true), "");
        let all = difference(None, &one, true);
        assert_eq!(all, "\x1b[0m\x1b[2J\x1b[2;1H\x1b[0mabc\x1b[0m");
        assert_eq!(difference(Some(&one), &other, true), "\x1b[2;1H\x1b[0;31maXc\x1b[0m");
        assert_eq!(
            difference(Some(&one), &other, false),
            "\x1b[2;2H\x1b[0mX\x1b[0m".replace("2;2H", "2;1H").replace("X", "aXc")
        );
    }

    #[test]
    fn a_wide_character_moves_on_by_two() {
        let wide = screen("漢x", Style::new());
        assert!(difference(None, &wide, true).contains("漢x"));
    }
}
