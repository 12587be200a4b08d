//! Legal frames made illegal, by chance that can be repeated. Pure.

use drover_proto::latest::{
    Error, MasterFrame, Message, Ping, Quit, Reply, Resume, Stop, master_frame::Body,
};
use prost::Message as _;

use super::peer::framed_bytes;

/// How much a mutation adds or takes at most, in bytes.
const PIECE: usize = 24;

/// Makes one mutation after the other.
#[derive(Debug)]
pub(super) struct Mutator {
    chance: fastrand::Rng,
}

/// Bytes in the place of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mutation {
    pub(super) bytes: Vec<u8>,
    pub(super) text: String,
}

impl Mutator {
    pub(super) fn new(seed: u64) -> Self {
        Self { chance: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn next(&mut self) -> Mutation {
        let (name, payload) = self.legal();
        let (how, bytes) = self.mutated(payload);
        Mutation { bytes, text: format!("{name} with {how}") }
    }

    /// A frame that keeps the rules. Those that end a worker are rare: each costs a start.
    fn legal(&mut self) -> (&'static str, Vec<u8>) {
        let text = "a sentence for people, of some length".to_owned();
        let (name, body) = match self.chance.u8(..16) {
            0..4 => ("a Ping", Body::Ping(Ping {})),
            4..7 => ("an Error", Body::Error(Error { code: 6, message: text })),
            7..11 => (
                "a Message",
                Body::Message(Message {
                    topic: text,
                    payload: vec![0; 40].into(),
                    scope: 2,
                    ..Default::default()
                }),
            ),
            11..13 => ("a Reply", Body::Reply(Reply { payload: vec![0xff; 30].into() })),
            13 => ("a Resume", Body::Resume(Resume { deadline_ms: 30_000 })),
            14 => ("a Stop", Body::Stop(Stop { deadline_ms: 3_000 })),
            _ => ("a Quit", Body::Quit(Quit { deadline_ms: 2_000 })),
        };
        let seq = self.chance.u64(..) >> self.chance.u32(..64);
        let frame = MasterFrame { seq, expects_reply: seq != 0, body: Some(body), ..Default::default() };
        (name, frame.encode_to_vec())
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

    #[test]
    fn the_same_seed_makes_the_same_mutations_and_another_makes_others() {
        let of = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..50).map(|_| mutator.next()).collect::<Vec<_>>()
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn mutations_are_small_and_of_every_kind() {
        let mut mutator = Mutator::new(7);
        let mut kinds = std::collections::BTreeSet::new();
        for _ in 0..500 {
            let Mutation { bytes, text } = mutator.next();
            assert!((4..300).contains(&bytes.len()), "{text}");
            kinds.insert(text.split_once(" with ").unwrap().1.to_owned());
        }
        assert_eq!(kinds.len(), 9, "{kinds:?}");
    }
}
