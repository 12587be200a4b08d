//! gunicorn behind a socket of Drover's, which it takes by `LISTEN_FDS`.

use std::net::SocketAddr;
use std::time::Duration;

use drover_e2e::load::exchange::Form;
use drover_e2e::load::generator::{self, Clients, Load};

use super::site::Site;

/// How many requests it has to answer while it is operated.
const REQUESTS: u64 = 300;

/// How long that may take on a machine that has much else to do.
const ENOUGH: Duration = Duration::from_secs(120);

/// Each takes a connection for each request: a kept one that is idle is closed by a gunicorn that leaves.
const CLIENTS: Clients = Clients { once: 3, kept: 0, slow: 3 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gunicorn_loses_no_request_while_it_is_reloaded_and_scaled() {
    let Some(mut site) = Site::of("gunicorn", &["gunicorn"]) else { return };
    // A worker that is slow to begin would miss a SIGTERM that comes before.
    let slowly =
        "def post_fork(server, worker):\n    __import__(\"time\").sleep(0.3)\n\n\ndef post_worker_init(";
    site.change("gunicorn.conf.py", "def post_worker_init(", slowly);
    site.start().await;
    assert_eq!(site.worker().await["status"], "its worker is up");
    let addr = SocketAddr::from((site.host(), 8000));
    let load = Load::greedy(generator::Service { form: Form::Echo, ..generator::Service::at(addr) }, CLIENTS);
    load.until(REQUESTS / 5, ENOUGH).await;
    for step in [
        &["reload", "gunicorn"][..],
        &["scale", "gunicorn=3"],
        &["scale", "gunicorn=1"],
        &["scale", "gunicorn=2"],
        &["restart", "gunicorn/0"],
    ] {
        site.run(step).await;
    }
    load.until(REQUESTS, ENOUGH).await;
    let tally = load.end().await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    drover_e2e::complain(&format!("gunicorn: {tally}"));
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_gunicorn_can_not_read_leaves_the_old_one_at_work() {
    let Some(mut site) = Site::of("gunicorn", &["gunicorn"]) else { return };
    site.start().await;
    let before = site.pids().await;
    site.change("app.py", "def app(", "def app[");
    let output = site.output_of(&["reload", "gunicorn"]).await;
    assert_eq!(output.status.code(), Some(8), "it was rolled back: {output:?}\n{}", site.log());
    assert_eq!(site.pids().await, before);
    assert!(site.log().contains("SyntaxError"), "{}", site.log());
    site.end().await;
}
