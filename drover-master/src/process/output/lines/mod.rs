//! Cuts a stream of bytes into lines.

use std::iter;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use memchr::{memchr, memchr_iter, memrchr};

use super::transit::StreamPlace;

/// How much is read from a pipe at once, in bytes, and the most that is handed over at once: the size of a pipe's buffer (`pipe(7)`).
pub(super) const PIECE: usize = 64 * 1024;

/// The longest line that is kept whole, in bytes: far longer than a log's entry with a stack trace in JSON. A longer one is handed on
/// in parts, so that a worker that never ends its line costs no more.
pub(super) const MAX: usize = 256 * 1024;

/// What each stream may keep of a begun line at any time, in bytes. More only if it is one of [`LONG_AT_ONCE`].
const SHORT: usize = 16 * 1024;

/// How many lines longer than [`SHORT`] may be begun at once, over all workers: 16 MiB with all of them. Further ones are cut at
/// [`SHORT`]. A long line is begun for as long as it takes to read it, so that these many are written by as many workers at once.
const LONG_AT_ONCE: usize = 64;

/// From how many bytes on lines stay in the memory that they were read into, of a pipe's [`PIECE`]. Fewer are
/// copied, as they would hold a multiple of themselves.
const SHARED: usize = PIECE / 2;

static LONG: AtomicUsize = AtomicUsize::new(0);

/// What a part ends with of which more comes.
pub(super) const MARK: &str = "…";

/// Lines that were read at once, or a part of one. A clone is the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineBlock {
    /// Each line with its end, a part with [`MARK`] before that.
    text: Bytes,
    /// It is a part of a line, whose end is yet to come: it is too long, or silence came before it.
    pub goes_on: bool,
    /// How many bytes of its stream end with it.
    pub end: u64,
}

impl LineBlock {
    /// A line, or a part of one.
    fn of(mut line: Vec<u8>, goes_on: bool, end: u64) -> Self {
        if goes_on {
            line.extend_from_slice(MARK.as_bytes());
        }
        line.push(b'\n');
        Self { text: line.into(), goes_on, end }
    }

    #[cfg(test)]
    pub(super) fn whole(lines: &[u8]) -> Self {
        Self::of(lines.to_vec(), false, lines.len() as u64 + 1)
    }

    /// Up to where in its stream it is, in the way of which a successor can go on.
    pub(super) const fn place(&self) -> StreamPlace {
        StreamPlace::at(self.end, self.goes_on)
    }

    /// The same in memory of its own, to be kept for long.
    pub(super) fn detached(&self) -> Self {
        let text =
            if self.text.len() < SHARED { self.text.clone() } else { Bytes::copy_from_slice(&self.text) };
        Self { text, ..*self }
    }

    /// As it is shown to people, with its last end.
    pub(super) fn ended(&self) -> Bytes {
        self.text.clone()
    }

    /// As it is shown to people, without its last end.
    pub(super) fn shown(&self) -> Bytes {
        self.text.slice(..self.text.len() - 1)
    }

    /// Its lines, without their ends.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let mark = if self.goes_on { MARK.len() } else { 0 };
        between_ends(&self.text[..self.text.len() - 1 - mark])
    }

    /// The same, each with the place behind it.
    pub(super) fn lines_with_places(&self) -> impl Iterator<Item = (&[u8], StreamPlace)> {
        let mut left = self.text.len() - if self.goes_on { MARK.len() } else { 0 };
        self.lines().map(move |line| {
            // Behind the last line it is the block's, also where the stream has no end of a line.
            left -= line.len() + 1;
            (line, StreamPlace::at(self.end - left as u64, self.goes_on))
        })
    }

    /// How many lines it has.
    pub(super) fn count(&self) -> u64 {
        count_ends(&self.text)
    }

    /// Up to where in its stream it is, without so many bytes of whole lines at its end.
    pub(super) const fn place_without(&self, left: usize) -> StreamPlace {
        match left {
            0 => self.place(),
            left => StreamPlace::at(self.end - left as u64, false),
        }
    }
}

