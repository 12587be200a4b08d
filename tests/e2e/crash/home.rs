//! A directory with a drover.toml, and `drover up` in it, whose master can be killed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use drover_e2e::harness::{PATIENCE, is_running, signal};
use nix::sys::signal::{SIGKILL, Signal};
use serde_json::Value;
use tempfile::TempDir;

/// How often is looked again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Dropped, everything that runs there is killed.
#[derive(Debug)]
pub(super) struct Home {
    name: String,
    dir: TempDir,
    /// None once it has ended.
    keeper: Option<Child>,
}

impl Home {
    /// Starts the master. `DIR` in the description is its directory.
    pub(super) fn up(name: &str, toml: &str) -> Self {
        Self::up_after(name, toml, ":")
    }

    /// The same from a shell, after this command of it.
    pub(super) fn up_after(name: &str, toml: &str, before: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("crash-").tempdir_in("/tmp").unwrap();
        let mut home = Self { name: name.to_owned(), dir, keeper: None };
        home.describe(toml);
        let log = File::create(home.path("log")).unwrap();
        let up = home.drover(&["up"]);
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("{before}; exec \"$0\" \"$@\""))
            .arg(up.get_program())
            .args(up.get_args());
        command.current_dir(home.dir.path()).stdin(Stdio::null());
        command.envs(up.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdout(log.try_clone().unwrap()).stderr(log);
        home.keeper = Some(command.spawn().unwrap());
        home
    }

    /// Writes another description.
    pub(super) fn describe(&self, toml: &str) {
        let toml = toml.replace("DIR", self.dir.path().to_str().unwrap());
        fs::write(self.path("drover.toml"), format!("version = 1\n{toml}")).unwrap();
    }

    /// A file in it.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// Something that workers look for is there.
    pub(super) fn place(&self, file: &str) {
        fs::write(self.path(file), "").unwrap();
    }

    /// It is there no longer.
    pub(super) fn take(&self, file: &str) {
        fs::remove_file(self.path(file)).unwrap();
    }

    pub(super) fn keeper(&self) -> u32 {
        self.keeper.as_ref().unwrap().id()
    }

