//! A process that reads the output of a worker, and is killed again and again.

use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread;
use std::time::Duration;

use super::transit::protected_again;
use super::{LogSinks, OutputReader, Printer, flush_output, forward};
use crate::config::{Colours, LogPolicy, Output};
use crate::ids::{Generation, SlotIndex, WorkerId};
const PATIENT: Duration = Duration::from_secs(60);

const NAME: &str =
    "process::output::protected_tests::each_line_comes_once_though_the_reader_is_killed_a_hundred_times";

/// What the killed process is to do: its parent, the numbers of its parent's descriptors, the directory of its files, and where lines go.
const TASK: &str = "DROVER_TEST_READER";

const KILLS: u64 = 50;

#[test]
fn each_line_comes_once_though_the_reader_is_killed_a_hundred_times() {
    if let Ok(task) = std::env::var(TASK) {
        return read_until_killed(&task);
    }
    for output in ["prefixed", "forward"] {
        killed_again_and_again(output);
    }
}

#[expect(clippy::disallowed_methods, reason = "a directory of this test")]
fn killed_again_and_again(output: &str) {
    let ([memory, read, write], (worker, prints), (own, own_end)) =
        (protected_again::memory(), io::pipe().unwrap(), io::pipe().unwrap());
    let logs = tempfile::tempdir().unwrap();
    let [memory_fd, read_fd, write_fd] = [&memory, &read, &write].map(|fd| fd.as_raw_fd());
    let task = format!(
        "{} {memory_fd} {read_fd} {write_fd} {} {} {output}",
        std::process::id(),
        worker.as_raw_fd(),
        logs.path().display(),
    );
    let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(1);
    let printing = thread::spawn(move || print_until(prints, &stopped));
    let seen = Arc::new(LinesSeen::default());
    let before = if output == "prefixed" { "web/0 | " } else { "" };
    let checking = thread::spawn({
        let seen = Arc::clone(&seen);
        move || check(own, before, &seen)
    });
    let random = RandomState::new();
    for kill in 0..KILLS {
        let mut reader = begin(&task, &own_end);
        // Somewhere in what it does next, which ends with no line.
        seen.wait_for(random.hash_one(kill) % 3000);
        for _ in 0..random.hash_one((kill, "more")) % 20_000 {
            std::hint::spin_loop();
        }
        reader.kill().unwrap();
        wait(&mut reader);
    }
    let mut last = begin(&task, &own_end);
    stop.send(()).unwrap();
    let printed = printing.join().unwrap();
    drop((worker, own_end));
    assert!(wait(&mut last), "the last one comes to its end");
    assert_eq!(checking.join().unwrap(), printed, "all lines were seen");
    let file = File::open(logs.path().join("web.log")).unwrap();
    assert_eq!(check(file, "web/0 | ", &LinesSeen::default()), printed, "all lines are in the file");
    assert_eq!(fs::read_dir(logs.path()).unwrap().count(), 1);
    drop((memory, read, write));
}

fn begin(task: &str, own: &io::PipeWriter) -> Child {
    let mut reader = Command::new(std::env::current_exe().unwrap());
    reader.args(["--exact", NAME, "--test-threads=1", "--nocapture"]).env(TASK, task);
    reader.stdin(Stdio::null()).stdout(Stdio::null()).stderr(own.try_clone().unwrap()).spawn().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a child of this test alone")]
fn wait(child: &mut Child) -> bool {
    child.wait().unwrap().success()
}

/// How many lines were seen.
#[derive(Default)]
struct LinesSeen {
    count: Mutex<u64>,
    more: Condvar,
}

impl LinesSeen {
    /// Waits for so many more.
    fn wait_for(&self, more: u64) {
        let count = self.count.lock().unwrap();
        let wanted = *count + more;
        let (_count, waited) = self.more.wait_timeout_while(count, PATIENT, |count| *count < wanted).unwrap();
        assert!(!waited.timed_out(), "nothing comes any more");
    }

    fn one(&self) {
        *self.count.lock().unwrap() += 1;
        self.more.notify_one();
    }
}

/// Prints numbered lines in pieces of all lengths. How many there were.
fn print_until(mut prints: io::PipeWriter, stopped: &std::sync::mpsc::Receiver<()>) -> u64 {
    let (mut text, mut number) = (Vec::new(), 0);
    for round in 0_usize.. {
        for _ in 0..50 {
            writeln!(text, "{}", line(number)).unwrap();
            number += 1;
        }
        // Seldom at the end of a line.
        let rest = text.split_off(text.len() - round * 37 % 200);
        prints.write_all(&text).unwrap();
        text = rest;
        if stopped.try_recv().is_ok() {
            break;
        }
    }
    // The last one has no end.
    write!(text, "{}", line(number)).unwrap();
    prints.write_all(&text).unwrap();
    number + 1
}

fn line(number: u64) -> String {
    format!("line {number} {}", "x".repeat(usize::try_from(number * 7 % 300).unwrap()))
}

/// Counts lines, each of which comes once and in its place.
fn check(from: impl io::Read, before: &str, seen: &LinesSeen) -> u64 {
    let mut number = 0;
    let mut begun = String::new();
    for got in BufReader::new(from).lines() {
        // A silence, as of a reader that was killed, may have cut it.
        let got = begun + got.unwrap().strip_prefix(before).expect("each line has its prefix");
        if let Some(part) = got.strip_suffix('…') {
            begun = part.to_owned();
            continue;
        }
        assert!(got == line(number), "{got:?} in the place of {number}");
        begun = String::new();
        number += 1;
        seen.one();
    }
    // The last one, which has no end, was whole already when a silence cut it.
    if !begun.is_empty() {
        assert_eq!(begun, line(number));
        number += 1;
    }
    number
}

/// The process that is killed.
fn read_until_killed(task: &str) {
    let words: Vec<&str> = task.split(' ').collect();
    let [parent, memory, read, write, worker, logs, output] = words[..] else { panic!("{task}") };
    let path = |fd: &str| format!("/proc/{parent}/fd/{fd}");
    let open = |fd: &str, writes: bool, reads: bool| -> OwnedFd {
        File::options().read(reads).write(writes).open(path(fd)).unwrap().into()
    };
    let (transit, outlet) =
        protected_again::go_on(open(memory, true, true), open(read, false, true), open(write, true, false));
    forward::write_by(outlet);
    let from = Printer { slot: SlotIndex(0), generation: Generation(1), worker: WorkerId(3), pid: 4711 };
    let wish = LogPolicy { max_size: u64::MAX, ..LogPolicy::in_dir(Path::new(logs)) };
    let app: Arc<str> = "web".into();
    let reader = OutputReader {
        slot: from.slot,
        output: match output {
            "prefixed" => Output::Prefixed { colours: Colours::Kept },
            _ => Output::Forward,
        },
        log: None,
        sinks: LogSinks::of(&app, Some(&wish), from),
        tail: Arc::default(),
        awaited: Weak::new(),
        transit: transit.by(from),
        app,
    };
    let worker = open(worker, false, true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        reader.run(None, Some(worker)).await;
        flush_output(PATIENT).await;
    });
}
