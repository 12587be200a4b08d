//! The worker that the protocol's page ends with: Python, without any library, run as it stands there.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::process::Command;
use std::time::Duration;

use drover_e2e::harness::{App, PATIENCE, patiently};
use drover_master::config::Heartbeat;
use drover_master::{ExitReason, Master};

/// The page's last block of Python.
fn worker() -> String {
    let page = include_str!("../../docs/reference/protocol.md");
    let (_, block) = page.rsplit_once("```python\n").unwrap();
    let (program, _) = block.split_once("```").unwrap();
    assert!(program.starts_with("\"\"\"A whole Drover worker"), "{program}");
    program.to_owned()
}

fn answer_of(master: &Master) -> String {
    let mut stream = TcpStream::connect(master.listener_addr("http").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_worker_of_the_protocols_page_lives_a_whole_life() {
    if Command::new("python3").arg("--version").output().is_err() {
        drover_e2e::complain("SKIPPED: python3 is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("worker.py");
    std::fs::write(&file, worker()).unwrap();
    let mut spec = App::builder("python3").workers(2).listen("http", "127.0.0.1:0").spec().clone();
    spec.command = drover_master::Command::new("python3").arg(file);
    // It answers its heartbeats, or it would not live to be stopped.
    spec.heartbeat =
        Some(Heartbeat { interval: Duration::from_millis(50), misses: NonZeroU32::new(40).unwrap() });
    let app = App::started(drover_master::MasterBuilder::from_spec(spec)).await;
    for _ in 0..20 {
        let master = app.master().clone();
        let answer = tokio::task::spawn_blocking(move || answer_of(&master));
        assert!(patiently("an answer", answer).await.unwrap().ends_with("hello\n"));
    }
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    for worker in app.master().snapshot().workers {
        assert_eq!(worker.last_exit.unwrap().reason, ExitReason::NormalExit);
        assert_eq!(worker.restarts, 0);
    }
    assert!(!app.all_events().iter().any(|event| event.name() == "deadline_missed"));
    app.end().await;
}
