//! A queue of connections for each slot: whoever connects is served, though workers come and go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use drover_e2e::harness::{App, patiently, signal};
use drover_master::config::{ConfigError, ListenSpec};
use drover_master::{BuildError, Count, MasterBuilder, SlotIndex, Target};
use nix::sys::signal::{SIGCONT, SIGKILL, SIGSTOP};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::policies::{SHORT, at_once};

fn served_by(workers: u32) -> MasterBuilder {
    let http = ListenSpec::new("http", "127.0.0.1:0".parse().unwrap()).reuseport();
    App::builder(program!("worker_good")).workers(workers).listener(http).restart_policy(at_once())
}

/// What a worker answers to a connection that is made for it.
async fn asked(addr: SocketAddr) -> std::io::Result<String> {
    let mut stream = BufReader::new(TcpStream::connect(addr).await?);
    let mut greeting = String::new();
    stream.read_line(&mut greeting).await?;
    stream.write_all(b"how are you\n").await?;
    let mut answer = String::new();
    stream.read_line(&mut answer).await?;
    if answer != "how are you\n" {
        return Err(std::io::Error::other(format!("{answer:?} after the greeting {greeting:?}")));
    }
    Ok(greeting.trim_end().to_owned())
}

/// Clients that make a connection for each request, until they are told to end.
struct Load {
    ends: Arc<AtomicBool>,
    clients: JoinSet<(usize, Vec<String>)>,
}

impl Load {
    fn of(clients: usize, addr: SocketAddr) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let mut load = Self { ends: Arc::clone(&ends), clients: JoinSet::new() };
        for _ in 0..clients {
            let ends = Arc::clone(&ends);
            load.clients.spawn(async move {
                let (mut served, mut lost) = (0, Vec::new());
                while !ends.load(Ordering::Relaxed) {
                    match patiently("an answer", asked(addr)).await {
                        Ok(_) => served += 1,
                        Err(error) => lost.push(error.to_string()),
                    }
                }
                (served, lost)
            });
        }
        load
    }

    /// How many were served, and what became of the others.
    async fn ended(mut self) -> (usize, Vec<String>) {
        self.ends.store(true, Ordering::Relaxed);
        let (mut served, mut lost) = (0, Vec::new());
        while let Some(client) = self.clients.join_next().await {
            let (by_it, not_by_it) = client.unwrap();
            served += by_it;
            lost.extend(not_by_it);
        }
        (served, lost)
    }
}

/// Forty clients of two slots of which one does not answer. Returned when the other seems to have served all of its own.
async fn asked_by_many(addr: SocketAddr, serves: &str) -> JoinSet<std::io::Result<String>> {
    let mut waiting = JoinSet::new();
    for _ in 0..40 {
        waiting.spawn(asked(addr));
    }
    while let Ok(Some(answer)) = tokio::time::timeout(SHORT, waiting.join_next()).await {
        assert_eq!(answer.unwrap().unwrap(), serves);
    }
    waiting
}

