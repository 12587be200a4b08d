//! nginx as a neighbour, where it is installed: the same load through it, and its own reload.
//!
//! It answers by a proxy to workers that are left alone, so its latencies have a hop more; how long its workers take to be
//! replaced, and whether a request is lost, can be compared.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use drover_e2e::harness::{eventually, signal};
use nix::sys::signal::{SIGHUP, SIGTERM};
use tempfile::TempDir;

const NGINX: &str = "nginx";

/// A master with its workers. Dropped, it is ended.
#[derive(Debug)]
pub(crate) struct Nginx {
    child: Option<Child>,
    addr: SocketAddr,
    workers: usize,
    _dir: TempDir,
}

impl Nginx {
    /// This many workers in front of a service; none if nginx is not installed.
    pub(crate) async fn start(workers: u32, service: SocketAddr) -> Option<Self> {
        let dir = tempfile::tempdir().expect("there is room for a directory");
        // The port is free again when nginx binds it, unless somebody is very quick.
        let addr =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port is free");
        let path = dir.path().display();
        let text = format!(
            "daemon off; pid {path}/pid; error_log {path}/log; worker_processes {workers};\n\
             events {{ worker_connections 4096; }}\n\
             http {{\n\
                 access_log off;\n\
                 client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;\n\
                 server {{ listen {addr} backlog=1024; location / {{ proxy_pass http://{service}; }} }}\n\
             }}\n"
        );
        fs::write(dir.path().join("nginx.conf"), text).expect("there is room");
        let mut command = Command::new(NGINX);
        command.arg("-p").arg(dir.path()).arg("-c").arg(dir.path().join("nginx.conf"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let nginx = Self { child: Some(child), addr, workers: workers as usize, _dir: dir };
        let is_up =
            || (nginx.children().len() == nginx.workers && TcpStream::connect(addr).is_ok()).then_some(());
        eventually("nginx", is_up).await;
        Some(nginx)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map(Child::id).expect("it runs")
    }

    /// Replaces all workers, until the last old one is gone.
    pub(crate) async fn reload(&self) {
        let old = self.children();
        signal(self.pid(), SIGHUP);
        let is_done = || {
            let now = self.children();
            (now.len() == self.workers && now.is_disjoint(&old)).then_some(())
        };
        eventually("the reload of nginx", is_done).await;
    }

    /// The processes of its workers: proc_pid_task(5).
    fn children(&self) -> BTreeSet<u32> {
        let pid = self.pid();
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            // Not SIGKILL: its workers would stay. Not waited for, so the pid is its own.
            signal(child.id(), SIGTERM);
            let _ = child.wait_with_output();
        }
    }
}
