//! What becomes of colours: of those before each line, and of those that a worker prints and may leave on. And what becomes of
//! all else that would move a terminal's cursor: it is shown, so that no worker paints over the lines of another.

use std::borrow::Cow;

use crate::config::Colours;

/// Sets everything back to how it was (ECMA-48 SGR).
const RESET: &[u8] = b"\x1b[0m";

impl Colours {
    /// A line of a worker as it is shown. Colours end with it: whatever stands in the next line, of another worker perhaps, is
    /// not in them. On a terminal, and where no colours are wanted, control characters are shown as `^[`, but for tabs.
    pub fn line(self, line: &[u8]) -> Cow<'_, [u8]> {
        // Most lines have none.
        if !line.iter().any(|byte| is_control(*byte) || *byte == 0xc2) {
            return Cow::Borrowed(line);
        }
        match self {
            Self::Kept if leaves_on(line) => Cow::Owned([line, RESET].concat()),
            Self::Kept => Cow::Borrowed(line),
            Self::Stripped => Cow::Owned(shown(line, false)),
            Self::Shown => Cow::Owned(shown(line, true)),
        }
    }
}

/// Whether a terminal may do something at this byte, instead of showing it.
const fn is_control(byte: u8) -> bool {
    byte < b' ' && byte != b'\t' || byte == 0x7f
}

/// A piece of a line.
enum ColourPiece<'a> {
    /// Anything but colours.
    Text(&'a [u8]),
    /// A sequence that sets colours, weight and the like, and its parameters.
    Style(&'a [u8]),
}

/// The line in pieces.
fn pieces(line: &[u8]) -> impl Iterator<Item = ColourPiece<'_>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        if let Some(parameters) = style(rest) {
            // ESC, `[` and `m` are around them.
            rest = &rest[parameters.len() + 3..];
            return Some(ColourPiece::Style(parameters));
        }
        let next = (1..rest.len()).find(|at| rest[*at] == 0x1b && style(&rest[*at..]).is_some());
        let (text, after) = rest.split_at(next.unwrap_or(rest.len()));
        rest = after;
        (!text.is_empty()).then_some(ColourPiece::Text(text))
    })
}

/// The parameters of the sequence that the bytes begin with, if it is one that sets a style.
fn style(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(b"\x1b[")?;
    let end = rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))?;
    (rest[end] == b'm').then_some(&rest[..end])
}

/// For a terminal.
fn shown(line: &[u8], with_colours: bool) -> Vec<u8> {
    // What ends a line on Windows says nothing here.
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut into = Vec::with_capacity(line.len() + 16);
    for piece in pieces(line) {
        match piece {
            ColourPiece::Text(text) => show(text, &mut into),
            ColourPiece::Style(parameters) if with_colours => {
                into.extend_from_slice(b"\x1b[");
                into.extend_from_slice(parameters);
                into.push(b'm');
            }
            ColourPiece::Style(_) => {}
        }
    }
    if with_colours && leaves_on(line) {
        into.extend_from_slice(RESET);
    }
    into
}

/// In caret notation, as `cat -v` has it; of the C1 characters of UTF-8, U+0080 to U+009F, both bytes.
fn show(text: &[u8], into: &mut Vec<u8>) {
    let mut before = 0;
    for &byte in text {
        match byte {
            0x80..=0x9f if before == 0xc2 => {
                into.pop();
                into.extend_from_slice(b"M-B");
                into.extend_from_slice(&[b'M', b'-', b'^', byte - 0x80 + 0x40]);
            }
            _ if is_control(byte) => into.extend_from_slice(&[b'^', byte ^ 0x40]),
            _ => into.push(byte),
        }
        before = byte;
    }
}

/// Whether the last style of a line is not that of the beginning.
fn leaves_on(line: &[u8]) -> bool {
    let last = pieces(line).filter_map(|piece| match piece {
        ColourPiece::Text(_) => None,
        ColourPiece::Style(parameters) => Some(parameters),
    });
    last.last().is_some_and(|parameters| parameters.iter().any(|byte| !matches!(byte, b'0' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_end_with_their_line_and_are_taken_away_where_none_are_wanted() {
        for (line, kept, stripped) in [
            ("plain", "plain", "plain"),
            ("\x1b[31mred\x1b[0m again", "\x1b[31mred\x1b[0m again", "red again"),
            ("\x1b[31mred\x1b[m", "\x1b[31mred\x1b[m", "red"),
            ("\x1b[31mred", "\x1b[31mred\x1b[0m", "red"),
            ("\x1b[0;1mbold", "\x1b[0;1mbold\x1b[0m", "bold"),
            ("\x1b[38;5;0mblack", "\x1b[38;5;0mblack\x1b[0m", "black"),
            ("\x1b[38:2::1:2:3mtrue", "\x1b[38:2::1:2:3mtrue\x1b[0m", "true"),
            ("\x1b[1m\x1b[4m\x1b[0m", "\x1b[1m\x1b[4m\x1b[0m", ""),
        ] {
            for colours in [Colours::Shown, Colours::Kept] {
                assert_eq!(colours.line(line.as_bytes()), kept.as_bytes(), "{line:?}");
            }
            assert_eq!(Colours::Stripped.line(line.as_bytes()), stripped.as_bytes(), "{line:?}");
        }
    }

    #[test]
    fn what_would_move_the_cursor_is_shown_on_a_terminal_and_kept_in_a_file() {
        for (line, shown, stripped) in [
            ("\x1b[2K\r50%\ttab", "^[[2K^M50%\ttab", "^[[2K^M50%\ttab"),
            ("of Windows\r", "of Windows", "of Windows"),
            ("\x1b[31", "^[[31", "^[[31"),
            ("\x1b]0;a title", "^[]0;a title", "^[]0;a title"),
            ("\x1b\x1b[32mgreen", "^[\x1b[32mgreen\x1b[0m", "^[green"),
            ("\x07\x7f\0", "^G^?^@", "^G^?^@"),
            ("\u{9b}2J größer ©", "M-BM-^[2J größer ©", "M-BM-^[2J größer ©"),
        ] {
            let as_shown =
                |colours: Colours| String::from_utf8(colours.line(line.as_bytes()).into_owned()).unwrap();
            assert_eq!(as_shown(Colours::Shown), shown, "{line:?}");
            assert_eq!(as_shown(Colours::Stripped), stripped, "{line:?}");
            assert!(as_shown(Colours::Kept).starts_with(line), "{line:?}");
        }
        assert_eq!(*Colours::Shown.line(b"\xff\xc2\xfe"), *b"\xff\xc2\xfe");
    }
}
