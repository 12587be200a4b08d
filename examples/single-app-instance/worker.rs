//! The worker of `single-app-instance`: an HTTP service in axum, and the least a worker needs.
//!
//! Started by hand it does without a master, on the address in `LISTEN`.

#![expect(clippy::print_stdout, reason = "the example shows on the terminal what happens")]

use std::env;
use std::process;

use axum::Router;
use axum::routing::get;
use drover_examples::Failure;
use drover_worker::MessageBus;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8084".to_owned());

    // Connect to the master and take over the socket that it has opened.
    let bus = MessageBus::builder().standalone_listen("http", address).connect().await?;
    let listener = bus.listener("http")?;
    if bus.is_standalone() {
        println!("alone on http://{}, Ctrl-C ends it", listener.local_addr()?);
    }

    let hello = format!("Hello from {}-{}, pid {}\n", bus.identity().app, bus.identity().slot, process::id());
    let app = Router::new().route("/", get(|| async { hello }));

    // Ready. Serve until the master says stop and every request is answered.
    bus.started().await?;
    axum::serve(listener, app).with_graceful_shutdown(bus.stopping()).await?;
    bus.stopped().await?;

    // The master may keep a stopped worker for a while. Leave when it says so.
    bus.quit_requested().await;
    bus.shut_down().await?;
    Ok(())
}
