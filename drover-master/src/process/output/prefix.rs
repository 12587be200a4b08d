//! `app/slot | ` before each line, in a colour of the worker's own.

use std::fmt::Write as _;
use std::iter;

use super::Colours;
use super::lines::{LineBlock, MARK, PIECE};
use super::transit::StreamPlace;

/// Colours that can be told apart on dark and light ground: the six of the standard palette that are neither.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// What stands before each line of a worker.
pub(super) fn prefix(app: &str, slot: u32, colours: Colours) -> String {
    let mut prefix = String::with_capacity(app.len() + 16);
    // Neighbouring slots differ, and apps begin at different places.
    let start: usize = app.bytes().map(usize::from).sum();
    let written = if colours == Colours::Shown {
        let code = COLOURS[(start + slot as usize) % COLOURS.len()];
        write!(prefix, "\x1b[{code}m{app}/{slot} |\x1b[0m ")
    } else {
        write!(prefix, "{app}/{slot} | ")
    };
    written.expect("a String takes everything");
    prefix
}

/// The lines with their prefix, in texts of whole lines that are at most a [`PIECE`], made one after the other: empty lines with
/// their prefixes take a hundred times the memory of what was read. A line that is longer with its prefix is a text of its own. With each
/// comes the place behind it.
pub(super) fn prefixed(
    prefix: &str,
    colours: Colours,
    blocks: &[LineBlock],
) -> impl Iterator<Item = (Vec<u8>, StreamPlace)> {
    let mut rest = blocks.iter().flat_map(LineBlock::lines_with_places).peekable();
    iter::from_fn(move || {
        let (mut text, mut end) = (Vec::new(), StreamPlace::default());
        while let Some((line, place)) = rest.peek() {
            let mut line = colours.line(line);
            if place.is_continued() {
                line.to_mut().extend_from_slice(MARK.as_bytes());
            }
            if !text.is_empty() && text.len() + prefix.len() + line.len() + 1 > PIECE {
                break;
            }
            text.extend_from_slice(prefix.as_bytes());
            text.extend_from_slice(&line);
            text.push(b'\n');
            end = *place;
            rest.next();
        }
        (!text.is_empty()).then_some((text, end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_have_different_colours_and_none_without_a_terminal() {
        assert_eq!(prefix("web", 3, Colours::Kept), "web/3 | ");
        assert_ne!(prefix("web", 0, Colours::Shown)[..5], prefix("web", 1, Colours::Shown)[..5]);
    }

    #[test]
    fn prefixed_lines_are_handed_over_whole_and_in_pieces_that_hold_the_bound() {
        let prefix = prefix("an-app-of-a-long-name", 12, Colours::Shown);
        let lines: Vec<Vec<u8>> = (0..64 * 1024).map(|number| vec![b'x'; number % 40]).collect();
        let text = lines.join(&b'\n');
        let (first, rest) = text.split_at(text.iter().position(|byte| *byte == b'\n').unwrap());
        let blocks = [first, &rest[1..]].map(LineBlock::whole);
        let pieces: Vec<Vec<u8>> =
            prefixed(&prefix, Colours::Shown, &blocks).map(|(piece, _)| piece).collect();
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE && piece.ends_with(b"\n")));
        assert!(pieces.len() < 100, "{} pieces", pieces.len());
        let expected: usize = lines.iter().map(|line| prefix.len() + line.len() + 1).sum();
        assert_eq!(pieces.concat().len(), expected);
    }
}