/// Those who waited are served: by `late`, or by `serves` if it was slow.
async fn all_served(mut waiting: JoinSet<std::io::Result<String>>, serves: &str, late: &str) {
    let mut served_late = 0;
    while let Some(answer) = patiently("an answer", waiting.join_next()).await {
        let answer = answer.unwrap().unwrap();
        assert!(answer == serves || answer == late, "{answer} instead of {late}");
        served_late += usize::from(answer == late);
    }
    assert!(served_late > 0, "a slot gets half of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_and_changes_of_the_number_of_workers_lose_no_connection() {
    let app = App::started(served_by(4)).await;
    let load = Load::of(6, app.master().listener_addr("http").unwrap());
    for round in 0..20 {
        let restart = app.master().restart(Target::Slot(SlotIndex(round % 4)));
        patiently("the restart", restart).await.unwrap();
    }
    for count in [2, 5, 1, 3, 6, 4, 2, 3, 1, 4] {
        patiently("the change", app.master().scale(Count::To(count))).await.unwrap();
    }
    patiently("all at once", app.master().restart(Target::All)).await.unwrap();
    let (served, lost) = load.ended().await;
    assert_eq!(lost, [""; 0], "of {served} and these");
    assert!(served > 200, "{served}");
    println!("{served} served, none lost");
    app.end().await;
}

#[tokio::test]
async fn a_slot_that_shrinks_away_is_led_around_and_takes_first_what_waits_for_it() {
    let mut app = App::started(served_by(2)).await;
    let addr = app.master().listener_addr("http").unwrap();
    let (stays, leaves) = (format!("0 {}", app.pid(0)), app.pid(1));
    signal(leaves, SIGSTOP);
    let waiting = asked_by_many(addr, &stays).await;

    let scaled = app.master().scale(Count::To(1));
    app.until("stopping").await;
    for _ in 0..40 {
        assert_eq!(patiently("an answer", asked(addr)).await.unwrap(), stays);
    }
    signal(leaves, SIGCONT);
    all_served(waiting, &stays, &format!("1 {leaves}")).await;
    patiently("the change", scaled).await.unwrap();
    app.end().await;
}

#[tokio::test]
async fn what_waits_for_a_worker_that_crashes_is_served_by_the_next_in_its_slot() {
    let mut app = App::started(served_by(2)).await;
    let addr = app.master().listener_addr("http").unwrap();
    let (stays, old) = (format!("0 {}", app.pid(0)), app.pid(1));
    signal(old, SIGSTOP);
    let waiting = asked_by_many(addr, &stays).await;
    signal(old, SIGKILL);
    app.until("exited").await;
    app.until("started").await;
    let next = format!("1 {}", app.pid(1));
    all_served(waiting, &stays, &next).await;
    app.end().await;
}

#[tokio::test]
async fn the_only_worker_is_restarted_while_clients_wait() {
    let app = App::started(served_by(1)).await;
    let load = Load::of(3, app.master().listener_addr("http").unwrap());
    for _ in 0..5 {
        patiently("the restart", app.master().restart(Target::All)).await.unwrap();
    }
    let (served, lost) = load.ended().await;
    assert_eq!(lost, [""; 0], "of {served} and these");
    app.end().await;
}

#[tokio::test]
async fn what_waits_for_suspended_workers_is_not_lost_to_a_smaller_scale() {
    let app = App::started(served_by(3)).await;
    let addr = app.master().listener_addr("http").unwrap();
    patiently("the suspension", app.master().suspend(Target::All)).await.unwrap();
    let mut waiting = JoinSet::new();
    for _ in 0..60 {
        // Connected means queued: on the loopback the handshake is done then.
        let stream = patiently("a connection", TcpStream::connect(addr)).await.unwrap();
        waiting.spawn(async move {
            let mut greeting = String::new();
            patiently("a greeting", BufReader::new(stream).read_line(&mut greeting)).await.map(|_| greeting)
        });
    }
    let scale = patiently("the refusal", app.master().scale(Count::To(1))).await.unwrap_err();
    assert!(scale.to_string().contains("connections wait in the queue of worker"), "{scale}");
    patiently("the resumption", app.master().resume(Target::All)).await.unwrap();
    while let Some(served) = patiently("the next one", waiting.join_next()).await {
        assert!(!served.unwrap().unwrap().is_empty());
    }
    patiently("the scaling", app.master().scale(Count::To(1))).await.unwrap();
    app.end().await;
}

#[tokio::test]
async fn a_unix_socket_and_too_many_workers_are_refused_with_the_reason() {
    let unix = ListenSpec::new("api", "unix:/nowhere/api.sock".parse().unwrap()).reuseport();
    let refused = |app: MasterBuilder| match app.build() {
        Err(BuildError::Config(error @ ConfigError::Listener { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(App::builder("true").listener(unix)),
        "listener `api`: a Unix socket has no mode `reuseport`: use `shared`"
    );
    assert_eq!(
        refused(served_by(1025)),
        "listener `http`: in the mode `reuseport` it serves at most 1024 workers, not 1025: use `shared`"
    );
}
