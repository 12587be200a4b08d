//! Servers in Ruby, which take Drover's socket as a descriptor.

use super::{CLIENTS, operated};
use crate::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn puma_loses_no_request_while_it_is_reloaded_and_scaled() {
    let Some(mut site) = Site::of("servers/puma", &["puma"]) else { return };
    site.start().await;
    let tally = operated(&site, 8000, CLIENTS).await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webrick_loses_no_request_while_it_is_reloaded_and_scaled() {
    let Some(mut site) = Site::of("servers/webrick", &["ruby"]) else { return };
    site.start().await;
    let tally = operated(&site, 8000, CLIENTS).await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    site.end().await;
}
