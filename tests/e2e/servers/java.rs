//! The HttpServer of the JDK, which knows nothing of Drover: an agent has it take over the socket.

use super::{CLIENTS, operated};
use crate::foreign_workers::java_package;
use crate::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn httpserver_loses_no_request_while_it_is_reloaded_and_scaled() {
    let Some(mut site) = Site::of("servers/httpserver", &["java", "javac"]) else { return };
    if !java_package::builds(&site.path("")).await {
        return;
    }
    site.start().await;
    let tally = operated(&site, 8000, CLIENTS).await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    site.end().await;
}
