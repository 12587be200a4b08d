//! Socket activation: a service manager has opened the sockets before Drover.

use std::net::SocketAddr;
use std::process::Command;

use drover_e2e::harness::{Process, patiently, signal, variable_of};
use nix::sys::signal::SIGTERM;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

/// `drover run` with these options under a service manager that opens sockets of these names, and where those listen.
async fn activated(names: &str, options: &[&str]) -> (Process, Vec<SocketAddr>, u32) {
    let mut process = Process::start(
        Command::new(program!("activator"))
            .args([names, program!("drover_command"), "run", "--protocol", "drover"])
            .args(options)
            .args(["--", program!("worker_good")]),
    );
    let mut addrs = Vec::new();
    for _ in names.split(':') {
        addrs.push(process.line().await.parse().unwrap());
    }
    let pid = process.line().await.parse().unwrap();
    (process, addrs, pid)
}

/// The slot and the pid of the worker that serves there.
async fn served_by(addr: SocketAddr) -> (String, u32) {
    let stream = patiently("a connection", TcpStream::connect(addr)).await.unwrap();
    let mut greeting = String::new();
    patiently("a greeting", BufReader::new(stream).read_line(&mut greeting)).await.unwrap();
    let (slot, pid) = greeting.trim_end().split_once(' ').unwrap();
    (slot.to_owned(), pid.parse().unwrap())
}

#[tokio::test]
async fn a_socket_is_taken_by_its_name_wherever_it_listens_and_outlives_drover() {
    // The port of the option is none that could be bound: it is not even tried.
    let (mut process, addrs, pid) = activated("http", &["-l", "http=192.0.2.1:1"]).await;
    let (slot, worker) = served_by(addrs[0]).await;
    assert_eq!(slot, "0");
    assert_eq!(variable_of(worker, "LISTEN_FDS").as_deref(), Some("1"));
    assert_eq!(variable_of(worker, "LISTEN_FDNAMES").as_deref(), Some("http"));
    assert_eq!(variable_of(worker, "LISTEN_PID"), Some(worker.to_string()), "its own, not Drover's");
    let sockets = std::fs::read_dir(format!("/proc/{worker}/fd")).unwrap().flatten();
    let listening = sockets.filter(|fd| {
        let is_third = fd.file_name() == "3";
        is_third && std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
    });
    assert_eq!(listening.count(), 1);
    signal(pid, SIGTERM);
    assert_eq!(process.line().await, "still listens");
    let ended = process.end().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(!ended.stderr.contains("nobody serves"), "{ended:#?}");
}

#[tokio::test]
async fn a_socket_is_taken_by_its_address_and_one_that_nobody_asked_for_is_a_warning() {
    let (mut process, addrs, pid) = activated("app.socket:metrics", &["-l", "http=ADDR"]).await;
    served_by(addrs[0]).await;
    signal(pid, SIGTERM);
    assert_eq!(process.line().await, "still listens");
    let ended = process.end().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let warning = format!(
        "no listener has the name or the address of the socket metrics ({}), which was handed over; nobody serves it",
        addrs[1]
    );
    assert!(ended.stderr.contains(&warning), "{ended:#?}");
    assert!(!ended.stderr.contains("socket app.socket"), "{ended:#?}");
}

#[tokio::test]
async fn a_socket_of_another_kind_than_its_listener_is_refused() {
    let (mut process, addrs, _) = activated("http", &["-l", "http=udp:127.0.0.1:0"]).await;
    assert_eq!(process.line().await, "still listens");
    let ended = process.end().await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let error = "listener `http`: the socket that was handed over for it is a TCP socket, not one for udp:127.0.0.1:0";
    assert!(ended.stderr.contains(error), "{ended:#?}");
    assert_eq!(addrs.len(), 1);
}

#[tokio::test]
async fn a_master_in_the_background_could_not_keep_the_sockets_and_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("drover.toml");
    std::fs::write(
        &file,
        "version = 1\nsockets.http.listen = '127.0.0.1:1'\napp.a = { command = 'true', sockets = ['http'] }\n",
    )
    .unwrap();
    let mut process = Process::start(
        Command::new(program!("activator"))
            .args(["http", program!("drover_command"), "up", "-d", "-f"])
            .arg(&file),
    );
    process.line().await;
    process.line().await;
    assert_eq!(process.line().await, "still listens");
    let ended = process.end().await;
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("leave -d and --wait out"), "{ended:#?}");
}
