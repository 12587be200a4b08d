//! A process that goes on with output and is killed between any two of its steps, and what its successors make of that.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::super::super::Stream;
use super::super::super::lines::{LineBlock, Lines, MARK};
use super::super::super::log::{LogNext, OutputLog, WorkerLog};
use super::super::super::logfile::Files;
use super::super::super::protected::lines_again;
use super::super::super::queue::{Batch, LogEntry};
use super::super::{OwnOutlet, Receipt, Taker, TransitParts, TransitStream, begun, gone_on};
use super::FROM;
use crate::config::{LogOwner, LogPolicy};
use crate::keeper::{Holds, TestKeeper};
use crate::sys::kill;

/// What the worker prints, piece by piece. After an empty one it is silent, until what it has begun is handed on.
const PIECES: [&str; 9] = [
    "one\ntwo\nth",
    "ree",
    "\nfour\n\n",
    "wait",
    "",
    "ing\n",
    "größer\nlast w",
    "",
    "ords\nand a line without an end",
];

/// What is there besides the process.
struct World {
    memory: OwnedFd,
    pipe: [OwnedFd; 2],
    worker: [io::PipeReader; 1],
    prints: io::PipeWriter,
    printed: usize,
    own: Own,
    /// What was read at the other end of it.
    seen: Vec<u8>,
    wish: LogPolicy,
    files: tempfile::TempDir,
    /// Holds the log.
    keeper: (TestKeeper, Holds),
    /// What the log of the last process had at its end.
    kept: String,
}

/// The master's own output.
enum Own {
    Pipe(io::PipeWriter, io::PipeReader),
    File(File, PathBuf),
}

impl World {
    fn new(own_is_file: bool, per: LogOwner) -> Self {
        let (shared, _, pipe) = begun().unwrap();
        let files = tempfile::tempdir().unwrap();
        let (worker, prints) = io::pipe().unwrap();
        fcntl(&worker, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let own = if own_is_file {
            let path = files.path().join("own");
            Own::File(File::options().append(true).create(true).open(&path).unwrap(), path)
        } else {
            let (read, write) = io::pipe().unwrap();
            fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
            Own::Pipe(write, read)
        };
        Self {
            memory: shared.memory.as_fd().try_clone_to_owned().unwrap(),
            pipe,
            worker: [worker],
            prints,
            printed: 0,
            own,
            seen: Vec::new(),
            wish: LogPolicy { per, ..LogPolicy::in_dir(files.path()) },
            files,
            keeper: TestKeeper::new(),
            kept: String::new(),
        }
    }

    /// What the master has printed, as one text.
    fn own(&mut self) -> String {
        match &mut self.own {
            Own::Pipe(_, read) => {
                let _ = read.read_to_end(&mut self.seen);
            }
            Own::File(_, path) => self.seen = fs::read(path).unwrap(),
        }
        joined(&self.seen)
    }

    fn file(&self) -> String {
        let of_worker = self.files.path().join("web/0.log");
        let text = fs::read(&of_worker).or_else(|_| fs::read(self.files.path().join("web.log"))).unwrap();
        joined(&text)
    }
}

/// Without prefixes, and parts of a line as the line.
fn joined(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text).into_owned();
    text.replace("web/0 | ", "").replace(&format!("{MARK}\n"), "")
}

/// The process.
struct Process {
    outlet: OwnOutlet,
    way: Arc<TransitStream>,
    files: Files,
    lines: Lines,
    log: OutputLog,
    worker_log: WorkerLog,
}

const TAKERS: [Taker; 3] = [Taker::Own, Taker::Files, Taker::Log];

impl Process {
    fn begin(world: &mut World) -> Option<Self> {
        let clone = |fd: &OwnedFd| fd.try_clone().unwrap();
        let (shared, outlet, _): TransitParts =
            gone_on(clone(&world.memory), clone(&world.pipe[0]), clone(&world.pipe[1])).unwrap();
        let way = shared.stream("web", FROM, Stream::Stdout, TAKERS.into()).unwrap();
        let log = OutputLog::held_by(&world.keeper.1);
        let worker_log = log.of("web").by(FROM);
        let files = Files::new("web".into());
        let mut process =
            Self { outlet, way: Arc::new(way), files, lines: Lines::default(), log, worker_log };
        match &mut world.own {
            Own::Pipe(write, _) => process.outlet.resume(write),
            Own::File(file, _) => process.outlet.resume(file),
        }
        .unwrap();
        world.own();
        let (way, read) = (Arc::clone(&process.way), process.way.place_read());
        way.reach(Taker::Log, process.worker_log.reached(Stream::Stdout));
        let handed = way.handed(&TAKERS);
        process.print_own(world, lines_again(&way, way.done(Taker::Own), handed));
        process.write_files(world, lines_again(&way, way.done(Taker::Files), handed));
        process.keep(&lines_again(&way, way.done(Taker::Log), handed));
        process.lines = Lines::from(handed);
        for bytes in way.left(handed, read) {
            process.feed(world, &bytes);
        }
        kill::lives().then_some(process)
    }