    /// What master and workers have said.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn drover(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program!("drover_command"));
        command.arg("-s").arg(self.path("d.sock")).args(args).current_dir(self.dir.path());
        command.stdin(Stdio::null()).env("XDG_RUNTIME_DIR", self.dir.path()).env("DROVER_TURNS", "tell");
        // One that blocks is told only: ended, it would be one more crash, at a moment of its own.
        command.env("DROVER_KEEPER_CRASHES", "1000");
        command
    }

    /// A verb in the background.
    pub(super) fn begin(&self, args: &[&str]) -> Child {
        self.drover(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// A verb to its end.
    pub(super) fn output_of(&self, args: &[&str]) -> Output {
        self.begin(args).wait_with_output().unwrap()
    }

    /// A verb that has to succeed.
    pub(super) fn run(&self, args: &[&str]) {
        let output = self.output_of(args);
        assert!(output.status.success(), "{}: {args:?}: {output:?}\n{}", self.name, self.log());
    }

    /// `status --json`; none where no master answers.
    pub(super) fn status(&self) -> Option<Value> {
        serde_json::from_slice(&self.output_of(&["status", "--json"]).stdout).ok()
    }

    /// Looks until there is what has to come.
    #[expect(clippy::disallowed_methods, reason = "nothing tells of a change in /proc")]
    pub(super) fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let begin = tokio::time::Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            if begin.elapsed() > PATIENCE {
                panic!("{}: {what} does not come: {:?}\n{}", self.name, self.status(), self.log());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Asks for the status until it is so.
    pub(super) fn until_so(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.until(what, || self.status().filter(&is_so))
    }

    /// The status, once an app has so many workers, all are ready, and nothing is under way.
    pub(super) fn until_ready(&self, app: &str, workers: usize) -> Value {
        self.until_so(&format!("{app} with {workers} workers that are ready"), |status| {
            are_ready(status, app, workers)
        })
    }

    /// The same, unless the keeper ends before: then none.
    pub(super) fn ready_or_ended(&mut self, app: &str, workers: usize) -> Option<Value> {
        let mut keeper = self.keeper.take()?;
        let found = self.until("all that are ready, or an end", || match keeper.try_wait().unwrap() {
            Some(_) => Some(None),
            None => self.status().filter(|status| are_ready(status, app, workers)).map(Some),
        });
        if found.is_some() {
            self.keeper = Some(keeper);
        }
        found
    }

    /// The pid of the master.
    pub(super) fn master(&self) -> u32 {
        number(&self.until_so("a master", |_| true)["master"]["pid"])
    }

    /// Ends the master by a signal; the status that the next one answers with.
    pub(super) fn crash_by(&self, by: Signal) -> Value {
        let master = self.master();
        signal(master, by);
        self.until("the end of the master", || {
            if is_running(master) && matches!(by, Signal::SIGSEGV | Signal::SIGBUS) {
                // Rust's own handler has restored what happens by default.
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(master.cast_signed()), by);
            }
            (!is_running(master)).then_some(())
        });
        let status = self.until_so("another master", |status| status["master"]["pid"] != master);
        self.has_what_it_should(&status);
        status
    }

    /// Kills the master.
    pub(super) fn crash(&self) -> Value {
        self.crash_by(SIGKILL)
    }

    /// The children of the master and its keeper, but for the master, are the workers that the status shows.
    pub(super) fn has_what_it_should(&self, first: &Value) {
        // While looked at, one may come or go.
        let mut status = first.clone();
        let begin = tokio::time::Instant::now();
        loop {
            let shown: BTreeSet<u32> = pids_of(&status);
            let there = self.children();
            let again = self.status();
            if shown == there {
                return;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "{}: shown are {shown:?}, there are {there:?}\n{}",
                self.name,
                self.log()
            );
            status = again.unwrap_or(status);
        }
    }

    /// The children of a process, of which each thread has its own.
    fn below(pid: u32) -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let text = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
        text.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|pid| pid.parse().ok())
            .collect()
    }

    /// All that are no zombies.
    pub(super) fn children(&self) -> BTreeSet<u32> {
        let below = Self::below(self.keeper());
        let (masters, orphans): (Vec<u32>, Vec<u32>) = below.into_iter().partition(|pid| is_master(*pid));
        let all = masters.into_iter().flat_map(Self::below).chain(orphans);
        all.filter(|pid| is_running(*pid)).collect()
    }

    /// Shuts down, and proves that nothing is left.
    pub(super) fn end(mut self) -> String {
        self.run(&["down"]);
        self.is_over(0);
        self.log()
    }

    /// Waits for the end of the keeper, and proves that nothing is left.
    pub(super) fn is_over(&mut self, code: i32) {
        self.has_ended(code);
        let files = fs::read_dir(self.dir.path()).unwrap().flatten();
        let names = files.map(|file| file.file_name().into_string().unwrap());
        let left: Vec<String> = names.filter(|name| name.contains("sock") || name.ends_with('~')).collect();
        assert!(left.is_empty(), "{}: {left:?}", self.name);
    }

    /// The same where no master was there to remove its files.
    pub(super) fn has_ended(&mut self, code: i32) {
        let mut keeper = self.keeper.take().unwrap();
        let ended = self.until("the end of the keeper", || keeper.try_wait().unwrap());
        assert_eq!(ended.code(), Some(code), "{}: {ended}\n{}", self.name, self.log());
        self.nobody_is_left();
    }

    /// The master, whether it answers or not.
    pub(super) fn own_master(&self) -> Option<u32> {
        Self::below(self.keeper()).into_iter().find(|pid| is_master(*pid))
    }

    /// Waits until another master answers, or the keeper has ended: by which signal.
    pub(super) fn ended_instead_of(&mut self, master: u32) -> Option<Option<i32>> {
        use std::os::unix::process::ExitStatusExt as _;
        let mut keeper = self.keeper.take()?;
        let ended = self.until("an end or another master", || match keeper.try_wait().unwrap() {
            Some(ended) => Some(Some(ended.signal())),
            None => self.status().is_some_and(|status| status["master"]["pid"] != master).then_some(None),
        });
        if ended.is_none() {
            self.keeper = Some(keeper);
        }
        ended
    }

    /// Waits until no process works there.
    pub(super) fn nobody_is_left(&self) {
        self.until("the end of all", || self.inhabitants().is_empty().then_some(()));
    }

    /// Every process that works there.
    fn inhabitants(&self) -> Vec<u32> {
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let lives_here = |pid: &u32| {
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(self.dir.path()))
        };
        pids.filter(lives_here).collect()
    }
}

impl Drop for Home {
    #[expect(clippy::disallowed_methods, reason = "a child of this test")]
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            // Not waited for, so the pid is its own.
            signal(keeper.id(), SIGKILL);
            let _ = keeper.wait();
        }
        for pid in self.inhabitants() {
            // It may have left in this moment.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), SIGKILL);
        }
    }
}

/// Whether this is `drover` itself. A worker that was born but is not its program yet has the name of the master, and is its child.
fn is_master(pid: u32) -> bool {
    let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    arguments.contains("\0up\0")
}

/// Whether an app has so many workers, all ready, and nothing is under way.
fn are_ready(status: &Value, app: &str, workers: usize) -> bool {
    let found = app_of(status, app);
    let all = workers_of(status, app);
    let are_ready = all.len() == workers && all.iter().all(|worker| worker["phase"] == "started");
    found["phase"] == "started" && found["operation"].is_null() && are_ready
}

/// An app in a status; null if there is none of this name.
pub(super) fn app_of(status: &Value, name: &str) -> Value {
    let apps = status["apps"].as_array().into_iter().flatten();
    apps.into_iter().find(|app| app["name"] == name).cloned().unwrap_or(Value::Null)
}

/// Its workers.
pub(super) fn workers_of(status: &Value, app: &str) -> Vec<Value> {
    app_of(status, app)["workers"].as_array().cloned().unwrap_or_default()
}

/// The pids of all workers.
pub(super) fn pids_of(status: &Value) -> BTreeSet<u32> {
    let apps = status["apps"].as_array().into_iter().flatten();
    let workers = apps.flat_map(|app| app["workers"].as_array().into_iter().flatten());
    workers.filter(|worker| !worker["pid"].is_null()).map(|worker| number(&worker["pid"])).collect()
}

pub(super) fn number(value: &Value) -> u32 {
    value
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or_else(|| panic!("{value} is not a number"))
}
