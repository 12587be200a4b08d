use std::fs::File;
use std::io::{IoSliceMut, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::time::SystemTime;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use tokio::time::Instant;

use super::super::lines::LineBlock;
use super::super::lost::lost_lines;
use super::super::{Printer, Stream};
use super::*;
use crate::ids::{Generation, SlotIndex, WorkerId};

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
