//! Legal frames made illegal, by chance that can be repeated. Pure.

use crate::case::{Fault, failed};
use crate::frames::framed_bytes;

/// How much a mutation adds or takes at most, in bytes.
const PIECE: usize = 24;

/// Makes one mutation after the other.
#[derive(Debug)]
pub(crate) struct Mutator {
    chance: fastrand::Rng,
}

/// Bytes in the place of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mutation {
    pub(crate) bytes: Vec<u8>,
    pub(crate) text: String,
}

impl Mutation {
    /// A fault that shows after this mutation, the `number`th of a run.
    pub(crate) fn blamed(&self, number: u32, fault: Fault) -> Fault {
        match fault {
            Fault::Failed(why) => failed(format!("mutation {number}, {}: {why}", self.text)),
            skipped @ Fault::Skipped(_) => skipped,
        }
    }
}

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { chance: fastrand::Rng::with_seed(seed) }
    }

    /// The next one, of a frame that keeps the rules.
    pub(crate) fn next(&mut self, legal: fn(&mut fastrand::Rng) -> (&'static str, Vec<u8>)) -> Mutation {
        let (name, payload) = legal(&mut self.chance);
        let (how, bytes) = self.mutated(payload);
        Mutation { bytes, text: format!("{name} with {how}") }
    }

    fn mutated(&mut self, mut payload: Vec<u8>) -> (&'static str, Vec<u8>) {
        let at = self.chance.usize(..payload.len());
        let how = match self.chance.u8(..10) {
            0 | 1 => {
                payload[at] ^= 1 << self.chance.u8(..8);
                "a bit flipped"
            }
            2 => {
                payload[at] = self.chance.u8(..);
                "another byte"
            }
            3 => {
                let more = self.bytes();
                payload.splice(at..at, more);
                "bytes put in"
            }
            4 => {
                payload.truncate(at);
                "its end cut off"
            }
            5 => {
                let until = (at + self.chance.usize(1..PIECE)).min(payload.len());
                payload.drain(at..until);
                "bytes left out"
            }
            6 => {
                payload = self.bytes();
                "other bytes instead"
            }
            7 => {
                // A field of length 2^64 - 1, whose tag is unknown.
                payload.extend([0xfa, 0x07]);
                payload.extend([0xff; 9]);
                payload.push(0x01);
                "a field longer than the frame"
            }
            8 => {
                let length = self.chance.usize(..payload.len());
                return ("a length that is too small", with_length(length as u32, &payload));
            }
            _ => {
                let length = self.chance.u32(1 << 24..);
                return ("a length over the limit", with_length(length, &payload));
            }
        };
        (how, framed_bytes(&payload))
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.chance.usize(1..PIECE);
        (0..length).map(|_| self.chance.u8(..)).collect()
    }
}

fn with_length(length: u32, payload: &[u8]) -> Vec<u8> {
    [&length.to_be_bytes()[..], payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn legal(chance: &mut fastrand::Rng) -> (&'static str, Vec<u8>) {
        ("a frame", vec![chance.u8(..); 60])
    }

    #[test]
    fn the_same_seed_makes_the_same_mutations_and_another_makes_others() {
        let of = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..50).map(|_| mutator.next(legal)).collect::<Vec<_>>()
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn mutations_are_small_and_of_every_kind() {
        let mut mutator = Mutator::new(7);
        let mut kinds = std::collections::BTreeSet::new();
        for _ in 0..500 {
            let Mutation { bytes, text } = mutator.next(legal);
            assert!((4..300).contains(&bytes.len()), "{text}");
            kinds.insert(text.split_once(" with ").unwrap().1.to_owned());
        }
        assert_eq!(kinds.len(), 9, "{kinds:?}");
    }
}
