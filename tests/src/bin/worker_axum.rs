//! No vice. An axum app on "http" that says its slot: at `/` at once, at `/slow` after a while. Called `./web`, as in the README, it says on
//! port 9000 + slot of the same host that it is alive.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use drover_worker::MessageBus;

/// How long a slow request takes: longer than it takes to tell a client of the stop.
const SLOW: Duration = Duration::from_millis(150);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    MessageBus::builder()
        .serve(async |bus| {
            let slot = bus.identity().slot.to_string();
            let slow = slot.clone();
            let slow = async move || {
                tokio::time::sleep(SLOW).await;
                slow
            };
            let listener = bus.listener("http")?;
            if std::env::args_os().next().is_some_and(|name| name == "./web") {
                let port = 9000 + u16::try_from(bus.identity().slot)?;
                tokio::spawn(tell_that_it_is_alive((listener.local_addr()?.ip(), port).into()));
            }
            bus.started().await?;
            let app = Router::new().route("/", get(|| async { slot })).route("/slow", get(slow));
            bus.serve_axum(listener, app).await?;
            Ok(())
        })
        .await
}

/// During a reload the worker before it has the port for a while.
async fn tell_that_it_is_alive(addr: std::net::SocketAddr) {
    loop {
        if let Ok(listener) = tokio::net::TcpListener::bind(addr).await {
            let app = Router::new().route("/live", get(|| async { "alive" }));
            // It ends with the process.
            let _ = axum::serve(listener, app).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
