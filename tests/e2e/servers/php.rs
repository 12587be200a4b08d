//! PHP-FPM behind nginx, which has the clients and asks whichever FPM takes its connection.

use super::{CLIENTS, operated};
use crate::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn php_fpm_loses_no_request_while_it_is_reloaded_and_scaled() {
    let Some(mut site) = Site::of("servers/php-fpm", &["php-fpm8.2", "nginx"]) else { return };
    site.start().await;
    // It is started when FPM is ready.
    site.until("nginx", || site.log().contains("drover: nginx is running").then_some(())).await;
    let tally = operated(&site, 8080, CLIENTS).await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    site.end().await;
}
