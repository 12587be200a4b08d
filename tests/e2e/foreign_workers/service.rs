//! `drover up` with workers of a program, as a process.

use std::fs::File;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use drover_e2e::harness::{PATIENCE, eventually, of_app, patiently, signal};
use nix::sys::signal::{SIGKILL, Signal};
use tempfile::TempDir;

/// A master whose app is ready. Dropped, it is killed, and its workers with it.
#[derive(Debug)]
pub(super) struct Service {
    name: String,
    addr: SocketAddr,
    /// None once it has been waited for.
    master: Option<Child>,
    dir: TempDir,
}

impl Service {
    /// Starts it with two workers and waits until both serve; `mode` is how they share the socket.
    pub(super) async fn start(run: &Path, mode: &str) -> Self {
        let socket = format!("listen = \"127.0.0.1:0\"\nmode = \"{mode}\"");
        let app = format!("command = [{run:?}]\nworkers = 2\nstop = {{ drain_timeout = \"3s\" }}");
        let mut service = Self::begin(&socket, &app);
        service.is_ready().await;
        service
    }

    /// Starts it; `socket` and `app` are of its drover.toml.
    pub(super) fn begin(socket: &str, app: &str) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let name = format!("foreign-{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed));
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "version = 1\n[sockets.http]\n{socket}\n[app.{name}]\n{app}\nsockets = [\"http\"]\nprotocol = \"drover\"\n\
             heartbeat = {{ interval = \"200ms\", misses = 50 }}\n"
        );
        std::fs::write(dir.path().join("drover.toml"), text).unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let mut command = drover(dir.path());
        // What is told here is the end of a master that no other one follows.
        command.args(["up", "--no-keeper", "-f"]).arg(dir.path().join("drover.toml"));
        // Sockets of the workers, too, lie where they are removed.
        command.env("XDG_RUNTIME_DIR", dir.path()).stdout(log.try_clone().unwrap()).stderr(log);
        let master = Some(command.spawn().unwrap());
        Self { name, addr: SocketAddr::from(([127, 0, 0, 1], 0)), master, dir }
    }

    /// Waits until its workers serve.
    pub(super) async fn is_ready(&mut self) {
        self.addr = eventually("the start", || {
            let log = self.log();
            let ended = self.master.as_mut().unwrap().try_wait().unwrap();
            assert_eq!(ended, None, "it has ended: {log}");
            let (_, rest) = log.split_once("listens on http=")?;
            rest.split_whitespace().next()?.parse().ok()
        })
        .await;
    }

    /// Waits for its end, which somebody has asked for; the exit code.
    pub(super) async fn ends(mut self) -> Option<i32> {
        let master = self.master.take().unwrap();
        let wait = tokio::task::spawn_blocking(move || master.wait_with_output());
        let ended = patiently("the end of the master", wait).await.unwrap().unwrap();
        self.is_gone().await;
        ended.status.code()
    }

    /// The name of the app.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The control socket of the master.
    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }

    pub(super) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where its master is asked.
    pub(super) fn control(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }

    /// What master and workers have said.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Runs a command of `drover` that has to succeed; its stdout. `{app}` stands for the app.
    pub(super) async fn run(&self, args: &[&str]) -> String {
        let mut command = drover(self.dir.path());
        command.args(args.iter().map(|arg| arg.replace("{app}", &self.name)));
        let run = tokio::task::spawn_blocking(move || command.output());
        let output = patiently(&format!("{args:?}"), run).await.unwrap().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {stderr}\n{}", self.log());
        String::from_utf8(output.stdout).unwrap()
    }

    /// The processes of its workers.
    pub(super) async fn pids(&self) -> Vec<u32> {
        let status: serde_json::Value = serde_json::from_str(&self.run(&["status", "--json"]).await).unwrap();
        let workers = status["apps"][0]["workers"].as_array().unwrap();
        workers.iter().map(|worker| worker["pid"].as_u64().unwrap().try_into().unwrap()).collect()
    }

    /// Waits until the workers have accepted this many connections: whoever waits in the queue is not under way.
    pub(super) async fn until_accepted(&self, count: usize) {
        let local = format!("0100007F:{:04X}", self.addr.port());
        eventually("connections that were accepted", || {
            // proc_net_tcp(5): the local address, the remote one, the state (01: established), queues, timers, the user, a
            // timeout, the inode; a connection that nobody has accepted has none.
            let tcp = std::fs::read_to_string("/proc/net/tcp").ok()?;
            let accepted = tcp.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let accepted = accepted.filter(|row| row[1] == local && row[3] == "01" && row[9] != "0");
            (accepted.count() == count).then_some(())
        })
        .await;
    }

    pub(super) fn signal(&self, number: Signal) {
        signal(self.master.as_ref().unwrap().id(), number);
    }

    /// Ends it, and proves that every worker there ever was has left as it was asked, and that nothing is left.
    pub(super) async fn end_proves_that_all_left_in_order(self) {
        self.run(&["suspend", "{app}"]).await;
        self.run(&["resume", "{app}"]).await;
        let events = self.run(&["events", "--json"]).await;
        self.run(&["down"]).await;
        let ends = events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let ends = ends.filter(|event| event["event"] == "exited");
        for end in ends {
            assert_eq!(end["exit"]["kind"], "normal_exit", "{end} {}", self.log());
        }
        assert!(!events.contains("deadline_missed"), "{events}");
        assert_eq!(self.ends().await, Some(0));
    }

    /// Proves that nothing is left.
    pub(super) async fn is_gone(&self) {
        eventually("the end of all", || of_app(&self.name).is_empty().then_some(())).await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut master) = self.master.take() {
            let _ = master.kill();
            let _ = master.wait_with_output();
            for worker in of_app(&self.name) {
                // It may have left in this moment.
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(worker.cast_signed()), SIGKILL);
            }
        }
    }
}

/// Asks on a connection of its own; the body of a whole answer. What is asked is with the kernel at once.
pub(super) fn asked(to: SocketAddr, target: &str) -> impl Future<Output = Option<String>> + use<> {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").unwrap();
    let answer = tokio::task::spawn_blocking(move || {
        let mut answer = String::new();
        // A connection that broke has brought no answer.
        let _ = stream.read_to_string(&mut answer);
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
    });
    async { answer.await.unwrap() }
}

/// The command, on the control socket of this directory.
fn drover(dir: &Path) -> Command {
    let mut command = Command::new(program!("drover_command"));
    command.arg("-s").arg(dir.join("control.sock")).stdin(Stdio::null());
    command
}
