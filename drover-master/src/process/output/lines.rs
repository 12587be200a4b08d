//! Cuts a stream of bytes into lines.

/// The longest line that is kept whole, in bytes. A longer one is handed on in parts, so that a worker that never ends its
/// line costs no more.
const MAX: usize = 16 * 1024;

/// The beginning of a line whose end has not come yet. Empty, and without memory, between lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Takes bytes, and calls `each` with every line that is complete.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            if self.begun.is_empty() {
                line.chunks(MAX).for_each(&mut each);
                if line.is_empty() {
                    each(line);
                }
            } else {
                self.extend(line, &mut each);
                each(&std::mem::take(&mut self.begun));
            }
            bytes = &rest[1..];
        }
        self.extend(bytes, &mut each);
    }

    /// The stream has ended: what was begun is a line too.
    pub(super) fn finish(&mut self, each: impl FnOnce(&[u8])) {
        if !self.begun.is_empty() {
            each(&std::mem::take(&mut self.begun));
        }
    }

    fn extend(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8])) {
        for part in bytes.chunks(MAX) {
            if self.begun.len() + part.len() > MAX {
                each(&std::mem::take(&mut self.begun));
            }
            self.begun.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_the_same_however_the_stream_is_cut(text in "[a-c\n]{0,200}", cuts in prop::collection::vec(1usize..30, 1..20)) {
            let (mut lines, mut got) = (Lines::default(), Vec::new());
            let (mut rest, mut cuts) = (text.as_bytes(), cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                lines.feed(piece, |line| got.push(String::from_utf8(line.to_vec()).unwrap()));
                rest = after;
            }
            lines.finish(|line| got.push(String::from_utf8(line.to_vec()).unwrap()));
            prop_assert_eq!(got, text.lines().map(str::to_owned).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_line_that_never_ends_is_handed_on_in_parts() {
        let (mut lines, mut parts) = (Lines::default(), Vec::new());
        for _ in 0..10 {
            lines.feed(&[b'x'; MAX / 2 + 1], |part| parts.push(part.len()));
        }
        assert_eq!(parts.len(), 9);
        assert!(parts.iter().all(|part| *part <= MAX));
        assert!(lines.begun.len() <= MAX);
    }
}
