//! A reader that goes on with the output of a worker, and its log.

use std::future::{Future, ready};
use std::io::{self, PipeReader, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime};

use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;

use super::lines::LineBlock;
use super::transit::{Taker, protected_again};
use super::{Line, LogNext, OutputLog, OutputReader, OutputTransit, Printer, Stream, StreamPlace};
use crate::config::{Output, OutputSink};
use crate::ids::{Generation, SlotIndex, WorkerId};
use crate::keeper::{Holds, TestKeeper};

/// The lines that the master's own output was given.
#[derive(Debug, Default)]
struct OwnLines(Mutex<Vec<String>>);

impl OutputSink for OwnLines {
    fn take<'a>(&'a self, line: Line<'a>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.0.lock().unwrap().push(String::from_utf8_lossy(line.bytes).into_owned());
        Box::pin(ready(()))
    }
}

impl OwnLines {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// What outlives a master.
struct Outliving {
    keeper: TestKeeper,
    holds: Holds,
    transit: [OwnedFd; 3],
    gone: Vec<OutputLog>,
}

/// A master that reads.
struct ReadingMaster {
    log: OutputLog,
    own: Arc<OwnLines>,
    reading: JoinHandle<()>,
}

/// By its process: a restart of the app counts workers from 1 again.
fn printer(pid: u32) -> Printer {
    Printer { slot: SlotIndex(0), generation: Generation(1), worker: WorkerId(1), pid }
}

impl Outliving {
    fn new() -> Self {
        let (keeper, holds) = TestKeeper::new();
        Self { keeper, holds, transit: protected_again::memory(), gone: Vec::new() }
    }

    fn transit(&self) -> (OutputTransit, super::transit::OwnOutlet) {
        let [memory, read, write] = self.transit.each_ref().map(|fd| fd.try_clone().unwrap());
        protected_again::go_on(memory, read, write)
    }

    fn begin(&self, pid: u32, worker: &PipeReader) -> ReadingMaster {
        let (log, own) = (OutputLog::held_by(&self.holds), Arc::<OwnLines>::default());
        let (transit, outlet) = self.transit();
        let reader = OutputReader {
            app: "web".into(),
            slot: SlotIndex(0),
            output: Output::Sink(Arc::clone(&own) as Arc<dyn OutputSink>),
            log: Some(log.of("web").by(printer(pid))),
            sinks: None,
            tail: Arc::default(),
            awaited: Weak::new(),
            transit: transit.by(printer(pid)),
        };
        let pipe = worker.try_clone().unwrap().into();
        let reading = tokio::spawn(async move {
            reader.run(Some(pipe), None).await;
            drop((transit, outlet));
        });
        ReadingMaster { log, own, reading }
    }

    async fn crash(&mut self, master: ReadingMaster) {
        master.reading.abort();
        let _ = master.reading.await;
        self.holds = self.keeper.crash(&self.holds, ());
        self.gone.push(master.log);
    }
}

impl ReadingMaster {
    fn kept(&self) -> Vec<String> {
        let mut reader = self.log.read(["web".into()]);
        let mut lines = Vec::new();
        while let Some(LogNext::Piece(piece)) = reader.try_next() {
            lines.extend(piece.lines().map(|line| String::from_utf8_lossy(line).into_owned()));
        }
        lines
    }

    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        let looked = async {
            while !is_so(self) {
                yield_now().await;
            }
        };
        timeout(Duration::from_secs(60), looked).await.expect("it comes");
    }
}

#[tokio::test]
async fn a_worker_that_has_the_number_of_an_earlier_one_does_not_go_on_where_that_one_was() {
    let mut world = Outliving::new();
    let before = OutputLog::held_by(&world.holds);
    let long = LineBlock::whole(&[b'x'; 10_000]);
    before.of("web").by(printer(10)).keep(Stream::Stdout, SystemTime::now(), &long);
    // Another process has this number now, has begun a line, and its master is killed.
    let (worker, mut prints) = io::pipe().unwrap();
    let (transit, outlet) = world.transit();
    let way = transit.by(printer(11)).unwrap().stream("web", Stream::Stdout, vec![Taker::Own, Taker::Log]);
    prints.write_all(b"10%").unwrap();
    assert_eq!(way.as_ref().unwrap().read(worker.as_fd()).unwrap().unwrap().bytes.len(), 3);
    drop((way, transit, outlet));
    world.holds = world.keeper.crash(&world.holds, ());
    let mut master = world.begin(11, &worker);
    prints.write_all(b" 20% done\nnext\n").unwrap();
    drop(prints);
    (&mut master.reading).await.unwrap();
    assert_eq!(master.own.lines(), ["10% 20% done", "next"]);
    assert_eq!(master.kept()[1..], ["10% 20% done", "next"]);
    drop(before);
}

#[tokio::test]
async fn a_log_that_the_master_before_did_not_have_begins_with_the_lines_that_come_next() {
    let mut world = Outliving::new();
    let (worker, mut prints) = io::pipe().unwrap();
    let (transit, outlet) = world.transit();
    let way = transit.by(printer(11)).unwrap().stream("web", Stream::Stdout, vec![Taker::Own]).unwrap();
    let text: String = (0..12_000).map(|number| format!("line {number:05}\n")).collect();
    for part in text.as_bytes().chunks(30_000) {
        prints.write_all(part).unwrap();
        let mut left = part.len();
        while left > 0 {
            left -= way.read(worker.as_fd()).unwrap().unwrap().bytes.len();
        }
    }
    way.hand_on(way.place_read());
    // The last thousand lines are not written yet.
    way.receipt(Taker::Own, StreamPlace::at(11_000 * 11, false)).give();
    assert!(way.place_left() > StreamPlace::default());
    drop((way, transit, outlet));
    let first = world.begin(11, &worker);
    prints.write_all(b"one\ntwo\n").unwrap();
    first.until(|master| master.own.lines().last().is_some_and(|last| last == "two")).await;
    assert_eq!(first.own.lines().len(), 1002);
    assert_eq!(first.own.lines()[0], "line 11000");
    assert_eq!(first.kept(), ["one", "two"]);
    world.crash(first).await;
    let second = world.begin(11, &worker);
    prints.write_all(b"three\n").unwrap();
    second.until(|master| !master.own.lines().is_empty()).await;
    assert_eq!(second.own.lines(), ["three"]);
    assert_eq!(second.kept(), ["one", "two", "three"]);
    world.crash(second).await;
}
