//! No vice. An axum app on "http" that says its slot.

use std::error::Error;

use axum::Router;
use axum::routing::get;
use drover_worker::MessageBus;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    MessageBus::builder()
        .serve(async |bus| {
            let slot = bus.identity().slot.to_string();
            let listener = bus.listener("http")?;
            bus.started().await?;
            bus.serve_axum(listener, Router::new().route("/", get(|| async { slot }))).await?;
            Ok(())
        })
        .await
}
