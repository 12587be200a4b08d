//! What a keeper takes, and how soon another master follows one that is killed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use drover_e2e::harness::signal;
use nix::sys::signal::SIGKILL;
use serde_json::Value;
use tempfile::TempDir;

use crate::memory::settled;
use crate::program::{DROVER, Program, pss_kb};
use crate::report::{Aim, Unit, line};
use crate::sample::{Pair, in_turns, timed};
use crate::{PLAIN, app};

/// What a keeper may take, in KB.
const KEEPER: f64 = 0.4 * 1024.0;

/// What a keeper may add to the time until all are ready, in seconds.
const AT_START: f64 = 0.000_5;

/// How long it may take until the next master answers, in seconds: with a hundred workers, and with a thousand.
const ANSWERED: [(usize, f64); 2] = [(100, 0.05), (1000, 0.3)];

/// A master in the background, with its keeper if it has one.
struct Service {
    dir: TempDir,
}

pub(crate) async fn all(rounds: usize) {
    start(rounds * 10).await;
    for (workers, most) in ANSWERED {
        answers(workers, rounds * 3, most).await;
    }
    memory(rounds).await;
}

/// Until every worker of a small app is ready, in the background; beside it without a keeper.
async fn start(rounds: usize) {
    let up = async |options: &[&str]| {
        let (service, took) = Service::up(4, options);
        service.end();
        took
    };
    let pair = in_turns(rounds, async || up(&["--no-keeper"]).await, async || up(&[]).await).await;
    line("start of 4 plain workers, with a keeper", Unit::Time, &pair, Aim::Above(AT_START));
}

/// From the kill of a master until the next one has answered; beside it an answer of one that lives.
async fn answers(workers: usize, rounds: usize, most: f64) {
    let (service, _) = Service::up(workers, &[]);
    let asked = async || timed(|| service.status()).1;
    let pair = in_turns(rounds, asked, async || service.answered_after_a_kill()).await;
    service.end();
    line(&format!("killed with {workers} workers, until an answer"), Unit::Time, &pair, Aim::AtMost(most));
}

/// Of the keeper of a hundred workers, and what it adds to a master's.
async fn memory(rounds: usize) {
    let (mut own, mut added) = (Pair::default(), Pair::default());
    for _ in 0..rounds {
        let floor = Program::floor(100, &PLAIN);
        let below = pss_kb(floor.pid());
        floor.end();
        let (alone, _) = Service::up(100, &["--no-keeper"]);
        let without = settled(alone.pid("/master/pid")).await;
        alone.end();
        let (kept, _) = Service::up(100, &[]);
        let master = settled(kept.pid("/master/pid")).await;
        // Of one moment: they share pages.
        let keeper = settled(kept.pid("/master/keeper/pid")).await;
        kept.end();
        own.push([below, keeper]);
        added.push([without, master + keeper]);
    }
    line("memory of a keeper with 100 plain workers", Unit::Memory, &own, Aim::AtMost(KEEPER));
    line("memory of a master with its keeper", Unit::Memory, &added, Aim::Above(KEEPER));
}

impl Service {
    /// `drover up -d` with so many plain workers, once all are ready; how long that took.
    fn up(workers: usize, options: &[&str]) -> (Self, Duration) {
        let service = Self { dir: tempfile::tempdir().expect("there is room for a directory") };
        let [program, argument] = PLAIN;
        let command = format!("command = [\"{program}\", \"{argument}\"]\nworkers = {workers}");
        let text = format!("version = 1\n[app.{}]\n{command}\nstart.min_uptime = \"1ms\"\n", app());
        fs::write(service.file(), text).expect("a file can be written");
        let file = service.file();
        let mut up = service.drover(&["up", "-d", "--file"]);
        let (done, took) = timed(|| up.arg(file).args(options).status());
        assert!(done.expect("the command is there").success(), "it does not start");
        (service, took)
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("drover.toml")
    }

    fn drover(&self, args: &[&str]) -> Command {
        let mut command = Command::new(DROVER);
        command.arg("-s").arg(self.dir.path().join("d.sock")).args(args);
        // More crashes than a keeper puts up with.
        command.env("DROVER_KEEPER_CRASHES", "1000");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// What a master answers; none if none does.
    fn status(&self) -> Option<Value> {
        let asked = self.drover(&["status", "--json"]).stdout(Stdio::piped()).output();
        serde_json::from_slice(&asked.expect("the command is there").stdout).ok()
    }

    fn pid(&self, which: &str) -> u32 {
        let status = self.status().expect("a master answers");
        let pid = status.pointer(which).and_then(Value::as_u64).expect("it has one");
        u32::try_from(pid).expect("a pid")
    }

    /// Kills the master; how long it takes until another one has answered.
    fn answered_after_a_kill(&self) -> Duration {
        let master = self.pid("/master/pid");
        let is_another =
            |status: Value| status.pointer("/master/pid").and_then(Value::as_u64) != Some(master.into());
        timed(|| {
            signal(master, SIGKILL);
            while !self.status().is_some_and(is_another) {}
        })
        .1
    }

    fn end(self) {
        let ended = self.drover(&["down"]).status();
        assert!(ended.expect("the command is there").success(), "it does not end");
    }
}

/// Of a round that has failed nothing is left.
impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.drover(&["down", "--now"]).status();
        }
    }
}
