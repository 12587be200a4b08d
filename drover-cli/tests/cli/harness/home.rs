//! A directory of the test's own, and `drover` in it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{SIGKILL, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::patience::eventually;
use super::running::Running;
use super::sys;

/// By this variable everything that descends from a test is known.
const MARK: &str = "DROVER_CLI_TEST_HOME";

/// A private home. Dropped, it kills what is left, and fails the test if anything was.
#[derive(Debug)]
pub(crate) struct Home {
    dir: TempDir,
}

/// How a program ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// Its exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    /// All of its stdout.
    pub(crate) stdout: String,
    /// All of its stderr.
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        // Short and below /tmp, whatever TMPDIR says: a socket's path has 107 bytes at most.
        let dir =
            tempfile::Builder::new().prefix("cli-").tempdir_in("/tmp").expect("a directory can be made");
        fs::create_dir(dir.path().join("run")).expect("a directory can be made");
        Self { dir }
    }

    /// Where everything is.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// The control socket of its master.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path("d.sock")
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file can be written");
        path
    }

    /// Writes a file that can be run.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        path
    }

    /// `drover` with nothing but these arguments, in this home.
    pub(crate) fn bare(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drover"));
        sys::with_default_signals(&mut command);
        command.args(args).current_dir(self.dir()).env(MARK, self.dir());
        command.env("XDG_RUNTIME_DIR", self.path("run"));
        // A turn of its runtime that blocks ends it.
        command.env("DROVER_TURNS", "abort");
        // Of the test's own some directories may be closed to this user, which the reasons of failures tell.
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        // What the test's own environment says of these is not meant for it.
        for name in ["DROVER_CONTROL", "DROVER_LOG", "DEBUG", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command
    }

    /// `drover -s SOCKET` and these arguments.
    pub(crate) fn drover(&self, args: &[&str]) -> Command {
        let mut command = self.bare(&[]);
        command.arg("-s").arg(self.socket()).args(args);
        command
    }

    /// Starts `drover -s SOCKET …` in the background.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::start(&mut self.drover(args))
    }

    /// Runs `drover -s SOCKET …` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.start(args).end()
    }

    /// Runs `drover run … -- sh -c SCRIPT` to its end.
    pub(crate) fn run_sh(&self, options: &[&str], script: &str) -> Ended {
        self.start_sh(options, script).end()
    }

    /// Starts `drover run --name app … -- sh -c SCRIPT` in the background.
    pub(crate) fn start_sh(&self, options: &[&str], script: &str) -> Running {
        let mut args = vec!["run", "--name", "app"];
        args.extend(options);
        args.extend(["--", "sh", "-c", script]);
        self.start(&args)
    }

    /// Starts `drover up` with this file in the background.
    pub(crate) fn up(&self, toml: &str) -> Running {
        self.write("drover.toml", &format!("version = 1\n{toml}"));
        self.start(&["up"])
    }

    /// A demo whose app is ready, and where it listens.
    pub(crate) fn demo(&self, options: &[&str]) -> (Running, String) {
        let mut args = vec!["demo", "-l", "127.0.0.1:0"];
        args.extend(options);
        let demo = self.start(&args);
        demo.says("demo is running");
        let status = self.status();
        let listener = status["apps"][0]["listeners"][0].as_str().expect("it listens").to_owned();
        (demo, listener.strip_prefix("http=").expect("by its name").to_owned())
    }

    /// `drover status --json`.
    pub(crate) fn status(&self) -> Value {
        let ended = self.run(&["status", "--json"]);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
    }

    /// The pid of the master; what was started is its keeper.
    pub(crate) fn master_pid(&self) -> u32 {
        let pid = self.status()["master"]["pid"].as_u64();
        pid.and_then(|pid| pid.try_into().ok()).expect("a master has a pid")
    }

    /// Asks for the status until there is something to find in it.
    pub(crate) fn until<T>(&self, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        eventually(what, || {
            let ended = self.run(&["status", "--json"]);
            serde_json::from_str(&ended.stdout).ok().and_then(|status| look(&status))
        })
    }

    /// The worker of an app's slot, as `status --json` shows it, once it is in this phase.
    pub(crate) fn worker(&self, name: &str, slot: usize, phase: &str) -> Value {
        self.until(&format!("{name}/{slot} {phase}"), |status| {
            let apps = status["apps"].as_array()?;
            let app = apps.iter().find(|app| app["name"] == name)?;
            Some(app["workers"][slot].clone()).filter(|worker| worker["phase"] == phase)
        })
    }

    /// `drover events --json`, every line of it.
    pub(crate) fn events(&self) -> Vec<Value> {
        let ended = self.run(&["events", "--json"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        events_of(&ended.stdout)
    }

    /// Ends the master of this home, by `drover down`.
    pub(crate) fn down(&self, master: Running) -> Ended {
        let down = self.run(&["down"]);
        assert_eq!(down.code, Some(0), "{down:?}");
        let ended = master.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended
    }

    /// The processes that descend from this test.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mark = [MARK.as_bytes(), b"=", self.dir().as_os_str().as_encoded_bytes()].concat();
        let is_marked = |pid: &u32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|variable| variable == mark)
        };
        let entries = fs::read_dir("/proc").expect("there is a /proc").flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_marked).collect()
    }

    /// Sockets, locks and directories of masters.
    fn leftovers(&self) -> Vec<PathBuf> {
        let is_trace = |path: &PathBuf| {
            let name = path.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
            name.ends_with(".sock") || name.ends_with(".lock") || name.ends_with('~')
        };
        let inside = |dir: &str| fs::read_dir(self.path(dir)).into_iter().flatten().flatten();
        let own = inside("").chain(inside("run/drover")).map(|entry| entry.path()).filter(is_trace);
        own.chain(inside("run/drover-workers").map(|entry| entry.path())).collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let processes = self.processes();
        let described: Vec<String> = processes
            .iter()
            .map(|pid| {
                let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                format!("{pid}: {}", line.replace('\0', " "))
            })
            .collect();
        for pid in &processes {
            if let Ok(pid) = i32::try_from(*pid) {
                let _ = kill(Pid::from_raw(pid), SIGKILL);
            }
        }
        if !std::thread::panicking() {
            assert!(described.is_empty(), "processes are left behind: {described:#?}");
            let leftovers = self.leftovers();
            assert!(leftovers.is_empty(), "files are left behind: {leftovers:?}");
        }
    }
}

/// Each line of `events --json`, which is an object.
pub(crate) fn events_of(text: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
}

impl Ended {
    /// The lines of stderr that are errors.
    pub(crate) fn errors(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.starts_with("error")).collect()
    }

    /// Checks the exit code and that there is one error, which has these words.
    pub(crate) fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert_eq!(self.errors().len(), 1, "{self:#?}");
        for word in words {
            assert!(self.errors()[0].contains(word), "{word} is not in {self:#?}");
        }
    }
}
