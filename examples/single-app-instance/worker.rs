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

    // Connects to the master, and runs this until it says quit: once, and again each time it resumes a worker that rests.
    let worker = MessageBus::builder().standalone_listen("http", address);
    let round = async |bus: &MessageBus| {
        // Take over the socket that the master has opened.
        let listener = bus.listener("http")?;
        if bus.is_standalone() {
            println!("alone on http://{}, Ctrl-C ends it", listener.local_addr()?);
        }
        let identity = bus.identity();
        let hello = format!("Hello from {}-{}, pid {}\n", identity.app, identity.slot, process::id());
        let app = Router::new().route("/", get(|| async { hello }));

        // Ready. Serve until the master says stop and every request is answered.
        bus.started().await?;
        bus.serve_axum(listener, app).await?;
        Ok(())
    };
    worker.serve(round).await
}
