//! What becomes of colours: of those before each line, and of those that a worker prints and may leave on.

use std::borrow::Cow;

use crate::config::Colours;

/// Sets everything back to how it was (ECMA-48 SGR).
const RESET: &[u8] = b"\x1b[0m";

impl Colours {
    /// A line of a worker as it is shown. Colours end with it: whatever stands in the next line, of another worker perhaps, is
    /// not in them.
    pub fn line(self, line: &[u8]) -> Cow<'_, [u8]> {
        // Most lines have none.
        if !line.contains(&0x1b) {
            return Cow::Borrowed(line);
        }
        match self {
            Self::Stripped => Cow::Owned(stripped(line)),
            Self::Shown | Self::Kept if leaves_on(line) => Cow::Owned([line, RESET].concat()),
            Self::Shown | Self::Kept => Cow::Borrowed(line),
        }
    }
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

fn stripped(line: &[u8]) -> Vec<u8> {
    let text = pieces(line).filter_map(|piece| match piece {
        ColourPiece::Text(text) => Some(text),
        ColourPiece::Style(_) => None,
    });
    text.collect::<Vec<_>>().concat()
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
            // What moves the cursor is no colour, and what is none is text.
            ("\x1b[2K\r50%", "\x1b[2K\r50%", "\x1b[2K\r50%"),
            ("\x1b[31", "\x1b[31", "\x1b[31"),
            ("\x1b\x1b[32mgreen", "\x1b\x1b[32mgreen\x1b[0m", "\x1bgreen"),
        ] {
            for colours in [Colours::Shown, Colours::Kept] {
                assert_eq!(colours.line(line.as_bytes()), kept.as_bytes(), "{line:?}");
            }
            assert_eq!(Colours::Stripped.line(line.as_bytes()), stripped.as_bytes(), "{line:?}");
        }
    }
}
