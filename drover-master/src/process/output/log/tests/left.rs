//! What the next master has of what one has kept.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::super::super::lines::LineBlock;
use super::super::super::{Printer, Stream, StreamPlace};
use super::super::memory::LOG_CHUNK;
use super::super::record::HEAD;
use super::super::{LogNext, OutputLog, WorkerLog};
use crate::ids::{Generation, SlotIndex, WorkerId};
use crate::keeper::{Holds, TestKeeper};
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
        let last = after.of("web").last_errors_of(printer(0, 7), 20);
        assert_eq!(last.iter().flat_map(|piece| piece.lines()).collect::<Vec<_>>(), [b"four"]);
        assert!(after.of("web").last_errors_of(printer(0, 8), 20).is_empty());
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

/// Keeps a text of a slot.
fn keep(log: &OutputLog, slot: u32, text: &str) {
    let worker = log.of("web").by(printer(slot, 1));
    worker.keep(Stream::Stdout, SystemTime::UNIX_EPOCH, &LineBlock::whole(text.as_bytes()));
}

#[test]
fn a_long_line_that_a_kill_has_torn_takes_no_other_line_with_it() {
    let long = "x".repeat(LOG_CHUNK * 2 + 5);
    for steps in 0..40 {
        let (mut masters, log) = Masters::new();
        keep(&log, 1, "before");
        kill::after(Some(steps));
        keep(&log, 0, &long);
        kill::after(None);
        let log = masters.crash(log);
        keep(&log, 1, "after");
        let before = told(&log);
        let after = told(&masters.crash(log));
        assert!(before == after, "killed after {steps} steps: {} and {} pieces", before.len(), after.len());
    }
}

/// Prints more until a text is not kept any more; then the next master has the same.
fn push_out(mut masters: Masters, log: OutputLog, worker: &WorkerLog, text: &str) {
    let is_kept = |log: &OutputLog| told(log).iter().any(|piece| piece.contains(text));
    assert!(is_kept(&log));
    while is_kept(&log) {
        worker.keep(Stream::Stdout, SystemTime::UNIX_EPOCH, &LineBlock::whole(&[b'z'; LOG_CHUNK / 2 + 100]));
    }
    let before = told(&log);
    let after = told(&masters.crash(log));
    assert!(before == after, "{} and {} pieces", before.len(), after.len());
}

#[test]
fn nothing_is_added_to_a_chunk_behind_a_newer_one() {
    let (mut masters, log) = Masters::new();
    keep(&log, 0, &format!("first{}", "x".repeat(LOG_CHUNK / 2)));
    // The head, the name of the app, and this fill a chunk.
    keep(&log, 0, &"x".repeat(LOG_CHUNK - HEAD - "web".len()));
    let log = masters.crash(log);
    keep(&log, 0, "last");
    let worker = log.of("web").by(printer(0, 1));
    push_out(masters, log, &worker, "first");
}

#[test]
fn two_workers_of_a_slot_whose_older_lines_were_pushed_out_lay_down_theirs_in_turn() {
    let (masters, log) = Masters::new();
    let old = log.of("web").by(printer(0, 1));
    let say = |worker: &WorkerLog, text: &str| {
        let text = format!("{text}{}", "x".repeat(LOG_CHUNK / 3));
        worker.keep(Stream::Stdout, SystemTime::UNIX_EPOCH, &LineBlock::whole(text.as_bytes()));
    };
    say(&old, "pushed out");
    let long = "x".repeat(LOG_CHUNK * 15);
    for slot in 0..60 {
        let other = log.of("jobs").by(printer(slot, 1));
        other.keep(Stream::Stdout, SystemTime::UNIX_EPOCH, &LineBlock::whole(long.as_bytes()));
        (0..4).for_each(|_| {
            other.keep(Stream::Stdout, SystemTime::UNIX_EPOCH, &LineBlock::whole(long.as_bytes()))
        });
    }
    log.forget("jobs");
    let new = log.of("web").by(printer(0, 2));
    for round in 0..4 {
        say(&old, &format!("old {round}"));
        say(&new, &format!("new {round}"));
    }
    push_out(masters, log, &new, "old 0");
}
