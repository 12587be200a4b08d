//! The worker of `single-app-cluster`: an HTTP service in axum.
//!
//! `/` tells who answers; `/slow` takes 2 s, time enough to press Ctrl-C and see that it is still answered.
//!
//! Started by hand it does without a master, on the address in `LISTEN`.

#![expect(clippy::print_stdout, reason = "the example shows on the terminal what happens")]

use std::env;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use drover_examples::Failure;
use drover_worker::MessageBus;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let worker = MessageBus::builder().standalone_listen("http", address);
    worker.serve(round).await
}

/// From the start to the end of the drain; once more each time the worker is resumed.
async fn round(bus: &MessageBus) -> Result<(), Failure> {
    let listener = bus.listener("http")?;
    if bus.is_standalone() {
        println!("alone on http://{}, Ctrl-C ends it", listener.local_addr()?);
    }

    let identity = bus.identity();
    let me: Arc<str> = format!("{}-{}, pid {}", identity.app, identity.slot, process::id()).into();
    let app = Router::new().route("/", get(hello)).route("/slow", get(slow)).with_state(me);

    bus.started().await?;
    // Returns when no connection is taken any more and every request is answered.
    bus.serve_axum(listener, app).await?;
    Ok(())
}

async fn hello(State(me): State<Arc<str>>) -> String {
    format!("Hello from {me}\n")
}

async fn slow(State(me): State<Arc<str>>) -> String {
    println!("{me}: a slow request has begun");
    tokio::time::sleep(Duration::from_secs(2)).await;
    format!("Hello at last from {me}\n")
}
