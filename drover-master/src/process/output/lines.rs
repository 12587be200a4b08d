//! Cuts a stream of bytes into lines.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The longest line that is kept whole, in bytes: far longer than a log's entry with a stack trace in JSON. A longer one is handed on
/// in parts, so that a worker that never ends its line costs no more.
pub(super) const MAX: usize = 256 * 1024;

/// What each stream may keep of a begun line at any time, in bytes. More only if it is one of [`LONG_AT_ONCE`].
const SHORT: usize = 16 * 1024;

/// How many lines longer than [`SHORT`] may be begun at once, over all workers: 16 MiB with all of them. Further ones are cut at
/// [`SHORT`]. A long line is begun for as long as it takes to read it, so that these many are written by as many workers at once.
const LONG_AT_ONCE: usize = 64;

static LONG: AtomicUsize = AtomicUsize::new(0);

/// What a part ends with of which more comes.
pub(super) const MARK: &str = "…";

/// Lines that were read at once, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineBlock<'a> {
    /// The lines, with a line's end between two.
    pub bytes: Cow<'a, [u8]>,
    /// It is a part of a line, whose end is yet to come: it is too long, or silence came before it.
    pub goes_on: bool,
}

impl LineBlock<'_> {
    /// As it is shown to people.
    pub(super) fn shown(&self) -> Cow<'_, [u8]> {
        if self.goes_on {
            Cow::Owned([&*self.bytes, MARK.as_bytes()].concat())
        } else {
            Cow::Borrowed(&self.bytes)
        }
    }

    /// Its lines, without their ends.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split(|byte| *byte == b'\n')
    }

    /// How many lines it has.
    pub(super) fn count(&self) -> u64 {
        self.bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>() + 1
    }
}

/// The beginning of a line whose end has not come yet. Empty, and without memory, between lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    /// Whether a part of the line was handed on already.
    is_continued: bool,
    long: Option<Long>,
}

impl Lines {
    /// Takes bytes, and calls `each` with all lines of them that are complete, at once, and with parts of one that is too long.
    pub(super) fn feed<'b>(&mut self, bytes: &'b [u8], mut each: impl FnMut(LineBlock<'b>)) {
        // In what is not longer than a line may be, none is too long.
        for bytes in bytes.chunks(MAX) {
            self.feed_chunk(bytes, &mut each);
        }
    }

    fn feed_chunk<'b>(&mut self, mut bytes: &'b [u8], each: &mut impl FnMut(LineBlock<'b>)) {
        if !self.begun.is_empty() || self.is_continued {
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                return self.extend(bytes, each);
            };
            self.extend(&bytes[..end], each);
            self.end(&mut *each);
            bytes = &bytes[end + 1..];
        }
        if let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') {
            each(LineBlock { bytes: Cow::Borrowed(&bytes[..last]), goes_on: false });
            bytes = &bytes[last + 1..];
        }
        self.extend(bytes, each);
    }

    /// The stream has ended: what was begun is a line too.
    pub(super) fn finish<'b>(&mut self, each: impl FnMut(LineBlock<'b>)) {
        if !self.begun.is_empty() {
            self.end(each);
        }
    }

    /// Nothing more has come for a while: what was begun is handed on, whole characters of it.
    pub(super) fn pause<'b>(&mut self, mut each: impl FnMut(LineBlock<'b>)) {
        if self.has_begun() {
            self.cut(&mut each);
            self.begun.shrink_to_fit();
        }
    }

    /// Whether there is something that a pause would hand on.
    pub(super) fn has_begun(&self) -> bool {
        whole_characters(&self.begun) > 0
    }

    fn extend<'b>(&mut self, mut bytes: &[u8], each: &mut impl FnMut(LineBlock<'b>)) {
        loop {
            let room = self.limit(self.begun.len() + bytes.len()) - self.begun.len();
            let (fits, rest) = bytes.split_at(bytes.len().min(room));
            self.begun.extend_from_slice(fits);
            if rest.is_empty() {
                return;
            }
            self.cut(each);
            bytes = rest;
        }
    }

    /// How much may be begun of a line that has this many bytes by now.
    fn limit(&mut self, length: usize) -> usize {
        if length > SHORT && self.long.is_none() {
            self.long = Long::claim();
        }
        if self.long.is_some() { MAX } else { SHORT }
    }

    /// Hands on what was begun, but for the bytes of a character that is not whole.
    fn cut<'b>(&mut self, each: &mut impl FnMut(LineBlock<'b>)) {
        let rest = self.begun.split_off(whole_characters(&self.begun));
        let bytes = std::mem::replace(&mut self.begun, rest);
        self.is_continued = true;
        self.long = None;
        each(LineBlock { bytes: Cow::Owned(bytes), goes_on: true });
    }

    fn end<'b>(&mut self, mut each: impl FnMut(LineBlock<'b>)) {
        let bytes = std::mem::take(&mut self.begun);
        let was_continued = std::mem::take(&mut self.is_continued);
        self.long = None;
        // Of a line whose parts were all handed on nothing is left to say.
        if !(was_continued && bytes.is_empty()) {
            each(LineBlock { bytes: Cow::Owned(bytes), goes_on: false });
        }
    }
}

/// One of the lines that may be long.
#[derive(Debug)]
struct Long;

impl Long {
    fn claim() -> Option<Self> {
        let claimed = LONG.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < LONG_AT_ONCE).then_some(count + 1)
        });
        claimed.ok().map(|_| Self)
    }
}

