//! Goes on with what an earlier master has kept.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};

use super::memory::{LOG_CHUNK, LeftChunk, LogMemory, PieceChunks, SlotWriter};
use super::record::RecordHead;
use super::{OutputLog, Piece};
use crate::ids::SlotIndex;
use crate::keeper::Holds;
use crate::sys::ChunkWriter;

/// A record of an earlier master, with where it lies.
#[derive(Debug)]
struct LeftRecord {
    app: Arc<str>,
    head: RecordHead,
    chunk: usize,
    text: Bytes,
}

impl OutputLog {
    /// What an earlier master has kept, and what comes from now on, such that another one can go on with it. Without a keeper, and where no
    /// such memory can be made, of which the log tells, it is lost with this process. Blocks while some megabytes are looked through.
    pub(crate) fn held_by(holds: &Holds) -> Self {
        let log = Self::counted_by(holds.tallies());
        match LogMemory::held_by(holds) {
            Ok(Some((memory, left))) => log.go_on(memory, left),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(target: "drover::output", %error, "no memory for what `drover logs` shows; a crash loses it");
            }
        }
        log
    }

    pub(super) fn go_on(&self, memory: Arc<LogMemory>, left: Vec<LeftChunk>) {
        let (records, open) = sorted(left);
        self.feed.lock().memory = Some(Arc::clone(&memory));
        let mut records = records.into_iter().peekable();
        while let Some(first) = records.next() {
            let mut parts = vec![first];
            while let Some(next) = records.next_if(|next| next.head.order == parts[0].head.order) {
                parts.push(next);
            }
            self.keep_again(parts);
        }
        let mut kept = self.feed.lock();
        for ((app, slot), writer) in open {
            if let Some(ring) = kept.rings.get_mut(&app) {
                let writer = SlotWriter::new(Arc::clone(&memory), Some(writer));
                ring.writers.insert(slot, Arc::new(Mutex::new(writer)));
            }
        }
    }

    /// Keeps a piece of these parts, unless one is missing.
    fn keep_again(&self, parts: Vec<LeftRecord>) {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return };
        let is_whole =
            !last.head.goes_on && parts.iter().zip(0..).all(|(part, number)| part.head.part == number);
        if !is_whole {
            return;
        }
        let (app, RecordHead { order, from, stream, time, count, end, .. }) =
            (Arc::clone(&first.app), first.head);
        let (text, chunks) = match &parts[..] {
            [one] => (one.text.clone(), PieceChunks::One(one.chunk)),
            parts => {
                let text: BytesMut = parts.iter().flat_map(|part| part.text.iter().copied()).collect();
                let held = parts.iter().map(|part| (part.chunk, part.text.clone())).collect();
                (text.freeze(), PieceChunks::Parts(held))
            }
        };
        let mut kept = self.feed.lock();
        kept.ring_of(&app);
        kept.orders.fetch_max(order, Ordering::Relaxed);
        let Some(ring) = kept.rings.get_mut(&app) else { return };
        ring.reached.insert((from.worker, stream as usize), end);
        let first = ring.lines;
        kept.push(Piece { app, from, stream, time, order, first, count, text, chunks });
    }
}

type OpenChunks = BTreeMap<(Arc<str>, SlotIndex), ChunkWriter>;

