//! A terminal that is drawn on: tmux, whose screen can be read.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::home::Home;
use super::patience::{Deadline, LOOK_AGAIN, eventually};
use super::{is_running, skipped};

/// The view, its shell and tmux each have their turn on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A shell in a terminal of tmux's, with a server of its own.
#[derive(Debug)]
pub(crate) struct Tmux<'h> {
    home: &'h Home,
    server: u32,
}

impl<'h> Tmux<'h> {
    /// A shell in a terminal of this size; none where there is no tmux.
    pub(crate) fn start(home: &'h Home, columns: u16, rows: u16) -> Option<Self> {
        if !is_there() {
            assert!(std::env::var_os("CI").is_none(), "tmux is missing");
            skipped("there is no tmux, so drover top is not looked at in a terminal");
            return None;
        }
        home.write("tmux.conf", "set -g default-shell /bin/sh\nset -g status off\nset -s escape-time 0\n");
        let size = [columns.to_string(), rows.to_string()];
        let started = of(home)
            .args([
                "new-session",
                "-d",
                "-x",
                &size[0],
                "-y",
                &size[1],
                "-s",
                "top",
                "env PS1='shell> ' sh -m",
            ])
            .stdin(Stdio::null())
            .status();
        assert!(started.expect("tmux can be started").success());
        let server = said(home, &["display-message", "-p", "#{pid}"]).trim().parse().expect("a pid");
        let tmux = Self { home, server };
        tmux.shows("shell>");
        Some(tmux)
    }

    /// Types a command that runs `drover -s SOCKET …` of the home.
    pub(crate) fn type_drover(&self, args: &str) {
        let (program, socket) = (env!("CARGO_BIN_EXE_drover"), self.home.socket());
        // Short names: the line is on the screen.
        let script = format!("#!/bin/sh\nexec {program} -s {} \"$@\"\n", socket.display());
        let path = self.home.write("d", &script);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        self.types(&format!("./d {args}"));
        self.press(&["Enter"]);
    }

    /// Types this.
    pub(crate) fn types(&self, text: &str) {
        said(self.home, &["send-keys", "-t", "top", "-l", text]);
    }

    /// Presses keys, by the names that tmux has for them.
    pub(crate) fn press(&self, keys: &[&str]) {
        said(self.home, &[&["send-keys", "-t", "top"], keys].concat());
    }

    /// Has other columns and rows.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let size = [columns.to_string(), rows.to_string()];
        said(self.home, &["resize-window", "-t", "top", "-x", &size[0], "-y", &size[1]]);
    }

    /// The screen.
    pub(crate) fn screen(&self) -> String {
        said(self.home, &["capture-pane", "-p", "-t", "top"])
    }

    /// Waits until the screen is as wanted.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(deadline.left().is_some(), "{what}: not within {PATIENCE:?}:\n{screen}");
            std::thread::park_timeout(LOOK_AGAIN);
        }
    }

    /// Waits until the screen shows this.
    pub(crate) fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// Leaves the shell, and waits for the end of the server.
    pub(crate) fn end(self) {
        self.types("exit");
        self.press(&["Enter"]);
        eventually("the end of tmux", || (!is_running(self.server)).then_some(()));
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        if is_running(self.server) {
            let _ = of(self.home).arg("kill-server").stderr(Stdio::null()).status();
        }
    }
}

fn is_there() -> bool {
    Command::new("tmux").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// tmux in the surroundings that `drover` has in this home.
fn of(home: &Home) -> Command {
    let drover = home.bare(&[]);
    let mut tmux = Command::new("tmux");
    tmux.arg("-S").arg(home.path("t")).arg("-f").arg(home.path("tmux.conf"));
    tmux.current_dir(home.dir()).env("LC_ALL", "C.UTF-8").env_remove("TMUX");
    for (name, value) in drover.get_envs() {
        match value {
            Some(value) => tmux.env(name, value),
            None => tmux.env_remove(name),
        };
    }
    tmux
}

fn said(home: &Home, args: &[impl AsRef<std::ffi::OsStr>]) -> String {
    let output = of(home).args(args).stdin(Stdio::null()).output().expect("tmux can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
