//! A language, and whether its worker can be had on this machine.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// How long it may take to install what a worker needs, with what the machine does besides.
pub(super) const PATIENCE_WITH_INSTALLING: Duration = Duration::from_secs(300);

/// A folder of `examples/workers`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Language(&'static str);

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Language {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The worker's program, with all that it needs, in a copy of its folder below `target`; none if that can't be had here, which the
    /// gate does not accept. The first test installs, the others wait for it. Nothing is downloaded unless that is wanted.
    pub(crate) async fn installed(self) -> Option<PathBuf> {
        let run = self.copied().join("run");
        let missing = self.tools().iter().find(|tool| !is_there(tool));
        let why = match missing {
            Some(tool) => format!("there is no {tool} on this machine"),
            None => {
                let output = output_of(&run, &["--install"]).await;
                if output.status.success() {
                    return Some(run);
                }
                format!("what it needs can't be installed: {}", String::from_utf8_lossy(&output.stderr))
            }
        };
        assert!(std::env::var_os("CI").is_none(), "the worker in {self} can't be tested: {why}");
        // Once for all of its tests.
        static TOLD: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
        if TOLD.lock().expect("nobody panics with it").insert(self.0) {
            let remedy = if may_download() { "" } else { " (with DROVER_DOWNLOADS=1 it is fetched)" };
            drover_e2e::complain(&format!(
                "SKIPPED: all tests of the worker in {self}: {}{remedy}",
                why.trim()
            ));
        }
        None
    }

    /// The folder as it is in the sources, in one that may be written to. It lies as deep, so that its links lead where they do there.
    fn copied(self) -> PathBuf {
        static DONE: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace");
        let (from, to) =
            (root.join("examples/workers").join(self.0), root.join("target/workers").join(self.0));
        let mut done = DONE.lock().expect("nobody panics with it");
        if done.insert(self.0) {
            fs::create_dir_all(&to).expect("there is room below target");
            // A module that the sources had once, and that would be found before the package of its name.
            for path in to.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
                let is_module = path.extension().is_some_and(|end| end == "py" || end == "js");
                if is_module && !from.join(path.file_name().unwrap()).exists() {
                    fs::remove_file(path).unwrap();
                }
            }
            for entry in from.read_dir().expect("the language has a folder").map(|entry| entry.unwrap()) {
                copy(&entry.path(), &to.join(entry.file_name()));
            }
        }
        to
    }

    /// Runs the folder's own test.
    pub(super) async fn test(self, run: &Path) {
        let args: &[&str] = match self.0 {
            "python" => &["-m", "unittest"],
            "node" => &["--test", "vectors.test.js"],
            _ => &["--test"],
        };
        let output = output_of(run, args).await;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{said}");
        // Not fewer than there are: a runner that finds no test is content, too.
        let passed = match self.0 {
            "node" => format!("# pass {}\n", vectors() + 1),
            _ => format!("{} passed", vectors()),
        };
        assert!(said.contains(&passed), "not `{passed}`: {said}");
    }

    const fn tools(self) -> &'static [&'static str] {
        match self.0.as_bytes() {
            b"node" => &["node", "npm"],
            b"python" => &["python3"],
            b"java" => &["java", "javac"],
            // It fetches its compiler, too.
            b"go" => &["apt-get", "dpkg"],
            _ => &[],
        }
    }
}

/// How many golden frames there are.
fn vectors() -> usize {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/vectors/v1").read_dir().unwrap();
    let files = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
    files.map(|path| fs::read_to_string(path).unwrap().lines().count()).sum()
}

/// One file, or a link as such. What somebody has installed in the sources stays there.
fn copy(from: &Path, to: &Path) {
    let kind = fs::symlink_metadata(from).unwrap();
    if kind.is_symlink() {
        // It is there from the last time.
        let _ = std::os::unix::fs::symlink(fs::read_link(from).unwrap(), to);
    } else if kind.is_file() && fs::read(from).ok() != fs::read(to).ok() {
        fs::copy(from, to).unwrap();
    }
}

/// Whether what is missing may be fetched from the network.
fn may_download() -> bool {
    ["CI", "DROVER_DOWNLOADS"].iter().any(|name| std::env::var_os(name).is_some())
}

fn is_there(tool: &str) -> bool {
    Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

pub(crate) async fn output_of(run: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE_WITH_INSTALLING.as_secs().to_string()).arg(run).args(args).stdin(Stdio::null());
    if !may_download() {
        command.env("DROVER_OFFLINE", "1");
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    output.expect("running does not panic").expect("there is a timeout command")
}
