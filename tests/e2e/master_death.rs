//! A master that dies without a word.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use drover_e2e::harness::{PATIENCE, Process, eventually, is_running};
use nix::sys::signal::{SIGKILL, SIGTERM};

/// A master whose sockets lie below this directory, with a listener; its port and the pids of its workers.
async fn master(runtime_dir: &Path, worker: &str) -> (Process, u16, Vec<u32>) {
    let mut process = Process::start(
        Command::new(program!("master"))
            .args(["drover", worker, "127.0.0.1:0"])
            .env("XDG_RUNTIME_DIR", runtime_dir)
            .env("E2E_SIGNALS", "1"),
    );
    let line = process.line().await;
    let mut numbers =
        line.strip_prefix("ready ").unwrap().split(' ').map(|number| number.parse::<u32>().unwrap());
    let port = numbers.next().unwrap().try_into().unwrap();
    (process, port, numbers.collect())
}

/// What lies where masters keep the sockets of their workers.
fn directories(runtime_dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(runtime_dir.join("drover-workers")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn gone(pids: &[u32]) {
    for pid in pids {
        eventually("the worker to leave", || (!is_running(*pid)).then_some(())).await;
    }
}

#[tokio::test]
async fn workers_of_a_killed_master_serve_who_is_there_and_leave_and_the_next_master_tidies_up() {
    let dir = tempfile::tempdir().unwrap();
    let (process, port, workers) = master(dir.path(), program!("worker_good")).await;
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = BufReader::new(stream);
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    let served_by: u32 = line.trim_end().split(' ').nth(1).unwrap().parse().unwrap();
    let others: Vec<u32> = workers.into_iter().filter(|pid| *pid != served_by).collect();

    process.signal(SIGKILL);
    assert_eq!(process.end().await.code, None);
    gone(&others).await;
    // The one that serves drains first: nothing of the conversation is lost.
    line.clear();
    client.get_mut().write_all(b"and now?\n").unwrap();
    client.read_line(&mut line).unwrap();
    assert_eq!(line, "and now?\n");
    assert!(is_running(served_by));
    drop(client);
    gone(&[served_by]).await;

    let stale = directories(dir.path());
    assert_eq!(stale.len(), 1, "a killed master can't tidy up: {stale:?}");
    let (next, ..) = master(dir.path(), program!("worker_good")).await;
    let now = directories(dir.path());
    assert!(now.len() == 1 && now != stale, "{stale:?}, then {now:?}");
    next.signal(SIGTERM);
    assert_eq!(next.end().await.code, Some(0));
    assert_eq!(directories(dir.path()), [""; 0]);
}

#[tokio::test]
async fn a_worker_that_hangs_when_its_master_dies_ends_with_it_all_the_same() {
    // 300 ms to drain and 5 s to quit is what its master would have given it; the client never lets go.
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(
        Command::new(program!("master"))
            .args(["drover", program!("worker_good"), "127.0.0.1:0"])
            .env("XDG_RUNTIME_DIR", dir.path())
            .env("E2E_DRAIN_MS", "300"),
    );
    let line = process.line().await;
    let numbers: Vec<u32> =
        line.strip_prefix("ready ").unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
    let stream = TcpStream::connect(("127.0.0.1", numbers[0].try_into().unwrap())).unwrap();
    let mut client = BufReader::new(stream);
    client.read_line(&mut String::new()).unwrap();
    process.signal(SIGKILL);
    process.end().await;
    gone(&numbers[1..]).await;
}

#[tokio::test]
async fn plain_workers_die_with_their_master() {
    let (process, workers) = crate::signals::master("none", "sleep", &[("E2E_ARGS", "300")]).await;
    assert!(workers.iter().all(|pid| is_running(*pid)));
    process.signal(SIGKILL);
    process.end().await;
    gone(&workers).await;
}

#[tokio::test]
async fn two_living_masters_leave_each_others_sockets_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (first, ..) = master(dir.path(), program!("worker_good")).await;
    let (second, ..) = master(dir.path(), program!("worker_good")).await;
    assert_eq!(directories(dir.path()).len(), 2);
    for process in [first, second] {
        process.signal(SIGTERM);
        assert_eq!(process.end().await.code, Some(0));
    }
    assert_eq!(directories(dir.path()), [""; 0]);
}

#[tokio::test]
async fn a_runtime_directory_that_others_may_write_to_is_refused_with_the_remedy() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("drover-workers");
    std::fs::create_dir(&base).unwrap();
    std::fs::set_permissions(&base, std::fs::Permissions::from_mode(0o777)).unwrap();
    let process = Process::start(
        Command::new(program!("master"))
            .args(["drover", program!("worker_good")])
            .env("XDG_RUNTIME_DIR", dir.path()),
    );
    let end = process.end().await;
    assert_eq!(end.code, Some(1));
    let owner = nix::unistd::geteuid();
    assert_eq!(
        end.stderr,
        format!(
            "app `app` can't open the socket for its workers: `{}` belongs to user {owner} or others may write there (mode 777); remove it, or set XDG_RUNTIME_DIR\n",
            base.display()
        )
    );
}