impl Drop for Long {
    fn drop(&mut self) {
        LONG.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many of the bytes do not belong to a character of UTF-8 that has only begun. What is not UTF-8 is whole.
fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let length = match bytes[at] {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if length > back { at } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A line, or a part of one.
    #[derive(Debug, PartialEq)]
    struct LinePart {
        bytes: Vec<u8>,
        goes_on: bool,
    }

    impl LinePart {
        fn line(bytes: &[u8]) -> Self {
            Self { bytes: bytes.to_vec(), goes_on: false }
        }

        fn shown(&self) -> Vec<u8> {
            LineBlock { bytes: Cow::Borrowed(&self.bytes), goes_on: self.goes_on }.shown().into_owned()
        }
    }

    /// One by one.
    fn parts(block: LineBlock<'_>) -> Vec<LinePart> {
        assert_eq!(block.lines().count() as u64, block.count());
        block.lines().map(|bytes| LinePart { bytes: bytes.to_vec(), goes_on: block.goes_on }).collect()
    }

    fn text(part: &LinePart) -> &str {
        std::str::from_utf8(&part.bytes).expect("no character is cut")
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_the_stream_is_cut(text in "[a-c\n]{0,200}", cuts in prop::collection::vec(1usize..30, 1..20)) {
            let (mut lines, mut got) = (Lines::default(), Vec::new());
            let (mut rest, mut cuts) = (text.as_bytes(), cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                lines.feed(piece, |block| got.extend(parts(block).into_iter().map(|part| String::from_utf8(part.bytes).unwrap())));
                rest = after;
            }
            lines.finish(|block| got.extend(parts(block).into_iter().map(|part| String::from_utf8(part.bytes).unwrap())));
            prop_assert_eq!(got, text.lines().map(str::to_owned).collect::<Vec<_>>());
        }

        #[test]
        fn parts_are_whole_characters_and_together_the_line(
            text in "[a-zé→🐑]{0,60}", cuts in prop::collection::vec((1usize..9, any::<bool>()), 1..20)
        ) {
            let (mut lines, mut got) = (Lines::default(), Vec::new());
            let line = format!("{text}\n");
            let (mut rest, mut cuts) = (line.as_bytes(), cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (length, then_silence) = cuts.next().unwrap();
                let (piece, after) = rest.split_at(length.min(rest.len()));
                lines.feed(piece, |block| got.extend(parts(block)));
                if then_silence {
                    lines.pause(|block| got.extend(parts(block)));
                }
                rest = after;
            }
            prop_assert_eq!(got.iter().map(self::text).collect::<String>(), text);
        }
    }

    #[test]
    fn a_line_is_whole_up_to_the_limit_and_beyond_it_parts_are_marked_and_no_character_is_cut() {
        let line = |length: usize| format!("x{}", "é".repeat(length / 2));
        for (length, expected) in [(SHORT + 1, 1), (MAX - 1, 1), (MAX + 1, 2), (3 * MAX, 4)] {
            let line = line(length);
            let (mut lines, mut got) = (Lines::default(), Vec::new());
            for piece in line.as_bytes().chunks(4096) {
                lines.feed(piece, |block| got.extend(parts(block)));
            }
            lines.feed(b"\n", |block| got.extend(parts(block)));
            lines.feed(b"next\n", |block| got.extend(parts(block)));
            assert_eq!(got.pop(), Some(LinePart::line(b"next")));
            assert_eq!(got.len(), expected, "{length}");
            assert!(got.iter().all(|part| part.bytes.len() <= MAX));
            let (last, before) = got.split_last().unwrap();
            assert!(!last.goes_on && before.iter().all(|part| part.goes_on));
            assert!(before.iter().all(|part| part.shown().ends_with("é…".as_bytes())));
            assert!(got.iter().map(text).collect::<String>() == line);
        }
    }

    #[test]
    fn silence_hands_on_what_was_begun_and_its_end_says_nothing_more() {
        let (mut lines, mut got) = (Lines::default(), Vec::new());
        lines.feed("waiting… \u{e9}".as_bytes().split_last().unwrap().1, |block| got.extend(parts(block)));
        assert!(got.is_empty() && lines.has_begun());
        lines.pause(|block| got.extend(parts(block)));
        assert_eq!(text(&got[0]), "waiting… ");
        // Half a character is nothing to hand on, however long it stays that.
        assert!(!lines.has_begun());
        lines.pause(|block| got.extend(parts(block)));
        lines.feed(b"\xa9\nagain", |block| got.extend(parts(block)));
        assert_eq!((got.len(), text(&got[1]), got[1].goes_on), (2, "\u{e9}", false));
        lines.pause(|block| got.extend(parts(block)));
        lines.feed(b"\n\n", |block| got.extend(parts(block)));
        assert_eq!(got[2..], [LinePart { bytes: b"again".to_vec(), goes_on: true }, LinePart::line(b"")]);
    }

    #[test]
    fn no_more_than_a_bound_of_lines_are_long_at_once() {
        // Other tests of this process may have some of them.
        let mut streams: Vec<Lines> = (0..=LONG_AT_ONCE).map(|_| Lines::default()).collect();
        let mut got = Vec::new();
        for lines in &mut streams {
            lines.feed(&[b'x'; SHORT + 1], |block| got.extend(parts(block)));
        }
        assert!(!got.is_empty() && got.iter().all(|part| part.goes_on && part.bytes.len() == SHORT));
        streams.clear();
        let mut lines = Lines::default();
        got.clear();
        lines.feed(&[b'x'; SHORT + 1], |block| got.extend(parts(block)));
        lines.feed(b"\n", |block| got.extend(parts(block)));
        assert_eq!(got.len(), 1, "there is room again");
    }
}
