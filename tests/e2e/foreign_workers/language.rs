//! A language, and whether its worker can be had on this machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// How long it may take to install what a worker needs, with what the machine does besides.
pub(super) const PATIENCE_WITH_INSTALLING: Duration = Duration::from_secs(300);

/// A folder of `examples/workers`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Language(&'static str);

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Language {
    pub(super) const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The worker's program, with all that it needs; none if that can't be had here, which the gate does not accept. The first
    /// test installs, the others wait for it.
    pub(super) async fn installed(self) -> Option<PathBuf> {
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/workers").join(self.0).join("run");
        let run = run.canonicalize().expect("the folder has a `run`");
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
        drover_e2e::complain(&format!("SKIPPED: {self}: {why}"));
        None
    }

    /// Runs the folder's own test.
    pub(super) async fn test(self, run: &Path) {
        let args: &[&str] = if self.0 == "python" { &["-m", "unittest"] } else { &["--test"] };
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
    files.map(|path| std::fs::read_to_string(path).unwrap().lines().count()).sum()
}

fn is_there(tool: &str) -> bool {
    Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

async fn output_of(run: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE_WITH_INSTALLING.as_secs().to_string()).arg(run).args(args).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    output.expect("running does not panic").expect("there is a timeout command")
}
