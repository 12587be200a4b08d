//! A folder of `examples/programs` or `examples/servers`, copied to where a test may write, and `drover up` in it.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use drover_e2e::harness::{PATIENCE, signal};
use nix::sys::signal::SIGKILL;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

/// How long a program may take to start, with what it does the first time: PostgreSQL writes its whole database down.
const PATIENCE_WITH_A_START: Duration = Duration::from_secs(120);

/// How often is looked again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Where programs are that a user's PATH may lack.
const PLACES: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// What the examples have in place of what each test has for itself.
const EXAMPLES_DIR: &str = "/srv/";
const EXAMPLES_HOST: &str = "127.0.0.1";

/// A program in its directory, with its own address. Dropped, it is killed with all that runs there.
#[derive(Debug)]
pub(super) struct Site {
    app: &'static str,
    host: Ipv4Addr,
    /// None before it is started, and once it has been waited for.
    master: Option<Child>,
    dir: TempDir,
    path: OsString,
}

impl Site {
    /// A folder of `examples` that is called like its app, ready to be started; none if one of the programs that it takes is not there,
    /// which the gate does not accept.
    pub(super) fn of(folder: &'static str, programs: &[&str]) -> Option<Self> {
        let app = folder.rsplit('/').next().expect("a text has a last part");
        if let Some(missing) = programs.iter().find(|program| path_of(program).is_none()) {
            skip(app, &format!("there is no {missing} on this machine"));
            return None;
        }
        // Programs that run as another user have to get there.
        let dir = tempfile::Builder::new().permissions(Permissions::from_mode(0o711)).tempdir().unwrap();
        let site = Self { app, host: own_host(), master: None, dir, path: path() };
        fs::create_dir(site.path("")).unwrap();
        site.copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(folder), &site.path(""));
        Some(site)
    }

    /// Copies a folder, with what its files have to say here.
    fn copy(&self, from: &Path, to: &Path) {
        for entry in from.read_dir().unwrap() {
            let from = entry.unwrap().path();
            let to = to.join(from.file_name().unwrap());
            if from.is_dir() {
                fs::create_dir(&to).unwrap();
                self.copy(&from, &to);
                continue;
            }
            fs::copy(&from, &to).unwrap();
            let text = fs::read_to_string(&to).unwrap();
            let text = text.replace(EXAMPLES_DIR, &format!("{}/", self.dir.path().display()));
            fs::write(&to, text.replace(EXAMPLES_HOST, &self.host.to_string())).unwrap();
        }
    }

    /// Programs of this folder come before those of the machine.
    pub(super) fn with_programs_of(mut self, folder: PathBuf) -> Self {
        let places = std::iter::once(folder).chain(std::env::split_paths(&self.path));
        self.path = std::env::join_paths(places.collect::<Vec<_>>()).unwrap();
        self
    }

    /// A file of the app.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(self.app).join(file)
    }

    /// Its own address of the loopback interface, where all ports are free.
    pub(super) const fn host(&self) -> Ipv4Addr {
        self.host
    }

    /// The name of the app.
    pub(super) const fn app(&self) -> &'static str {
        self.app
    }

    /// What `drover scale` takes for so many workers of the app.
    pub(super) fn scale(&self, workers: u32) -> String {
        format!("{}={workers}", self.app)
    }

    /// Changes a file of the app.
    pub(super) fn change(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        fs::write(self.path(file), text.replace(from, to)).unwrap();
    }

    /// Starts the master, and waits until its app is ready.
    pub(super) async fn start(&mut self) {
        self.launch();
        let ready = format!("{} is running: every worker is ready", self.app);
        self.until("the start", || self.log().contains(&ready).then_some(())).await;
    }

    /// Starts the master.
    pub(super) fn launch(&mut self) {
        let log = File::create(self.dir.path().join("log")).unwrap();
        let mut command = self.drover();
        command.args(["up", "-f"]).arg(self.path("drover.toml"));
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.master = Some(command.spawn().unwrap());
    }

    /// What the master and the program have said.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Runs a command of `drover`.
    pub(super) async fn output_of(&self, args: &[&str]) -> Output {
        let mut command = self.drover();
        command.args(args);
        let run = tokio::task::spawn_blocking(move || command.output());
        let output = tokio::time::timeout(PATIENCE_WITH_A_START, run).await;
        output.unwrap_or_else(|_| panic!("{args:?} does not end: {}", self.log())).unwrap().unwrap()
    }

    /// Runs a command of `drover` that has to succeed.
    pub(super) async fn run(&self, args: &[&str]) {
        let output = self.output_of(args).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}\n{}", self.log());
    }

    /// The app's workers, as `drover status --json` shows them.
    pub(super) async fn workers(&self) -> Vec<Value> {
        // It fails while a worker is not ready, and tells of it nevertheless.
        let output = self.output_of(&["status", "--json"]).await;
        let status: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}\n{}", self.log()));
        let apps = status["apps"].as_array().unwrap();
        let app = apps.iter().find(|app| app["name"] == self.app).unwrap();
        app["workers"].as_array().unwrap().clone()
    }

    /// The processes of the app's workers.
    pub(super) async fn pids(&self) -> Vec<u64> {
        self.workers().await.iter().map(|worker| worker["pid"].as_u64().unwrap()).collect()
    }

    /// The app's first worker.
    pub(super) async fn worker(&self) -> Value {
        self.workers().await.swap_remove(0)
    }

    /// The process of the app's first worker.
    pub(super) async fn pid(&self) -> u32 {
        self.worker().await["pid"].as_u64().unwrap().try_into().unwrap()
    }

    /// Kills the app's first worker, and waits until there is another that is ready: the end of the first one.
    pub(super) async fn back_after_a_kill(&self) -> Value {
        let old = self.pid().await;
        signal(old, SIGKILL);
        let is_back = |worker: &Value| {
            worker["pid"].as_u64().is_some_and(|pid| pid != u64::from(old)) && worker["phase"] == "started"
        };
        self.until_worker("another worker", is_back).await["last_exit"].clone()
    }

    /// Waits until the app's first worker is so.
    pub(super) async fn until_worker(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let worker = self.worker().await;
            if is_so(&worker) {
                return worker;
            }
            assert!(begin.elapsed() < PATIENCE_WITH_A_START, "{what} does not come: {worker} {}", self.log());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Looks until there is what has to come.
    pub(super) async fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begin.elapsed() < PATIENCE_WITH_A_START, "{what} does not come: {}", self.log());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Shuts down, and proves that the app's last worker left as it was asked and that nothing is left; the log.
    pub(super) async fn end(mut self) -> String {
        self.run(&["down"]).await;
        let ended = self.is_over().await;
        let log = self.log();
        assert!(ended.success(), "{log}");
        let last = log.lines().rfind(|line| line.contains(&format!("drover: {}/0 stopped", self.app)));
        assert!(last.is_some_and(|line| line.contains("exited with code 0")), "{last:?} in {log}");
        assert!(!log.contains(" is overdue"), "{log}");
        log
    }

    /// Awaits the end of the master, and proves that nothing is left.
    pub(super) async fn is_over(&mut self) -> ExitStatus {
        let master = self.master.as_mut().unwrap();
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = master.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < PATIENCE_WITH_A_START, "the master does not end");
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        self.master = None;
        // The other processes of a program that was killed notice it by themselves.
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE && !self.inhabitants().is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        assert_eq!(self.inhabitants(), [0; 0], "still there: {}", self.log());
        status
    }

    /// Every process that works in the directory. A program may overwrite its environment, as nginx does, and leave its group, as
    /// PostgreSQL's do; where it works stays.
    pub(super) fn inhabitants(&self) -> Vec<u32> {
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let lives_here = |pid: &u32| {
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(self.dir.path()))
        };
        pids.filter(lives_here).collect()
    }

    /// The command, on the site's own control socket.
    fn drover(&self) -> Command {
        let mut command = Command::new(program!("drover_command"));
        command.arg("-s").arg(self.dir.path().join("control.sock")).stdin(Stdio::null());
        // Sockets of the workers, too, lie where they are removed.
        command.env("XDG_RUNTIME_DIR", self.dir.path()).env("PATH", &self.path);
        command
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(master) = self.master.take() {
            // Not waited for, so the pid is its own.
            signal(master.id(), SIGKILL);
            let _ = master.wait_with_output();
        }
        for pid in self.inhabitants() {
            // It may have left in this moment.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), SIGKILL);
        }
    }
}

/// Says that an app is not tested here, which the gate does not accept.
pub(super) fn skip(app: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{app} can't be tested: {why}");
    drover_e2e::complain(&format!("SKIPPED: {app}: {why}"));
}

fn path() -> OsString {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&own).chain(PLACES.iter().map(PathBuf::from));
    std::env::join_paths(places.collect::<Vec<_>>()).unwrap()
}

fn path_of(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&path()).map(|place| place.join(program)).find(|path| path.is_file())
}

/// An address of 127.0.0.0/8, all of which is this machine's, that no other test has.
fn own_host() -> Ipv4Addr {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    Ipv4Addr::new(127, 100 + u8::try_from(number).unwrap(), high, low)
}
