//! No vice. An axum app on "http" that says its slot: at `/` at once, at `/slow` after a while.

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
            bus.started().await?;
            let app = Router::new().route("/", get(|| async { slot })).route("/slow", get(slow));
            bus.serve_axum(listener, app).await?;
            Ok(())
        })
        .await
}
