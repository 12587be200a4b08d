//! The number of workers that follows the CPU quota of a cgroup while the master runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Home, Running, skipped};

/// A cgroup of this machine for one test. Dropped, it is removed; nothing is in it any more.
#[derive(Debug)]
struct Cgroup(PathBuf);

impl Cgroup {
    /// One with a quota of its own: of version 2 if its CPU controller is there, else of version 1. None where that is not allowed.
    fn new(home: &Home) -> Option<Self> {
        let name = home.dir().file_name().expect("it has one");
        let made =
            ["/sys/fs/cgroup", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu"].iter().find_map(|root| {
                let cgroup = Self(Path::new(root).join(name));
                fs::create_dir(&cgroup.0).ok()?;
                cgroup.allow(1).then_some(cgroup)
            });
        if made.is_none() {
            skipped("no cgroup with a CPU quota can be made here");
        }
        made
    }

    /// Sets how many CPUs may be used.
    fn allow(&self, cpus: u32) -> bool {
        let quota = cpus * 100_000;
        let unified = self.0.join("cpu.max");
        if unified.exists() {
            return fs::write(unified, format!("{quota} 100000")).is_ok();
        }
        let legacy = self.0.join("cpu.cfs_quota_us");
        legacy.exists() && fs::write(legacy, quota.to_string()).is_ok()
    }

    /// A program that begins in it.
    fn start(&self, program: &Command) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ >\"$0\" && exec \"$@\""]).arg(self.0.join("cgroup.procs"));
        command.arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(program.get_current_dir().expect("it is the home"));
        Running::start(&mut command)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn auto_follows_a_quota_that_changes_and_leaves_alone_what_was_scaled_by_hand() {
    let home = Home::new();
    if std::thread::available_parallelism().unwrap().get() < 2 {
        return skipped("with one CPU no quota changes anything");
    }
    let Some(cgroup) = Cgroup::new(&home) else { return };
    let app = |name: &str, workers: &str| {
        format!("[app.{name}]\nworkers = {workers}\ncommand = \"sleep 1000\"\nstart.min_uptime = \"10ms\"\n")
    };
    let toml = [app("follows", "\"auto\""), app("fixed", "1"), app("by-hand", "\"auto\"")].concat();
    home.write("drover.toml", &format!("version = 1\n{toml}"));
    let master = cgroup.start(&home.drover(&["up"]));
    let numbers = |what: &str, wanted: [usize; 3]| {
        home.until(what, |status| {
            let of = |name: &str| {
                let app = status["apps"].as_array()?.iter().find(|app| app["name"] == name)?;
                let workers = app["workers"].as_array()?;
                workers.iter().all(|worker| worker["phase"] == "started").then_some(workers.len())
            };
            (["follows", "fixed", "by-hand"].map(of) == wanted.map(Some)).then_some(())
        });
    };
    numbers("one CPU", [1, 1, 1]);
    let scaled = home.run(&["scale", "by-hand=3"]);
    assert_eq!(scaled.code, Some(0), "{scaled:?}");

    assert!(cgroup.allow(2));
    numbers("two CPUs", [2, 1, 3]);
    let why =
        home.events().into_iter().find(|event| event["event"] == "scaling" && event["app"] == "follows");
    let why = why.expect("it is an event").to_string();
    assert!(why.contains("a change of the CPUs that may be used"), "{why}");
    // It has what it would have by itself, and follows again.
    let scaled = home.run(&["scale", "by-hand=auto"]);
    assert_eq!(scaled.code, Some(0), "{scaled:?}");
    numbers("as many as there are", [2, 1, 2]);
    assert!(cgroup.allow(1));
    numbers("one CPU again", [1, 1, 1]);
    home.down(master);
}
