//! What a worker says, made fit to be shown in a line.

use std::fmt::{self, Write as _};

/// Shows a text of a worker's as a part of a line: what would begin another line, move a cursor or turn the direction of writing is
/// escaped, so that nothing can be forged by it.
#[derive(Debug, Clone, Copy)]
pub struct Readable<'a>(pub &'a str);

impl fmt::Display for Readable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match is_plain(character) {
                true => f.write_char(character)?,
                false => write!(f, "{}", character.escape_default())?,
            }
        }
        Ok(())
    }
}

/// Whether a character stays where it is written.
fn is_plain(character: char) -> bool {
    let is_separator = matches!(character, '\u{2028}' | '\u{2029}');
    let turns =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !(character.is_control() || is_separator || turns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_worker_says_begins_a_line_or_moves_a_cursor() {
        for (said, shown) in [
            ("größe 3 €", "größe 3 €"),
            ("ok\nweb/1 is ready", r"ok\nweb/1 is ready"),
            ("a\r\x1b[2J\u{9b}2Jb", r"a\r\u{1b}[2J\u{9b}2Jb"),
            ("x\u{202e}y\u{2028}z", r"x\u{202e}y\u{2028}z"),
        ] {
            assert_eq!(Readable(said).to_string(), shown);
        }
    }
}
