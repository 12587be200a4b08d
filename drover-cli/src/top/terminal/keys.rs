//! From the bytes of a terminal to keys.

use crate::top::model::Key;

/// No sequence of a key is longer: parameters, and the byte that ends them.
const LONGEST: usize = 32;

/// Reads keys bit by bit: a sequence may come in several parts.
#[derive(Debug, Default)]
pub(crate) struct KeyReader {
    pending: Vec<u8>,
}

impl KeyReader {
    /// The keys that are complete with these bytes.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.pending.extend_from_slice(bytes);
        let mut keys = Vec::new();
        let mut rest = self.pending.as_slice();
        while let Some((key, used)) = first(rest) {
            keys.extend(key);
            rest = &rest[used..];
        }
        self.pending = rest.to_vec();
        keys
    }

    /// Whether an Escape came that may be a key or the beginning of one.
    pub(crate) const fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Nothing followed for a while: what came is a key of its own.
    pub(crate) fn time_passed(&mut self) -> Option<Key> {
        let pending = std::mem::take(&mut self.pending);
        (pending.first() == Some(&0x1b)).then_some(Key::Escape)
    }
}

/// The first key, if it is one that is known, and how many bytes it has; none until more bytes come.
fn first(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    let (&byte, rest) = bytes.split_first()?;
    let key = match byte {
        0x1b => return escaped(rest).map(|(key, used)| (key, used + 1)),
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        0x7f | 0x08 => Key::Backspace,
        0x01..=0x1a => Key::Ctrl((byte - 1 + b'a') as char),
        0x00..=0x1f => return Some((None, 1)),
        _ => return character(bytes),
    };
    Some((Some(key), 1))
}

/// A character of UTF-8; what is none is left out.
fn character(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    let some = &bytes[..bytes.len().min(4)];
    let chunk = some.utf8_chunks().next()?;
    match chunk.valid().chars().next() {
        Some(character) => Some((Some(Key::Char(character)), character.len_utf8())),
        // The beginning of one that is not there yet.
        None if chunk.invalid().len() == bytes.len() && bytes.len() < 4 && bytes[0] >= 0xc2 => None,
        None => Some((None, chunk.invalid().len())),
    }
}

/// What follows an Escape: `[` or `O` and the rest of a sequence (ECMA-48 CSI, SS3), or another key.
fn escaped(rest: &[u8]) -> Option<(Option<Key>, usize)> {
    match rest.split_first()? {
        (b'O', after) => after.first().map(|last| (of_letter(*last), 2)),
        (b'[', after) => match after.iter().position(|byte| matches!(byte, 0x40..=0x7e)) {
            Some(end) if after[end] == b'~' => Some((of_number(&after[..end]), end + 2)),
            Some(end) => Some((of_letter(after[end]), end + 2)),
            None if after.len() > LONGEST => Some((None, rest.len())),
            None => None,
        },
        // Escape was pressed, and then something else.
        _ => Some((Some(Key::Escape), 0)),
    }
}

const fn of_letter(letter: u8) -> Option<Key> {
    Some(match letter {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        b'M' => Key::Enter,
        _ => return None,
    })
}

fn of_number(parameters: &[u8]) -> Option<Key> {
    // Behind a `;` is what was held down with it.
    Some(match parameters.split(|byte| *byte == b';').next()? {
        b"1" | b"7" => Key::Home,
        b"4" | b"8" => Key::End,
        b"5" => Key::PageUp,
        b"6" => Key::PageDown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_whole_or_byte_by_byte() {
        use Key::{
            Backspace, Char, Ctrl, Down, End, Enter, Escape, Home, Left, PageDown, PageUp, Right, Tab, Up,
        };
        for (bytes, keys) in [
            (&b"qN?"[..], vec![Char('q'), Char('N'), Char('?')]),
            (b"\x1b[A\x1b[B\x1b[C\x1b[D", vec![Up, Down, Right, Left]),
            (b"\x1bOA\x1bOH\x1bOF", vec![Up, Home, End]),
            (b"\x1b[5~\x1b[6~\x1b[1~\x1b[4~", vec![PageUp, PageDown, Home, End]),
            (b"\x1b[1;5A\x1b[5;2~", vec![Up, PageUp]),
            (b"\r\n\t\x7f\x08", vec![Enter, Enter, Tab, Backspace, Backspace]),
            (b"\x03\x1a\x0c\x15", vec![Ctrl('c'), Ctrl('z'), Ctrl('l'), Ctrl('u')]),
            ("gü→".as_bytes(), vec![Char('g'), Char('ü'), Char('→')]),
            (b"a\xffb\x1b[99~\x1b[200zc", vec![Char('a'), Char('b'), Char('c')]),
            (b"\x1bx", vec![Escape, Char('x')]),
        ] {
            assert_eq!(KeyReader::default().take(bytes), keys, "{bytes:?}");
            let mut reader = KeyReader::default();
            let one_by_one: Vec<Key> = bytes.iter().flat_map(|byte| reader.take(&[*byte])).collect();
            assert_eq!(one_by_one, keys, "{bytes:?}");
            assert!(!reader.is_waiting(), "{bytes:?}");
        }
    }

    #[test]
    fn an_escape_is_a_key_once_nothing_follows() {
        let mut reader = KeyReader::default();
        assert_eq!(reader.take(b"\x1b"), []);
        assert!(reader.is_waiting());
        assert_eq!(reader.time_passed(), Some(Key::Escape));
        assert_eq!(reader.time_passed(), None);
        assert_eq!(reader.take(b"[A"), [Key::Char('['), Key::Char('A')]);
    }

    #[test]
    fn a_sequence_without_an_end_is_forgotten() {
        let mut reader = KeyReader::default();
        let endless = [&b"\x1b["[..], &[b'1'; 100]].concat();
        assert_eq!(reader.take(&endless), []);
        assert!(!reader.is_waiting());
        assert_eq!(reader.take(b"q"), [Key::Char('q')]);
    }
}
