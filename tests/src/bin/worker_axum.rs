//! No vice. An axum app on "http" that says its slot. Called `web`, as in the README, it says on port 9000 + slot of the same host that
//! it is alive.

use std::error::Error;

use axum::Router;
use axum::routing::get;
use drover_worker::MessageBus;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let is_of_readme = std::env::args_os().next().is_some_and(|name| name == "./web");
    MessageBus::builder()
        .serve(async |bus| {
            let slot = bus.identity().slot;
            let listener = bus.listener("http")?;
            if is_of_readme {
                let host = listener.local_addr()?.ip();
                let port = 9000 + u16::try_from(slot)?;
                tokio::spawn(tell_that_it_is_alive((host, port).into()));
            }
            bus.started().await?;
            let slot = slot.to_string();
            bus.serve_axum(listener, Router::new().route("/", get(|| async { slot }))).await?;
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
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
