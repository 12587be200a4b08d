//! A piece of output as it lies in memory that outlives this process: words of eight bytes, the app's name, and the text.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use super::super::{Printer, Stream, StreamPlace};
use crate::ids::{Generation, SlotIndex, WorkerId};

/// How long the words are, in bytes.
pub(super) const HEAD: usize = 8 * WORDS;

const WORDS: usize = 9;

/// It is of stderr.
const STDERR: u32 = 1;
/// Another record goes on with its line.
const GOES_ON: u32 = 2;

/// What is known of a piece besides its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHead {
    /// The place among the pieces of all apps.
    pub order: u64,
    pub from: Printer,
    pub stream: Stream,
    pub time: SystemTime,
    /// How many lines it has.
    pub count: u64,
    /// Up to where in its stream it is.
    pub end: StreamPlace,
    /// Of a line that is too long for one record: which part it is, from 0, and whether another one follows.
    pub part: u32,
    pub goes_on: bool,
}

impl RecordHead {
    /// The words of a record with a name and a text of so many bytes.
    pub(super) fn bytes(&self, name: usize, text: usize) -> [u8; HEAD] {
        let stderr = if self.stream == Stream::Stderr { STDERR } else { 0 };
        let flags = stderr | if self.goes_on { GOES_ON } else { 0 };
        let since = self.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let words: [u64; WORDS] = [
            two(u32::try_from(name).unwrap_or(u32::MAX), u32::try_from(text).unwrap_or(u32::MAX)),
            two(flags, self.part),
            self.order,
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            self.count,
            self.end.word(),
            self.from.worker.0,
            two(self.from.slot.0, self.from.pid),
            self.from.generation.0,
        ];
        let mut bytes = [0; HEAD];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// A record, and where among the bytes its name and its text are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LaidRecord {
    pub head: RecordHead,
    pub name: Range<usize>,
    pub text: Range<usize>,
}

/// The records at the front of these bytes, up to what is not one.
pub(super) fn records(bytes: &[u8]) -> impl Iterator<Item = LaidRecord> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let record = read(bytes, at)?;
        at = record.text.end;
        Some(record)
    })
}

fn read(bytes: &[u8], at: usize) -> Option<LaidRecord> {
    let mut words = [0; WORDS];
    for (word, part) in words.iter_mut().zip(bytes.get(at..at + HEAD)?.chunks_exact(8)) {
        *word = u64::from_le_bytes(part.try_into().ok()?);
    }
    let [lengths, flags, order, nanos, count, end, worker, place, generation] = words;
    let ([name, text], [slot, pid], [flags, part]) = (halves(lengths), halves(place), halves(flags));
    // Every app has a name, so these bytes are zeros and not a record.
    if name == 0 {
        return None;
    }
    let name = at + HEAD..at + HEAD + name as usize;
    let text = name.end..name.end + text as usize;
    let is_there = text.end <= bytes.len();
    let head = RecordHead {
        order,
        from: Printer {
            slot: SlotIndex(slot),
            generation: Generation(generation),
            worker: WorkerId(worker),
            pid,
        },
        stream: if flags & STDERR == 0 { Stream::Stdout } else { Stream::Stderr },
        time: SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos),
        count,
        end: StreamPlace::of_word(end),
        part,
        goes_on: flags & GOES_ON != 0,
    };
    is_there.then_some(LaidRecord { head, name, text })
}

fn two(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

fn halves(word: u64) -> [u32; 2] {
    // The lower half of each.
    [word as u32, (word >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(order: u64, goes_on: bool) -> RecordHead {
        RecordHead {
            order,
            from: Printer {
                slot: SlotIndex(3),
                generation: Generation(u64::MAX),
                worker: WorkerId(9 << 40),
                pid: u32::MAX,
            },
            stream: if order.is_multiple_of(2) { Stream::Stdout } else { Stream::Stderr },
            time: SystemTime::UNIX_EPOCH + Duration::from_nanos(1_234_567_890_123),
            count: 5,
            end: StreamPlace::at(77, goes_on),
            part: 6,
            goes_on,
        }
    }

    fn laid(records: &[(RecordHead, &str, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (head, name, text) in records {
            bytes.extend(head.bytes(name.len(), text.len()));
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }

    #[test]
    fn records_are_read_as_they_were_laid_down_and_a_torn_one_is_not_there() {
        let all =
            [(head(1, false), "web", "one\ntwo"), (head(2, true), "a", ""), (head(3, false), "jobs", "…")];
        let bytes = laid(&all);
        let ends: Vec<usize> = records(&bytes).map(|record| record.text.end).collect();
        assert_eq!(ends.len(), 3);
        for length in 0..=bytes.len() {
            let there = &bytes[..length];
            let read: Vec<_> = records(there)
                .map(|record| (record.head, &there[record.name], &there[record.text]))
                .collect();
            let whole = ends.iter().filter(|end| **end <= length).count();
            let expected: Vec<_> = all[..whole]
                .iter()
                .map(|(head, name, text)| (*head, name.as_bytes(), text.as_bytes()))
                .collect();
            assert_eq!(read, expected, "{length} bytes");
        }
        assert_eq!(records(&[0; 1000]).count(), 0);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..600), flip in any::<usize>()) {
            let _ = records(&bytes).count();
            let mut bytes = laid(&[(head(1, false), "web", "text"), (head(2, true), "web", "more")]);
            let at = flip % (bytes.len() * 8);
            bytes[at / 8] ^= 1 << (at % 8);
            for record in records(&bytes) {
                prop_assert!(record.text.end <= bytes.len());
            }
        }
    }
}
