//! Where a page is followed.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A directory with the programs that the pages name.
pub(super) struct Place {
    dir: TempDir,
    host: Ipv4Addr,
}

impl Place {
    /// `host`: of 127.0.0.0/8, where all ports are free; with the pid no other test has it.
    pub(super) fn new(number: u8) -> Self {
        // Short, whatever TMPDIR says: a socket's path has 107 bytes at most.
        let dir = tempfile::Builder::new().prefix("readme-").tempdir_in("/tmp").unwrap();
        let [_, _, high, low] = std::process::id().to_be_bytes();
        symlink(program!("worker_axum"), dir.path().join("web")).unwrap();
        for program in ["mailer", "queue-worker"] {
            let path = dir.path().join(program);
            fs::write(&path, "#!/bin/sh\nexec sleep 1000\n").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { dir, host: Ipv4Addr::new(127, 60 + number, high, low) }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A text of a page, at this place's own address.
    pub(super) fn here(&self, text: &str) -> String {
        text.replace("127.0.0.1", &self.host.to_string())
    }

    pub(super) fn drover(&self, words: &[String]) -> Command {
        let mut command = Command::new(program!("drover_command"));
        command.current_dir(self.dir.path()).env("XDG_RUNTIME_DIR", self.dir.path()).stdin(Stdio::null());
        command.env_remove("DROVER_CONTROL").arg("-s").arg(self.path("control.sock")).args(words);
        command
    }

    /// Runs a line of a page, which begins with `drover`.
    pub(super) fn run(&self, line: &str) -> Output {
        let line = self.here(line.split(" #").next().unwrap());
        let words: Vec<String> = line.split_whitespace().skip(1).map(str::to_owned).collect();
        self.drover(&words).output().unwrap()
    }

    pub(super) fn succeeds(&self, line: &str) -> String {
        let Output { status, stdout, stderr } = self.run(line);
        let said = String::from_utf8_lossy(&stderr).into_owned();
        assert!(status.success(), "{line}: {said}{}", String::from_utf8_lossy(&stdout));
        said
    }

    /// The body of an answer.
    pub(super) fn answer(&self, port: u16, path: &str) -> String {
        let mut stream = TcpStream::connect((self.host, port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
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
