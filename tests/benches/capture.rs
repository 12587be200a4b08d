//! What a worker prints, on its way to a file: beside `cat > FILE`, which reads the same pipe.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::stat::Mode;
use tempfile::TempDir;

use crate::options::Options;
use crate::program::{Program, cpu_seconds};
use crate::report::{Aim, Unit, line};
use crate::sample::{Pair, now};

const PRINTS: &str = env!("CARGO_BIN_EXE_worker_prints");

/// How many bytes the worker prints.
const TOTAL: u64 = 200_000_000;

/// With its end.
const LINE: u64 = 100;

/// How often is looked whether the file has everything.
const LOOK_EVERY: Duration = Duration::from_micros(500);

/// The CPU time that the master may take, in seconds: what supervisord took for the same.
const CPU: f64 = 0.19;

/// How much the master may grow, in KB: the ring, what waits for the disk, and as much again.
const MEMORY: f64 = 8.0 * 1024.0;

/// What one side showed, in seconds and KB.
struct Captured {
    took: f64,
    cpu: f64,
    grown: f64,
}

pub(crate) async fn all(options: &Options) {
    let rounds = options.rounds(9);
    // As much slower than `cat` as 1,000 and 250 MB/s are than its 1,344 and 254.
    captured(rounds, "64 KiB writes", 64 * 1024, false, 1.34).await;
    captured(rounds, "100 B writes", 100, false, 1.02).await;
    captured(rounds, "64 KiB writes, APP/SLOT before lines", 64 * 1024, true, 1.34).await;
}

async fn captured(rounds: usize, kind: &str, size: usize, is_prefixed: bool, most: f64) {
    let (mut took, mut cpu, mut grown) = (Pair::default(), Pair::default(), Pair::default());
    for round in 0..=rounds {
        let sides = [by_cat(size).await, by_drover(size, is_prefixed).await];
        if round > 0 {
            took.push([sides[0].took, sides[1].took]);
            cpu.push([sides[0].cpu, sides[1].cpu]);
            grown.push([sides[0].grown, sides[1].grown]);
        }
    }
    line(&format!("200 MB in {kind}"), Unit::Time, &took, Aim::Ratio(most));
    line(&format!("  CPU of the master, {kind}"), Unit::Time, &cpu, Aim::AtMost(CPU));
    line(&format!("  memory of the master, {kind}"), Unit::Memory, &grown, Aim::AtMost(MEMORY));
}

async fn by_cat(size: usize) -> Captured {
    let gate = Gate::make();
    let out = gate.path("out");
    let file = File::create(&out).expect("there is room for a file");
    let mut worker = Command::new(PRINTS).args(gate.arguments(size)).stdout(Stdio::piped()).spawn();
    let worker = worker.as_mut().expect("the worker is there");
    let stdout = worker.stdout.take().expect("its stdout is a pipe");
    let mut cat = Command::new("cat").stdin(stdout).stdout(file).spawn().expect("cat is there");
    let captured = gate.opened(cat.id(), &out, TOTAL).await;
    end(worker);
    end(&mut cat);
    captured
}

async fn by_drover(size: usize, is_prefixed: bool) -> Captured {
    let gate = Gate::make();
    let arguments = gate.arguments(size);
    let logs = gate.path("logs");
    let (per, out, more) = match is_prefixed {
        false => ("worker", logs.join("w/0.log"), 0),
        true => ("app", logs.join("w.log"), TOTAL / LINE * "w/0 | ".len() as u64),
    };
    let text = format!(
        "version = 1\n[app.w]\ncommand = {:?}\nworkers = 1\nlogs = {{ dir = {logs:?}, per = {per:?}, max_size = \"1GiB\" }}\n",
        [&[PRINTS.to_owned()], &arguments[..]].concat(),
    );
    let file = gate.path("drover.toml");
    fs::write(&file, text).expect("there is room for a file");
    let drover = Program::up(&file).await;
    let captured = gate.opened(drover.pid(), &out, TOTAL + more).await;
    drover.end();
    captured
}

#[expect(clippy::disallowed_methods, reason = "a benchmark's own children, which are about to end")]
fn end(child: &mut Child) {
    let status = child.wait().expect("a child can be waited for");
    assert!(status.success(), "{status}");
}

/// A FIFO that the worker waits at, in a directory with all that is made.
struct Gate(TempDir);

impl Gate {
    fn make() -> Self {
        let dir = tempfile::tempdir().expect("there is room for a directory");
        nix::unistd::mkfifo(&dir.path().join("gate"), Mode::S_IRWXU).expect("there is room for a FIFO");
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn arguments(&self, size: usize) -> Vec<String> {
        vec![self.path("gate").display().to_string(), TOTAL.to_string(), size.to_string()]
    }

    /// Lets the worker begin, and end once the file has everything.
    async fn opened(&self, pid: u32, out: &Path, size: u64) -> Captured {
        // The most that it had begins anew: `clear_refs` of proc(5).
        fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("a process of ours");
        let (most, used) = (most_memory_kb(pid), cpu_seconds(pid));
        let begin = now();
        let gate = File::options().write(true).open(self.path("gate")).expect("the worker waits");
        while fs::metadata(out).map_or(0, |file| file.len()) < size {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let took = begin.elapsed().as_secs_f64();
        let captured = Captured { took, cpu: cpu_seconds(pid) - used, grown: most_memory_kb(pid) - most };
        assert_eq!(fs::metadata(out).expect("it is there").len(), size, "each byte once");
        drop(gate);
        captured
    }
}

/// The most that was resident, in KB.
fn most_memory_kb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells it");
    line.trim().trim_end_matches(" kB").trim().parse().expect("it is a number")
}
