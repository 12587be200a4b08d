//! What the README shows is run as it stands there: its file, its commands. Only the address is the test's own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use drover_e2e::harness::eventually;
use tempfile::TempDir;

const README: &str = include_str!("../../README.md");

/// A directory with the programs that the README names.
struct Place {
    dir: TempDir,
    host: Ipv4Addr,
}

impl Place {
    /// `host`: of 127.0.0.0/8, where all ports are free; with the pid no other test has it.
    fn new(number: u8) -> Self {
        // Short, whatever TMPDIR says: a socket's path has 107 bytes at most.
        let dir = tempfile::Builder::new().prefix("readme-").tempdir_in("/tmp").unwrap();
        let [_, _, high, low] = std::process::id().to_be_bytes();
        symlink(program!("worker_axum"), dir.path().join("web")).unwrap();
        for program in ["mailer", "queue-worker"] {
            let path = dir.path().join(program);
            fs::write(&path, "#!/bin/sh\nexec sleep 1000\n").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { dir, host: Ipv4Addr::new(127, 90 + number, high, low) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A text of the README, at this place's own address.
    fn here(&self, text: &str) -> String {
        text.replace("127.0.0.1", &self.host.to_string())
    }

    fn drover(&self, words: &[String]) -> Command {
        let mut command = Command::new(program!("drover_command"));
        command.current_dir(self.dir.path()).env("XDG_RUNTIME_DIR", self.dir.path()).stdin(Stdio::null());
        command.env_remove("DROVER_CONTROL").arg("-s").arg(self.path("control.sock")).args(words);
        command
    }

    /// Runs a line of the README, which begins with `drover`.
    fn run(&self, line: &str) -> Output {
        let line = self.here(line.split(" #").next().unwrap());
        let words: Vec<String> = line.split_whitespace().skip(1).map(str::to_owned).collect();
        self.drover(&words).output().unwrap()
    }

    fn succeeds(&self, line: &str) -> String {
        let Output { status, stdout, stderr } = self.run(line);
        let said = String::from_utf8_lossy(&stderr).into_owned();
        assert!(status.success(), "{line}: {said}{}", String::from_utf8_lossy(&stdout));
        said
    }

    /// The body of an answer.
    fn answer(&self, port: u16, path: &str) -> String {
        let mut stream = TcpStream::connect((self.host, port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
        said.split("\r\n\r\n").nth(1).unwrap().to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Of a test that failed; otherwise nobody answers.
        let _ = self.run("drover -q down --now");
    }
}

/// The lines of the README's blocks of commands that begin like this.
fn lines(begin: &str) -> Vec<&'static str> {
    let blocks = README.split("```sh\n").skip(1).map(|from| from.split("```").next().unwrap());
    blocks.flat_map(str::lines).filter(|line| line.starts_with(begin)).collect()
}

#[test]
fn the_file_runs_and_is_reloaded_as_it_stands() {
    let place = Place::new(0);
    let (_, from) = README.split_once("```toml\n").unwrap();
    fs::write(place.path("drover.toml"), place.here(from.split("```").next().unwrap())).unwrap();
    assert_eq!(place.succeeds("drover validate --strict"), "");
    place.succeeds("drover up -d");
    assert!("0123".contains(&place.answer(8080, "/")));
    for slot in 0..4 {
        assert_eq!(place.answer(9000 + slot, "/live"), "alive");
    }
    let reloads = lines("drover reload");
    assert_eq!(reloads.len(), 2, "{reloads:?}");
    // Each new worker lives for `soak` first, all one after the other; the second reload says the same of one.
    place.succeeds(&reloads[1].replace(" #", " --soak 0s #"));
    place.succeeds("drover reload web --promote");
    place.succeeds("drover status");
    place.succeeds("drover down");
}

#[tokio::test]
async fn each_command_that_runs_a_program_has_it_ready() {
    let place = Place::new(1);
    let lines = lines("drover run");
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in lines {
        let log = place.path("log");
        let out = File::create(&log).unwrap();
        let here = place.here(line);
        let words: Vec<String> = here.split_whitespace().skip(1).map(str::to_owned).collect();
        let mut command = place.drover(&words);
        let mut master = command.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
        eventually(line, || {
            let said = fs::read_to_string(&log).unwrap();
            assert!(!said.contains("error"), "{line}: {said}");
            said.contains("is started: every worker is ready").then_some(())
        })
        .await;
        place.succeeds("drover down");
        let ended = eventually("the end of the master", || master.try_wait().unwrap()).await;
        assert!(ended.success(), "{line}");
    }
}
