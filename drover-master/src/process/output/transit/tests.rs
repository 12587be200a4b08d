//! A process that goes on with output and is killed between any two of its steps, and what its successors make of that.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::super::lines::{LineBlock, Lines, MARK};
use super::super::logfile::Files;
use super::super::protected::lines_again;
use super::super::queue::{Batch, LogEntry};
use super::super::{Printer, Stream};
use super::{
    OutputTransit, OwnOutlet, Receipt, StreamPlace, Taker, TransitParts, TransitStream, begun, gone_on,
};
use crate::config::{LogOwner, LogPolicy};
use crate::ids::{Generation, SlotIndex, WorkerId};
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
}

const FROM: Printer =
    Printer { slot: SlotIndex(0), generation: Generation(1), worker: WorkerId(7), pid: 4711 };

impl Process {
    fn begin(world: &mut World) -> Option<Self> {
        let clone = |fd: &OwnedFd| fd.try_clone().unwrap();
        let (shared, outlet, _): TransitParts =
            gone_on(clone(&world.memory), clone(&world.pipe[0]), clone(&world.pipe[1])).unwrap();
        let way = shared.stream("web", FROM, Stream::Stdout, vec![Taker::Own, Taker::Files]).unwrap();
        let mut process =
            Self { outlet, way: Arc::new(way), files: Files::new("web".into()), lines: Lines::default() };
        match &mut world.own {
            Own::Pipe(write, _) => process.outlet.resume(write),
            Own::File(file, _) => process.outlet.resume(file),
        }
        .unwrap();
        world.own();
        let (way, read) = (Arc::clone(&process.way), process.way.place_read());
        let handed = way.handed(&[Taker::Own, Taker::Files]);
        process.print_own(world, lines_again(&way, way.done(Taker::Own), handed));
        process.write_files(world, lines_again(&way, way.done(Taker::Files), handed));
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
        self.write_files(world, blocks.clone());
        self.print_own(world, blocks);
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
    kill::after(steps);
    // What is dropped here is dropped dead.
    let finished = Process::begin(world).and_then(|mut process| process.run(world)).is_some();
    let lives = kill::lives();
    kill::after(None);
    finished && lives
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

#[test]
fn what_was_read_is_known_though_the_process_could_not_note_it() {
    let (shared, _, _) = begun().unwrap();
    let way = Arc::new(shared.stream("web", FROM, Stream::Stdout, vec![Taker::Own]).unwrap());
    let (worker, mut prints) = io::pipe().unwrap();
    let memory = shared.memory.as_fd().try_clone_to_owned().unwrap();
    prints.write_all(b"half a line").unwrap();
    assert!(way.read(worker.as_fd()).unwrap().unwrap().is_all);
    prints.write_all(b", and the rest\n").unwrap();
    // The memory is filled, and read into; nothing comes behind that.
    kill::after(Some(2));
    let again = way.read(worker.as_fd());
    assert!(!kill::lives() && again.is_ok());
    drop((way, again));
    kill::after(None);
    let (read, write) = io::pipe().unwrap();
    let (shared, ..) = gone_on(memory, read.into(), write.into()).unwrap();
    assert_eq!(shared.unclaimed("web"), [FROM]);
    assert!(shared.unclaimed("other").is_empty());
    let way = shared.stream("web", FROM, Stream::Stdout, vec![Taker::Own]).unwrap();
    assert!(shared.unclaimed("web").is_empty());
    let left = way.left(StreamPlace::default(), way.place_read());
    assert_eq!(left.concat(), b"half a line, and the rest\n");
}

#[test]
fn a_successor_goes_on_with_what_its_keeper_holds() {
    let (mut keeper, holds) = TestKeeper::new();
    let (transit, outlet) = OutputTransit::of(&holds);
    assert_eq!(keeper.held(), ["output/memory", "output/read", "output/write"]);
    let by = |transit: &OutputTransit| {
        transit.by(FROM).unwrap().stream("web", Stream::Stdout, vec![Taker::Own]).unwrap()
    };
    let way = by(&transit);
    let (worker, mut prints) = io::pipe().unwrap();
    prints.write_all(b"on its way").unwrap();
    way.read(worker.as_fd()).unwrap().unwrap();
    let holds = keeper.crash(&holds, (transit, outlet, way));
    let (transit, outlet) = OutputTransit::of(&holds);
    assert!(outlet.is_some());
    assert_eq!(transit.unclaimed("web"), [FROM]);
    let way = by(&transit);
    assert_eq!(way.left(StreamPlace::default(), way.place_read()).concat(), b"on its way");
    assert_eq!(keeper.held().len(), 3);
    drop((transit, outlet, way));
    assert!(keeper.held().is_empty(), "an end that is meant leaves nothing");
    let (transit, outlet) = OutputTransit::of(&Holds::default());
    assert!(transit.by(FROM).is_none() && outlet.is_none());
}

#[test]
fn every_kind_of_output_gets_everything_once() {
    let (shared, mut outlet, _) = begun().unwrap();
    let way = Arc::new(shared.stream("web", FROM, Stream::Stdout, vec![Taker::Own]).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let text: Vec<u8> = (0..100_000_u32).flat_map(|number| number.to_string().into_bytes()).collect();
    let mut put = |target: File| {
        let mut target = io::LineWriter::new(target);
        for part in text.chunks(60_001) {
            let receipt = way.receipt(Taker::Own, StreamPlace::default());
            outlet.put(Stream::Stdout, &mut Buffered(&mut target), part, vec![receipt]).unwrap();
        }
    };
    for appends in [true, false] {
        let path = dir.path().join(format!("{appends}"));
        fs::write(&path, "").unwrap();
        put(File::options().write(!appends).append(appends).open(&path).unwrap());
        assert!(fs::read(&path).unwrap() == text, "{appends}");
    }
    for blocks in [true, false] {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(!blocks).unwrap();
        let reading = std::thread::spawn(move || {
            let mut got = Vec::new();
            theirs.read_to_end(&mut got).unwrap();
            got
        });
        put(OwnedFd::from(ours).into());
        assert!(reading.join().unwrap() == text);
    }
    // Whoever wanted it is gone: that is told, and what comes next is not mixed with it.
    let (read, mut write) = io::pipe().unwrap();
    drop(read);
    let (lost, _) = outlet.put(Stream::Stdout, &mut write, b"to nobody", Vec::new()).unwrap_err();
    let (mut read, mut write) = io::pipe().unwrap();
    outlet.put(Stream::Stdout, &mut write, b"to somebody", Vec::new()).unwrap();
    drop(write);
    assert_eq!((lost, io::read_to_string(&mut read).unwrap().as_str()), (9, "to somebody"));
}

/// As the standard library's stdout.
struct Buffered<'a>(&'a mut io::LineWriter<File>);

impl io::Write for Buffered<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl std::os::fd::AsFd for Buffered<'_> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

#[test]
fn a_stream_costs_no_chunk_once_everybody_has_everything() {
    let (shared, _, _) = begun().unwrap();
    let way = Arc::new(shared.stream("web", FROM, Stream::Stdout, vec![Taker::Own, Taker::Files]).unwrap());
    let (worker, mut prints) = io::pipe().unwrap();
    let mut indexes = Vec::new();
    for _ in 0..20 {
        // As much as a pipe holds: each chunk is full.
        prints.write_all(&[b'x'; 64 * 1024]).unwrap();
        let mut length = 0;
        while length < 64 * 1024 {
            length += way.read(worker.as_fd()).unwrap().unwrap().bytes.len();
        }
        indexes.push(shared.memory.load(super::layout::head::CHUNKS));
        for taker in [Taker::Own, Taker::Files] {
            way.receipt(taker, way.place_read()).give();
        }
        assert!(way.left(StreamPlace::default(), way.place_read()).is_empty());
    }
    assert!(indexes.iter().all(|used| *used <= 2), "the same are used again: {indexes:?}");
    way.end();
    let index = way.index();
    drop(way);
    let next = shared.stream("other", FROM, Stream::Stderr, vec![Taker::Own]).unwrap();
    assert_eq!((next.index(), next.place_read()), (index, StreamPlace::default()));
}
