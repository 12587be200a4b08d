//! The log of a master that makes way, for the one that goes on.

use std::io;
use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::super::Stream;
use super::{OutputLog, Piece, Printer};
use crate::ids::{Generation, SlotIndex, WorkerId};
use crate::keeper::{Holds, Journal};
use crate::state;

const NAME: &str = "output/log";

/// The kind of the records: a head as JSON, a line's end, and the text.
const PIECE: u8 = 1;

/// What is known of a piece besides its text.
#[derive(Debug, Serialize, Deserialize)]
struct PieceHead {
    app: String,
    slot: SlotIndex,
    generation: Generation,
    worker: WorkerId,
    pid: u32,
    is_stderr: bool,
    #[serde(with = "crate::written")]
    time: SystemTime,
    count: u64,
}

impl OutputLog {
    /// Has the keeper hold all that is kept, for the next master, until the answer is dropped; a process that ends drops nothing. Blocks
    /// while some megabytes are copied. Without a keeper it does nothing.
    ///
    /// # Errors
    ///
    /// There is not enough memory: then the next master has nothing of it.
    pub(crate) fn leave(&self, holds: &Holds) -> io::Result<Option<Journal>> {
        let Some(mut journal) = Journal::begin(holds, NAME)? else { return Ok(None) };
        // From here on it is held.
        journal.renew(&[])?;
        for piece in self.pieces() {
            journal.add(PIECE, &written(&piece))?;
        }
        Ok(Some(journal))
    }

    /// Keeps what the master before has left, if it has. Blocks in the same way; once, before anything is kept here.
    ///
    /// # Errors
    ///
    /// It can't be read.
    pub(crate) fn inherit(&self, holds: &Holds) -> io::Result<()> {
        let Some((_, records)) = Journal::resume(holds, NAME)? else { return Ok(()) };
        for (_, bytes) in records.iter().filter(|(kind, _)| *kind == PIECE) {
            // One of a later version, of which too little is understood, is left out.
            let Some((head, text)) = read(bytes) else { continue };
            let from =
                Printer { slot: head.slot, generation: head.generation, worker: head.worker, pid: head.pid };
            let stream = if head.is_stderr { Stream::Stderr } else { Stream::Stdout };
            let text = Bytes::copy_from_slice(text);
            self.of(&head.app).keep_text(from, stream, head.time, head.count, text, false);
        }
        Ok(())
    }

    /// All that is kept, oldest first.
    fn pieces(&self) -> Vec<std::sync::Arc<Piece>> {
        let kept = self.feed.lock();
        let mut pieces: Vec<_> = kept.rings.values().flat_map(|ring| ring.pieces.values().cloned()).collect();
        pieces.sort_by_key(|piece| piece.order);
        pieces
    }
}

fn written(piece: &Piece) -> Vec<u8> {
    let Printer { slot, generation, worker, pid } = piece.from;
    let mut bytes = state::encode(&PieceHead {
        app: piece.app.to_string(),
        slot,
        generation,
        worker,
        pid,
        is_stderr: piece.stream == Stream::Stderr,
        time: piece.time,
        count: piece.count,
    });
    bytes.push(b'\n');
    bytes.extend_from_slice(&piece.text);
    bytes
}

fn read(bytes: &[u8]) -> Option<(PieceHead, &[u8])> {
    // JSON in one line has no line's end in it.
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((state::decode(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::super::super::lines::LineBlock;
    use super::super::LogNext;
    use super::*;
    use crate::keeper::TestKeeper;

    #[test]
    fn what_a_master_leaves_the_next_one_has_in_the_same_order_and_nobody_else() {
        let (mut keeper, holds) = TestKeeper::new();
        let before = OutputLog::new();
        let printer = |slot: u32| Printer {
            slot: SlotIndex(slot),
            generation: Generation(2),
            worker: WorkerId(u64::from(slot) + 7),
            pid: 70 + slot,
        };
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_234_567);
        for (app, slot, stream, lines) in [
            ("web", 0, Stream::Stdout, "one\ntwo"),
            ("jobs", 0, Stream::Stderr, "{\"a\": 1}"),
            ("web", 1, Stream::Stderr, "three…"),
            ("web", 0, Stream::Stderr, "four"),
        ] {
            before.of(app).keep(printer(slot), stream, time, &LineBlock::whole(lines.as_bytes()));
        }
        let left = before.leave(&holds).unwrap();
        assert!(left.is_some());
        let holds = keeper.crash(&holds, left);
        let after = OutputLog::new();
        after.inherit(&holds).unwrap();
        let told = |log: &OutputLog| -> Vec<String> {
            let mut reader = log.read(["web".into(), "jobs".into()]);
            std::iter::from_fn(|| reader.try_next())
                .map(|next| match next {
                    LogNext::Piece(piece) => format!(
                        "{} {:?} {:?} {:?} {:?}",
                        piece.app,
                        piece.from,
                        piece.stream,
                        piece.time,
                        piece.lines().collect::<Vec<_>>()
                    ),
                    LogNext::Missed(count) => format!("{count} missed"),
                })
                .collect()
        };
        assert_eq!(told(&before).len(), 4);
        assert_eq!(told(&after), told(&before));
        let last = after.of("web").last_errors_of(SlotIndex(0), WorkerId(7), 20);
        assert_eq!(last.iter().flat_map(|piece| piece.lines()).collect::<Vec<_>>(), [b"four"]);
        assert!(after.of("web").last_errors_of(SlotIndex(0), WorkerId(8), 20).is_empty());

        // It is there for one master.
        let third = OutputLog::new();
        third.inherit(&holds).unwrap();
        assert!(told(&third).is_empty());
    }
}