    /// Reads everything. None: it was killed.
    fn run(&mut self, world: &mut World) -> Option<()> {
        loop {
            kill::lives().then_some(())?;
            match self.way.read(world.worker[0].as_fd()) {
                Ok(read) => {
                    let bytes = read.unwrap().bytes;
                    kill::lives().then_some(())?;
                    assert!(!bytes.is_empty());
                    self.feed(world, &bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.way.let_go();
                    kill::lives().then_some(())?;
                    let Some(piece) = PIECES.get(world.printed) else { break };
                    world.printed += 1;
                    world.prints.write_all(piece.as_bytes()).unwrap();
                    if piece.is_empty() {
                        let mut parts = Vec::new();
                        self.lines.pause(|block| parts.push(block));
                        self.hand_on(world, parts);
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
        let mut last = Vec::new();
        self.lines.finish(|block| last.push(block));
        self.hand_on(world, last);
        self.way.end();
        kill::lives().then_some(())
    }

    fn feed(&mut self, world: &mut World, bytes: &bytes::Bytes) {
        let mut complete = Vec::new();
        self.lines.feed(bytes, |block| complete.push(block));
        self.hand_on(world, complete);
    }

    fn hand_on(&mut self, world: &mut World, blocks: Vec<LineBlock>) {
        self.way.hand_on(self.lines.place());
        self.keep(&blocks);
        self.write_files(world, blocks.clone());
        self.print_own(world, blocks);
    }

    fn keep(&self, blocks: &[LineBlock]) {
        for block in blocks {
            self.worker_log.keep(Stream::Stdout, SystemTime::now(), block);
            self.way.receipt(Taker::Log, block.place()).give();
        }
    }

    /// All that the log has.
    fn kept(&self) -> String {
        let mut reader = self.log.read(["web".into()]);
        let mut text = Vec::new();
        while let Some(LogNext::Piece(piece)) = reader.try_next() {
            piece.lines().for_each(|line| text.extend([line, b"\n"].concat()));
        }
        joined(&text)
    }

    fn print_own(&mut self, world: &mut World, blocks: Vec<LineBlock>) {
        if blocks.is_empty() {
            return;
        }
        // Together, as what waits for the thread that writes.
        let text: Vec<u8> = blocks.iter().flat_map(|block| block.ended().to_vec()).collect();
        let receipts: Vec<Receipt> =
            blocks.iter().map(|block| self.way.receipt(Taker::Own, block.place())).collect();
        match &mut world.own {
            Own::Pipe(write, _) => self.outlet.put(Stream::Stdout, write, &text, receipts).unwrap(),
            Own::File(file, _) => self.outlet.put(Stream::Stdout, file, &text, receipts).unwrap(),
        }
        world.own();
    }

    fn write_files(&mut self, world: &World, blocks: Vec<LineBlock>) {
        let entry = |block: LineBlock| LogEntry {
            from: FROM,
            stream: Stream::Stdout,
            time: SystemTime::now(),
            receipt: Some(self.way.receipt(Taker::Files, block.place())),
            text: block.ended(),
        };
        self.files.write(Batch {
            wish: Arc::new(world.wish.clone()),
            entries: blocks.into_iter().map(entry).collect(),
            lost: BTreeMap::new(),
            time: SystemTime::now(),
            reopens: false,
            until: 0,
        });
    }
}

/// Lives until it has read everything, or is killed after so many steps. Whether it was not.
fn live(world: &mut World, steps: Option<u64>) -> bool {
    world.keeper.1.leave_all();
    kill::after(steps);
    // What is dropped here is dropped dead.
    let finished = Process::begin(world).and_then(|mut process| {
        process.run(world)?;
        world.kept = process.kept();
        Some(())
    });
    let lives = kill::lives();
    kill::after(None);
    let (keeper, holds) = &mut world.keeper;
    *holds = keeper.crash(holds, ());
    finished.is_some() && lives
}

fn killed_everywhere(own_is_file: bool, per: LogOwner) {
    let expected = PIECES.concat() + "\n";
    let mut kills = 0;
    for steps in 0.. {
        let mut world = World::new(own_is_file, per);
        let is_whole = live(&mut world, Some(steps));
        if !is_whole {
            kills += 1;
            // Its successor is killed too, somewhere else each time.
            live(&mut world, Some(steps * 7 % 61));
            if !live(&mut world, None) {
                panic!("killed after {steps} steps, it does not come to its end");
            }
        }
        assert_eq!(world.own(), expected, "killed after {steps} steps");
        assert_eq!(world.file(), expected, "killed after {steps} steps");
        assert_eq!(world.kept, expected, "killed after {steps} steps");
        if is_whole {
            break;
        }
    }
    assert!(kills > 200, "{kills} kills");
}

#[test]
fn no_line_is_lost_or_doubled_wherever_it_is_killed_while_it_writes_to_a_pipe_and_a_file() {
    killed_everywhere(false, LogOwner::Worker);
}

#[test]
fn no_line_is_lost_or_doubled_wherever_it_is_killed_while_it_appends_to_files() {
    killed_everywhere(true, LogOwner::App);
}
