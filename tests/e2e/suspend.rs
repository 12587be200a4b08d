//! Workers that rest, and go on.

use drover_e2e::harness::{App, of_app, patiently};
use drover_master::{Phase, Target};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

/// The worker here can't go on by itself, as most programs: a new process takes its slot. One that can keeps its own, which
/// the tests of the SDK prove.
#[tokio::test]
async fn suspended_workers_stay_and_serve_again_when_resumed() {
    let builder = App::builder(program!("worker_good")).workers(2).listen("http", "127.0.0.1:0");
    let app = App::started(builder).await;
    let addr = app.master().listener_addr("http").unwrap();
    let old = [app.pid(0), app.pid(1)];
    patiently("the suspension", app.master().suspend(Target::All)).await.unwrap();
    for (slot, pid) in old.into_iter().enumerate() {
        let row = app.worker(slot);
        assert_eq!((row.phase, row.pid), (Phase::Stopped, Some(pid)));
    }
    let status = app.master().snapshot().status;
    assert_eq!((status.phase, status.ready), (Phase::Started, 0));
    // Whoever connects meanwhile waits, and is not refused.
    let mut client = BufReader::new(TcpStream::connect(addr).await.unwrap());
    patiently("the resumption", app.master().resume(Target::All)).await.unwrap();
    let mut greeting = String::new();
    patiently("a greeting", client.read_line(&mut greeting)).await.unwrap();
    assert!(greeting.trim_end().split(' ').nth(1).is_some(), "{greeting:?}");
    drop(client);
    assert_eq!((app.worker(0).phase, app.worker(1).phase), (Phase::Started, Phase::Started));
    assert_eq!(of_app(app.name()).len(), 2);
    app.end().await;
}
