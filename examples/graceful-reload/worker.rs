//! The worker of `graceful-reload`: an HTTP service in axum, for whichever app its argument names.
//!
//! `/` tells who answers; `/slow` takes 2 s, time enough to see that a worker answers it though it has to leave.
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
    let app = env::args().nth(1).unwrap_or_else(|| "foo".to_owned());
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8087".to_owned());
    // The socket has the app's name: in a drover.toml, two sockets can't both be called "http".
    let worker = MessageBus::builder().standalone_listen(&app, address);
    worker.serve(async |bus| round(bus, &app).await).await
}

/// From the start to the end of the drain; once more each time the worker is resumed.
async fn round(bus: &MessageBus, app: &str) -> Result<(), Failure> {
    let listener = bus.listener(app)?;
    if bus.is_standalone() {
        println!("{app} alone on http://{}, Ctrl-C ends it", listener.local_addr()?);
    }

    let me: Arc<str> = format!("{app}-{}, pid {}", bus.identity().slot, process::id()).into();
    let routes = Router::new().route("/", get(hello)).route("/slow", get(slow)).with_state(me);

    bus.started().await?;
    // Returns when no connection is taken any more and every request is answered.
    bus.serve_axum(listener, routes).await?;
    Ok(())
}

async fn hello(State(me): State<Arc<str>>) -> String {
    format!("{} from {me}\n", greeting())
}

/// What a reload changes.
fn greeting() -> String {
    env::var("GREETING").unwrap_or_else(|_| "Hello".to_owned())
}

async fn slow(State(me): State<Arc<str>>) -> String {
    println!("{me}: a slow request has begun");
    tokio::time::sleep(Duration::from_secs(2)).await;
    format!("{} at last from {me}\n", greeting())
}
