//! Who of several workers takes a connection.

use std::time::Duration;

use drover_e2e::accepts::Shares;
use drover_e2e::harness::{App, signal};
use nix::sys::signal::{SIGCONT, SIGSTOP};

const WORKERS: usize = 4;

async fn four() -> App {
    let workers = App::builder(program!("worker_accepts")).workers(4).listen("http", "127.0.0.1:0");
    App::started(workers).await
}

/// On a loaded machine the time between two connections only grows.
async fn shares(app: &App, connections: usize, burst: usize, pause: Duration) -> Shares {
    let to = app.master().listener_addr("http").unwrap();
    let counting = tokio::task::spawn_blocking(move || {
        let mut shares = Shares::of(WORKERS);
        shares.count(to, connections, burst, pause).unwrap();
        shares
    });
    counting.await.unwrap()
}

#[tokio::test]
async fn connections_that_come_apart_are_shared_evenly() {
    let app = four().await;
    let shares = shares(&app, 4000, 1, Duration::from_millis(1)).await;
    assert_eq!(shares.sum(), 4000);
    assert!(shares.max_to_min() <= 1.3, "{shares:?}");
    app.end().await;
}

#[tokio::test]
async fn a_burst_is_taken_by_more_than_one_worker() {
    let app = four().await;
    let shares = shares(&app, 1000, 10, Duration::from_millis(5)).await;
    assert_eq!(shares.sum(), 1000);
    // How even they are depends on who else wants the CPUs; that is measured by the benchmark.
    assert!(shares.max_to_min() <= 3.0, "{shares:?}");
    app.end().await;
}

#[tokio::test]
async fn a_worker_that_hangs_holds_up_one_connection_at_most() {
    let app = four().await;
    signal(app.pid(0), SIGSTOP);
    // Its turn comes once, and the connection that it was told of is taken with the next.
    let to = app.master().listener_addr("http").unwrap();
    let clients: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(to).unwrap()).collect();
    let mut slots = Vec::new();
    for client in clients {
        client.set_read_timeout(Some(drover_e2e::harness::PATIENCE)).unwrap();
        let mut slot = [0];
        std::io::Read::read_exact(&mut &client, &mut slot).unwrap();
        slots.push(slot[0]);
    }
    assert!(!slots.contains(&0), "it takes nothing: {slots:?}");
    signal(app.pid(0), SIGCONT);
    app.end().await;
}
