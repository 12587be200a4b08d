//! net/http in Go, which is a worker by one call.

use super::{CLIENTS, operated};
use crate::foreign_workers::go_module;
use crate::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn net_http_loses_no_request_while_it_is_reloaded_and_scaled() {
    let Some(mut site) = Site::of("servers/net-http", &[]) else { return };
    if !go_module::builds(&site.path("")).await {
        return;
    }
    site.start().await;
    let tally = operated(&site, 8000, CLIENTS).await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    site.end().await;
}
