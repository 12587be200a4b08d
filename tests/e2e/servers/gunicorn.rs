//! gunicorn behind a socket of Drover's, which it takes by `LISTEN_FDS`.

use super::{CLIENTS, operated};
use crate::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gunicorn_loses_no_request_while_it_is_reloaded_and_scaled() {
    let Some(mut site) = Site::of("servers/gunicorn", &["gunicorn"]) else { return };
    // A worker that is slow to begin would miss a SIGTERM that comes before.
    let slowly =
        "def post_fork(server, worker):\n    __import__(\"time\").sleep(0.3)\n\n\ndef post_worker_init(";
    site.change("gunicorn.conf.py", "def post_worker_init(", slowly);
    site.start().await;
    assert_eq!(site.worker().await["status"], "its worker is up");
    let tally = operated(&site, 8000, CLIENTS).await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_gunicorn_can_not_read_leaves_the_old_one_at_work() {
    let Some(mut site) = Site::of("servers/gunicorn", &["gunicorn"]) else { return };
    site.start().await;
    let before = site.pids().await;
    site.change("app.py", "def app(", "def app[");
    let output = site.output_of(&["reload", "gunicorn"]).await;
    assert_eq!(output.status.code(), Some(8), "it was rolled back: {output:?}\n{}", site.log());
    assert_eq!(site.pids().await, before);
    assert!(site.log().contains("SyntaxError"), "{}", site.log());
    site.end().await;
}
