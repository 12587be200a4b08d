//! A place in a stream, between two lines or two parts of one.

/// How many bytes are before it, and whether a line goes on there of which a part was handed on. Places have the order of their stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(in crate::process::output) struct StreamPlace(u64);

impl StreamPlace {
    pub(in crate::process::output) const fn at(bytes: u64, is_continued: bool) -> Self {
        Self(bytes << 1 | is_continued as u64)
    }

    pub(in crate::process::output) const fn of_word(word: u64) -> Self {
        Self(word)
    }

    pub(in crate::process::output) const fn word(self) -> u64 {
        self.0
    }

    pub(in crate::process::output) const fn bytes(self) -> u64 {
        self.0 >> 1
    }

    pub(in crate::process::output) const fn is_continued(self) -> bool {
        self.0 & 1 == 1
    }
}