/// The beginning of a line whose end has not come yet. Empty, and without memory, between lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    /// Whether a part of the line was handed on already.
    is_continued: bool,
    long: Option<Long>,
    /// How many bytes of the stream were handed on.
    handed: u64,
}

impl Lines {
    /// Those from a place of the stream on.
    pub(super) fn from(place: StreamPlace) -> Self {
        Self { is_continued: place.is_continued(), handed: place.bytes(), ..Self::default() }
    }

    /// Up to where lines were handed on.
    pub(super) const fn place(&self) -> StreamPlace {
        StreamPlace::at(self.handed, self.is_continued)
    }

    /// Takes bytes, and calls `each` with all lines of them that are complete, at once, and with parts of one that is too long.
    pub(super) fn feed(&mut self, bytes: &Bytes, mut each: impl FnMut(LineBlock)) {
        // In what is not longer than a line may be, none is too long.
        for begin in (0..bytes.len()).step_by(MAX) {
            self.feed_chunk(bytes.slice(begin..bytes.len().min(begin + MAX)), &mut each);
        }
    }

    fn feed_chunk(&mut self, mut bytes: Bytes, each: &mut impl FnMut(LineBlock)) {
        if !self.begun.is_empty() || self.is_continued {
            let Some(end) = memchr(b'\n', &bytes) else { return self.extend(&bytes, each) };
            self.extend(&bytes[..end], each);
            self.end(1, &mut *each);
            bytes = bytes.slice(end + 1..);
        }
        if let Some(last) = memrchr(b'\n', &bytes) {
            let lines = bytes.split_to(last + 1);
            let text = if lines.len() < SHARED { Bytes::copy_from_slice(&lines) } else { lines };
            self.handed += text.len() as u64;
            each(LineBlock { text, goes_on: false, end: self.handed });
        }
        self.extend(&bytes, each);
    }

    /// The stream has ended: what was begun is a line too.
    pub(super) fn finish(&mut self, each: impl FnMut(LineBlock)) {
        if !self.begun.is_empty() {
            self.end(0, each);
        }
    }

    /// Nothing more has come for a while: what was begun is handed on, whole characters of it.
    pub(super) fn pause(&mut self, mut each: impl FnMut(LineBlock)) {
        if self.has_begun() {
            self.cut(&mut each);
            self.begun.shrink_to_fit();
        }
    }

    /// Whether there is something that a pause would hand on.
    pub(super) fn has_begun(&self) -> bool {
        whole_characters(&self.begun) > 0
    }

    fn extend(&mut self, mut bytes: &[u8], each: &mut impl FnMut(LineBlock)) {
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
    fn cut(&mut self, each: &mut impl FnMut(LineBlock)) {
        let rest = self.begun.split_off(whole_characters(&self.begun));
        let bytes = std::mem::replace(&mut self.begun, rest);
        self.is_continued = true;
        self.long = None;
        self.handed += bytes.len() as u64;
        each(LineBlock::of(bytes, true, self.handed));
    }

    /// What was begun ends, with so many bytes.
    fn end(&mut self, with: u64, mut each: impl FnMut(LineBlock)) {
        let bytes = std::mem::take(&mut self.begun);
        let was_continued = std::mem::take(&mut self.is_continued);
        self.long = None;
        self.handed += bytes.len() as u64 + with;
        // Of a line whose parts were all handed on nothing is left to say.
        if !(was_continued && bytes.is_empty()) {
            each(LineBlock::of(bytes, false, self.handed));
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

/// How many ends of lines there are.
pub(super) fn count_ends(text: &[u8]) -> u64 {
    memchr_iter(b'\n', text).count() as u64
}

/// The texts between ends of lines, and behind the last one.
fn between_ends(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    iter::from_fn(move || {
        let all = rest?;
        let Some(end) = memchr(b'\n', all) else { return rest.take() };
        rest = Some(&all[end + 1..]);
        Some(&all[..end])
    })
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
mod tests;
