//! What is on its way, for one process after another.

mod killed;

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use super::super::{Printer, Stream};
use super::{OutputTransit, StreamPlace, Taker, begun, gone_on};
use crate::ids::{Generation, SlotIndex, WorkerId};
use crate::keeper::{Holds, TestKeeper};
use crate::sys::kill;

const FROM: Printer =
    Printer { slot: SlotIndex(0), generation: Generation(1), worker: WorkerId(7), pid: 4711 };

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