/// All records in their order, and of each slot the chunk in which it can go on.
fn sorted(left: Vec<LeftChunk>) -> (Vec<LeftRecord>, OpenChunks) {
    let (mut records, mut open) = (Vec::new(), BTreeMap::new());
    for chunk in left {
        let Some(last) = chunk.records.last() else { continue };
        let Some(app) = chunk.app(last).map(Arc::<str>::from) else { continue };
        let order = last.head.order;
        let slot = (Arc::clone(&app), last.head.from.slot);
        records.extend(chunk.records.iter().map(|record| LeftRecord {
            app: Arc::clone(&app),
            head: record.head,
            chunk: chunk.writer.index(),
            text: chunk.text(record),
        }));
        let is_newest = open.get(&slot).is_none_or(|(newest, _)| *newest < order);
        if is_newest && chunk.writer.length() < LOG_CHUNK {
            open.insert(slot, (order, chunk.writer));
        }
    }
    records.sort_by_key(|record| (record.head.order, record.head.part));
    (records, open.into_iter().map(|(slot, (_, writer))| (slot, writer)).collect())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;

    use super::super::super::lines::LineBlock;
    use super::super::super::{Printer, Stream, StreamPlace};
    use super::super::LogNext;
    use super::*;
    use crate::ids::{Generation, WorkerId};
    use crate::keeper::TestKeeper;
    use crate::sys::kill;

    /// What a keeper holds for one master after another. Masters that are gone stay mapped, as the end of a process gives nothing back.
    struct Masters {
        keeper: TestKeeper,
        holds: Holds,
        gone: Vec<OutputLog>,
    }

    impl Masters {
        fn new() -> (Self, OutputLog) {
            let (keeper, holds) = TestKeeper::new();
            let log = OutputLog::held_by(&holds);
            (Self { keeper, holds, gone: Vec::new() }, log)
        }

        fn crash(&mut self, log: OutputLog) -> OutputLog {
            self.holds = self.keeper.crash(&self.holds, ());
            self.gone.push(log);
            OutputLog::held_by(&self.holds)
        }
    }

    fn printer(slot: u32, worker: u64) -> Printer {
        Printer { slot: SlotIndex(slot), generation: Generation(2), worker: WorkerId(worker), pid: 70 + slot }
    }

    fn told(log: &OutputLog) -> Vec<String> {
        let mut reader = log.read(["web".into(), "jobs".into()]);
        std::iter::from_fn(|| reader.try_next())
            .map(|next| match next {
                LogNext::Piece(piece) => {
                    let text = String::from_utf8_lossy(&piece.text);
                    format!("{} {:?} {:?} {:?} {text}", piece.app, piece.from, piece.stream, piece.time)
                }
                LogNext::Missed(count) => format!("{count} missed"),
            })
            .collect()
    }

    #[test]
    fn the_next_master_has_what_a_killed_one_has_kept_and_the_last_words_of_its_workers() {
        let (mut masters, before) = Masters::new();
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567);
        for (app, slot, stream, lines) in [
            ("web", 0, Stream::Stdout, "one\ntwo"),
            ("jobs", 0, Stream::Stderr, "{\"a\": 1}"),
            ("web", 1, Stream::Stderr, "three…"),
            ("web", 0, Stream::Stderr, "four"),
        ] {
            let worker = before.of(app).by(printer(slot, u64::from(slot) + 7));
            assert_eq!(worker.reached(stream), StreamPlace::default());
            worker.keep(stream, time, &LineBlock::whole(lines.as_bytes()));
        }
        let kept = told(&before);
        assert_eq!(kept.len(), 4);
        let mut after = before;
        for _ in 0..3 {
            after = masters.crash(after);
            assert_eq!(told(&after), kept);
            let last = after.of("web").last_errors_of(SlotIndex(0), WorkerId(7), 20);
            assert_eq!(last.iter().flat_map(|piece| piece.lines()).collect::<Vec<_>>(), [b"four"]);
            assert!(after.of("web").last_errors_of(SlotIndex(0), WorkerId(8), 20).is_empty());
            let again = after.of("web").by(printer(0, 7));
            assert_eq!(again.reached(Stream::Stdout), StreamPlace::at(8, false));
            assert_eq!(again.reached(Stream::Stderr), StreamPlace::at(5, false));
            assert_eq!(after.of("web").by(printer(0, 8)).reached(Stream::Stdout), StreamPlace::default());
        }
    }

    #[test]
    fn a_master_that_is_killed_at_any_step_leaves_whole_lines_and_how_far_they_go() {
        // A line that is too long for a chunk, many lines, and more than fits behind them.
        let long = "x".repeat(LOG_CHUNK * 2 + 5);
        let many = "some line\n".repeat(LOG_CHUNK / 7) + "last";
        let texts = ["first", &long, &many, "\n", "end"];
        let mut is_cut = true;
        for steps in 0.. {
            let (mut masters, log) = Masters::new();
            let worker = log.of("web").by(printer(0, 1));
            kill::after(Some(steps));
            let (mut end, mut all) = (0, String::new());
            for text in texts {
                let mut block = LineBlock::whole(text.as_bytes());
                block.end = end + text.len() as u64 + 1;
                worker.keep(Stream::Stdout, SystemTime::UNIX_EPOCH, &block);
                end = block.end;
                all += text;
                all += "\n";
            }
            is_cut &= !kill::lives();
            kill::after(None);
            let after = masters.crash(log);
            let mut reader = after.read(["web".into()]);
            let mut kept = String::new();
            while let Some(LogNext::Piece(piece)) = reader.try_next() {
                kept += &String::from_utf8_lossy(&piece.text);
                kept.push('\n');
            }
            assert!(all.starts_with(&kept), "{steps} steps: {} bytes", kept.len());
            let reached = after.of("web").by(printer(0, 1)).reached(Stream::Stdout);
            assert_eq!(reached, StreamPlace::at(kept.len() as u64, false), "{steps} steps");
            if kept.len() == all.len() {
                assert!(steps > 30 && is_cut, "a kill after {steps} steps has cut nothing off");
                return;
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Op {
        Keep { app: &'static str, slot: u32, line: usize, lines: usize },
        Forget(&'static str),
        Crash,
    }

    fn op() -> impl Strategy<Value = Op> {
        let app = prop_oneof![Just("web"), Just("jobs")];
        let line = prop_oneof![8 => 0_usize..200, 1 => 0..LOG_CHUNK * 5];
        let keep = (app, 0_u32..4, line, 1_usize..400);
        prop_oneof![
            20 => keep.prop_map(|(app, slot, line, lines)| Op::Keep { app, slot, line, lines }),
            1 => prop_oneof![Just("web"), Just("jobs")].prop_map(Op::Forget),
            3 => Just(Op::Crash),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn each_master_has_exactly_what_the_one_before_it_had(ops in proptest::collection::vec(op(), 1..120)) {
            let (mut masters, mut log) = Masters::new();
            for (number, op) in ops.into_iter().enumerate() {
                match op {
                    Op::Keep { app, slot, line, lines } => {
                        let lines = if line > 1000 { lines % 3 + 1 } else { lines };
                        let text = vec![format!("{number} {}", "x".repeat(line)); lines].join("\n");
                        let worker = log.of(app).by(printer(slot, 1));
                        worker.keep(Stream::Stdout, SystemTime::UNIX_EPOCH, &LineBlock::whole(text.as_bytes()));
                    }
                    Op::Forget(app) => log.forget(app),
                    Op::Crash => {
                        let before = told(&log);
                        log = masters.crash(log);
                        let after = told(&log);
                        prop_assert!(after == before, "{} and {} pieces", before.len(), after.len());
                    }
                }
            }
        }
    }

    #[test]
    fn memory_of_another_version_is_not_looked_into() {
        let (mut masters, log) = Masters::new();
        log.of("web").by(printer(0, 1)).keep(Stream::Stdout, SystemTime::now(), &LineBlock::whole(b"one"));
        let memory = log.feed.lock().memory.clone().unwrap();
        memory.make_strange();
        let after = masters.crash(log);
        assert!(told(&after).is_empty());
        after.of("web").by(printer(0, 1)).keep(Stream::Stdout, SystemTime::now(), &LineBlock::whole(b"two"));
        assert_eq!(told(&masters.crash(after)).len(), 1);
    }
}
