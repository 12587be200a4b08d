use std::fs::File;
use std::io::{IoSliceMut, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::time::SystemTime;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use tokio::time::Instant;

use super::super::lines::LineBlock;
use super::super::lost::lost_lines;
use super::super::protected::lines_again;
use super::super::queue::LogEntry;
use super::super::transit::{StreamPlace, Taker, protected_again};
use super::super::{Printer, Stream};
use super::*;
use crate::ids::{Generation, SlotIndex, WorkerId};
use crate::sys::kill;

const WITHIN: Duration = Duration::from_secs(60);

/// A directory with a socket that stands in for the journal's.
fn journal() -> (tempfile::TempDir, PathBuf, UnixDatagram) {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let path = dir.path().join("socket");
    let socket = listen(&path);
    (dir, path, socket)
}

fn listen(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_read_timeout(Some(WITHIN)).unwrap();
    socket
}

async fn put(log: &JournalLog, text: &str) {
    let from = Printer { slot: SlotIndex(0), generation: Generation(1), worker: WorkerId(2), pid: 3 };
    let block = LineBlock::whole(text.as_bytes());
    log.put(from, Stream::Stdout, SystemTime::now(), &block, None).await;
}

async fn written(log: &JournalLog) {
    tokio::time::timeout(WITHIN, log.written()).await.expect("it is written or counted");
}

fn received(socket: &UnixDatagram) -> String {
    let mut buffer = vec![0; 64 * 1024];
    let length = socket.recv(&mut buffer).expect("there is an entry");
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

/// The first field of the next entry.
fn message(socket: &UnixDatagram) -> String {
    let entry = received(socket);
    entry.lines().next().and_then(|line| line.strip_prefix("MESSAGE=")).unwrap().to_owned()
}

#[tokio::test]
async fn each_line_is_an_entry_in_its_order() {
    let (_dir, path, socket) = journal();
    let log = journal_at(&"in order".into(), &path).unwrap();
    put(&log, "one\n\ntwo").await;
    put(&log.clone(), "<4>three").await;
    written(&log).await;
    assert_eq!([(); 4].map(|()| message(&socket)), ["one", "", "two", "three"]);
    assert_eq!(lost_lines("in order", LostBy::Journal), 0);
}

#[tokio::test]
async fn a_line_that_no_datagram_holds_is_passed_as_a_sealed_file() {
    let (_dir, path, socket) = journal();
    let log = journal_at(&"long".into(), &path).unwrap();
    let said = "x".repeat(1024 * 1024);
    put(&log, &said).await;
    put(&log, "after").await;
    let mut file = passed(&socket);
    let mut entry = String::new();
    file.read_to_string(&mut entry).unwrap();
    let rest = entry.strip_prefix(&format!("MESSAGE={said}\n")).expect("the whole line");
    assert!(rest.starts_with("PRIORITY=6\nSYSLOG_IDENTIFIER=long\n"), "{rest}");
    let seals = SealFlag::from_bits_truncate(fcntl(&file, FcntlArg::F_GET_SEALS).unwrap());
    let needed = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    assert!(seals.contains(needed | SealFlag::F_SEAL_SEAL), "{seals:?}");
    assert_eq!(message(&socket), "after");
    written(&log).await;
    assert_eq!(lost_lines("long", LostBy::Journal), 0);
}

/// The file that is the only content of the next datagram, read from its beginning.
fn passed(socket: &UnixDatagram) -> File {
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let mut byte = [0];
    let mut into = [IoSliceMut::new(&mut byte)];
    let message = nix::sys::socket::recvmsg::<nix::sys::socket::UnixAddr>(
        socket.as_raw_fd(),
        &mut into,
        Some(&mut space),
        nix::sys::socket::MsgFlags::MSG_CMSG_CLOEXEC,
    )
    .unwrap();
    assert_eq!(message.bytes, 0);
    let number = message.cmsgs().unwrap().find_map(|passed| match passed {
        nix::sys::socket::ControlMessageOwned::ScmRights(numbers) => numbers.first().copied(),
        _ => None,
    });
    let number = number.expect("a file is passed");
    // By its name it has a place of its own in the file.
    let file = File::open(format!("/proc/self/fd/{number}")).unwrap();
    nix::unistd::close(number).unwrap();
    file
}

#[tokio::test]
async fn without_a_journal_lines_are_counted_and_told_in_it_once_it_is_there() {
    let (dir, path, socket) = journal();
    let log = journal_at(&"restarted".into(), &path).unwrap();
    put(&log, "before").await;
    assert_eq!(message(&socket), "before");
    // It stops; and then nothing has its name either.
    drop(socket);
    put(&log, "one\ntwo").await;
    written(&log).await;
    std::fs::remove_file(&path).unwrap();
    put(&log, "three").await;
    written(&log).await;
    assert_eq!(lost_lines("restarted", LostBy::Journal), 3);
    let socket = listen(&path);
    put(&log, "after").await;
    let told = "drover: 3 lines are missing here: the journal did not take them in time";
    assert_eq!([(); 2].map(|()| message(&socket)), [told, "after"]);
    // One that restarts between two lines costs none.
    drop(socket);
    std::fs::remove_file(&path).unwrap();
    let socket = listen(&path);
    put(&log, "again").await;
    assert_eq!(message(&socket), "again");
    written(&log).await;
    assert_eq!(lost_lines("restarted", LostBy::Journal), 3);
    drop(dir);
}

#[tokio::test]
async fn a_journal_that_never_reads_costs_lines_that_are_counted_and_few_waits() {
    let (_dir, path, socket) = journal();
    let log = journal_at(&"full".into(), &path).unwrap();
    let begin = Instant::now();
    let lines: Vec<String> = (0..1000).map(|number| format!("line {number}")).collect();
    for _ in 0..50 {
        put(&log, &lines.join("\n")).await;
    }
    written(&log).await;
    assert!(begin.elapsed() < WITHIN);
    let lost = lost_lines("full", LostBy::Journal);
    // The kernel's queue took some (net.unix.max_dgram_qlen).
    assert!((1..50_000).contains(&lost), "{lost}");
    let (mut took, mut buffer) = (0, [0; 1024]);
    socket.set_nonblocking(true).unwrap();
    while socket.recv(&mut buffer).is_ok() {
        took += 1;
    }
    assert_eq!(took + lost, 50_000);
    // There is room again.
    put(&log, "after").await;
    socket.set_nonblocking(false).unwrap();
    let told = format!("drover: {lost} lines are missing here: the journal did not take them in time");
    assert_eq!([(); 2].map(|()| message(&socket)), [told, "after".to_owned()]);
}

#[test]
fn wherever_the_process_is_killed_the_journal_gets_no_line_twice_and_misses_one_at_most() {
    const LINES: [&str; 4] = ["one", "two", "three", "four"];
    let text = LINES.map(|line| format!("{line}\n")).concat();
    let from = Printer { slot: SlotIndex(0), generation: Generation(1), worker: WorkerId(1), pid: 1 };
    for steps in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let [memory, read, write] = protected_again::memory();
        let again = || [&memory, &read, &write].map(|fd| fd.try_clone().unwrap());
        let (worker, mut prints) = io::pipe().unwrap();
        prints.write_all(text.as_bytes()).unwrap();
        let write_rest = |is_first: bool| {
            let [memory, read, write] = again();
            let (transit, _) = protected_again::go_on(memory, read, write);
            let way = transit.by(from).unwrap().stream("web", Stream::Stdout, vec![Taker::Journal]).unwrap();
            if is_first {
                way.read(std::os::fd::AsFd::as_fd(&worker)).unwrap();
                way.hand_on(StreamPlace::at(text.len() as u64, false));
            }
            kill::after(is_first.then_some(steps));
            let rest = lines_again(&way, way.done(Taker::Journal), way.place_read());
            let entries = rest.into_iter().map(|block| LogEntry {
                from,
                stream: Stream::Stdout,
                time: SystemTime::now(),
                text: block.ended(),
                receipt: Some(way.receipt(Taker::Journal, block.place())),
            });
            AppJournal::new("web".into()).write(Batch {
                wish: Arc::new(path.clone()),
                entries: entries.collect(),
                lost: Default::default(),
                time: SystemTime::now(),
                reopens: false,
                until: 0,
            });
            drop(way);
            let lives = kill::lives();
            kill::after(None);
            lives
        };
        let is_whole = write_rest(true);
        write_rest(false);
        journal.set_nonblocking(true).unwrap();
        let mut buffer = [0; 1024];
        let got: Vec<&str> =
            std::iter::from_fn(|| journal.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec()))
                .filter_map(|entry| {
                    LINES.into_iter().find(|line| entry.starts_with(format!("MESSAGE={line}\n").as_bytes()))
                })
                .collect();
        let missing = LINES.iter().filter(|line| !got.contains(line)).count();
        let expected: Vec<&str> = LINES.into_iter().filter(|line| got.contains(line)).collect();
        assert_eq!(got, expected, "killed after {steps} steps");
        assert!(missing <= 1, "killed after {steps} steps: {got:?}");
        if is_whole {
            assert_eq!(missing, 0);
            break;
        }
    }
}
