//! haproxy before an app: it replaces its own worker at SIGUSR2, and takes Drover's socket as a descriptor.

use super::{CLIENTS, operated};
use crate::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_loses_no_request_while_it_is_reloaded_and_scaled() {
    let Some(mut site) = Site::of("servers/haproxy", &["haproxy", "python3"]) else { return };
    site.start().await;
    let tally = operated(&site, 8000, CLIENTS).await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_keeps_its_configuration_where_the_new_one_is_wrong() {
    let Some(mut site) = Site::of("servers/haproxy", &["haproxy", "python3"]) else { return };
    site.start().await;
    let before = site.pids().await;
    site.change("haproxy.cfg", "mode http", "mode htpt");
    site.run(&["reload", "haproxy"]).await;
    assert_eq!(site.pids().await, before);
    let said = site.log();
    assert!(said.contains("'htpt'") && said.contains("Loading failure!"), "{said}");
    site.end().await;
}
