//! A service under a master that is a process of its own, as `drover up` runs it.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::SIGKILL;
use tempfile::TempDir;

use super::notes::{Life, Notes};
use super::observer::Observation;
use crate::harness::{eventually, kill_all_of, of_app, patiently, signal};

/// What is to run, and how.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The `drover` command.
    pub drover: PathBuf,
    /// The worker that serves HTTP and takes notes.
    pub worker: PathBuf,
    /// How many.
    pub workers: u32,
    /// More lines for the socket in `drover.toml`.
    pub socket: &'static str,
    /// More lines for the app.
    pub app: &'static str,
}

/// A master whose app is ready. Dropped, it is killed, and its workers with it.
#[derive(Debug)]
pub struct Service {
    name: String,
    drover: PathBuf,
    workers: u32,
    keeper: Option<Child>,
    notes: Notes,
    dir: TempDir,
}

/// What a command of `drover` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its exit code; none if it was ended by a signal.
    pub code: Option<i32>,
    /// All of its stdout.
    pub stdout: String,
    /// All of its stderr.
    pub stderr: String,
}

impl Service {
    /// Starts it and waits until all workers serve.
    ///
    /// # Panics
    ///
    /// If it can't be started.
    pub async fn start(setup: Setup) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let name = format!("load-{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed));
        let dir = tempfile::tempdir().expect("there is room for a directory");
        let notes = Notes::new(dir.path().to_owned());
        std::fs::write(dir.path().join("drover.toml"), setup.text(&name, dir.path())).expect("there is room");
        let log = File::create(dir.path().join("log")).expect("there is room for a log");
        let mut command = Command::new(&setup.drover);
        command.arg("-s").arg(dir.path().join("control.sock"));
        command.args(["up", "-f"]).arg(dir.path().join("drover.toml"));
        // A trial kills as many masters as it likes.
        command.env("DROVER_KEEPER_CRASHES", "1000000");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let keeper = command.spawn().expect("the command is there");
        let Setup { drover, workers, .. } = setup;
        let service = Self { name, drover, workers, keeper: Some(keeper), notes, dir };
        service.until_serving(workers).await;
        assert_eq!(
            service.run(&["wait", "{app}", "--for", "ready"]).await.code,
            Some(0),
            "{}",
            service.log()
        );
        service
    }

    /// The name of its app.
    pub fn app(&self) -> &str {
        &self.name
    }

    /// With how many workers it was started.
    pub const fn workers(&self) -> u32 {
        self.workers
    }

    /// What its workers note.
    pub const fn notes(&self) -> &Notes {
        &self.notes
    }

    /// The process that was started: the keeper of its masters.
    ///
    /// # Panics
    ///
    /// If it has been ended.
    pub fn keeper(&self) -> u32 {
        self.keeper.as_ref().map(Child::id).expect("it runs")
    }

    /// The process of the master that answers now.
    ///
    /// # Panics
    ///
    /// If none does.
    pub async fn master(&self) -> u32 {
        let status = self.run(&["status"]).await;
        let pid =
            status.stdout.strip_prefix("master pid ").and_then(|rest| rest.split(',').next()?.parse().ok());
        pid.unwrap_or_else(|| panic!("no master: {status:?}\n{}", self.log()))
    }

    /// What the master that answers now shows of the app.
    ///
    /// # Panics
    ///
    /// If none does.
    pub async fn status(&self) -> serde_json::Value {
        let said = self.run(&["status", "--json", "{app}"]).await;
        let status: Option<serde_json::Value> = serde_json::from_str(&said.stdout).ok();
        let app = status.as_ref().and_then(|status| status["apps"].get(0));
        app.unwrap_or_else(|| panic!("no app: {said:?}\n{}", self.log())).clone()
    }

    /// What the notes show so far.
    pub fn observed(&self) -> Observation {
        Observation::of(&self.notes.lives())
    }

    /// Where it listens.
    ///
    /// # Panics
    ///
    /// If no worker has noted it.
    pub fn addr(&self) -> SocketAddr {
        let port = self.observed().port.expect("a worker has served");
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// What the master has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Waits until exactly this many workers serve.
    ///
    /// # Panics
    ///
    /// If they never do.
    pub async fn until_serving(&self, count: u32) {
        let what = format!("{count} workers that serve");
        eventually(&what, || (self.observed().serving.len() == count as usize).then_some(())).await;
    }

    /// Runs a command of `drover` on this master; `{app}` stands for the name of the app.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub async fn run(&self, args: &[&str]) -> Said {
        let mut command = Command::new(&self.drover);
        command.arg("-s").arg(self.dir.path().join("control.sock"));
        command.args(args.iter().map(|arg| arg.replace("{app}", &self.name))).stdin(Stdio::null());
        let run = tokio::task::spawn_blocking(move || command.output());
        let output = patiently(&format!("{args:?}"), run).await.expect("running does not panic");
        let output = output.expect("the command is there");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Kills a worker, and notes it.
    ///
    /// # Panics
    ///
    /// If there is no such process.
    pub fn kill(&self, pid: u32) {
        self.note(Life::Killed { pid });
        signal(pid, SIGKILL);
    }

    /// Adds a note of the trial's own.
    ///
    /// # Panics
    ///
    /// If it can't be written.
    pub fn note(&self, life: Life) {
        self.notes.life(life).expect("notes can be appended");
    }

    /// Ends it, and proves that nothing is left.
    ///
    /// # Panics
    ///
    /// If it does not end well.
    pub async fn end(mut self) {
        let down = self.run(&["down"]).await;
        assert_eq!(down.code, Some(0), "{down:?} {}", self.log());
        let keeper = self.keeper.take().expect("it ends once");
        let wait = tokio::task::spawn_blocking(move || keeper.wait_with_output());
        let ended = patiently("the end of the master", wait).await.expect("waiting does not panic");
        assert!(ended.is_ok_and(|output| output.status.success()), "{}", self.log());
        assert_eq!(of_app(&self.name), [0; 0], "left behind");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            kill_all_of(keeper);
        }
    }
}

impl Setup {
    fn text(&self, name: &str, notes: &Path) -> String {
        let Self { worker, workers, socket, app, .. } = self;
        format!(
            "version = 1\n\
             [sockets.http]\n\
             listen = \"127.0.0.1:0\"\n\
             {socket}\n\
             [app.{name}]\n\
             command = [{worker:?}]\n\
             protocol = \"drover\"\n\
             sockets = [\"http\"]\n\
             workers = {workers}\n\
             env = {{ {} = {notes:?} }}\n\
             start.timeout = \"3s\"\n\
             restart = {{ backoff = {{ initial = \"0s\" }}, limit = {{ count = 1000, within = \"1s\" }} }}\n\
             {app}\n",
            super::notes::VARIABLE
        )
    }
}
