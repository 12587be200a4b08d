//! The worker of `message-bus`: an HTTP service in axum that knows by messages what all workers share.
//!
//! `/` greets, tells who answers, and which visit of all workers it is; a POST of a text to `/greeting` changes the greeting of all.
//!
//! Started by hand it does without a master, on the address in `LISTEN`: then nobody counts, and the greeting stays.

#![expect(clippy::print_stdout, reason = "the example shows on the terminal what happens")]

use std::env;
use std::future;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use drover_examples::Failure;
use drover_worker::{MessageBus, To};

/// How long the program may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8089".to_owned());
    let worker = MessageBus::builder().messages().standalone_listen("http", address);
    worker.serve(round).await
}

/// What a request needs.
#[derive(Clone)]
struct Desk {
    bus: MessageBus,
    greeting: Arc<Mutex<String>>,
}

/// From the start to the end of the drain; once more each time the worker is resumed.
async fn round(bus: &MessageBus) -> Result<(), Failure> {
    let listener = bus.listener("http")?;
    let desk = Desk { bus: bus.clone(), greeting: Arc::new(Mutex::new("Hello".to_owned())) };

    if bus.is_standalone() {
        println!("alone on http://{}, Ctrl-C ends it", listener.local_addr()?);
        bus.started().await?;
    } else {
        bus.subscribe("greeting").await?;
        // Only who is ready is told of what is published. So it asks after that, and misses no change in between; connections
        // wait in the listener's queue for so long.
        bus.started().await?;
        // `drover up` has nobody who answers: then it is the first greeting.
        if let Ok(greeting) = bus.request(To::App, "greeting", "", PATIENCE).await {
            desk.greet_with(&greeting);
        }
    }

    let app = Router::new().route("/", get(hello)).route("/greeting", post(change)).with_state(desk.clone());
    tokio::select! {
        // Returns when no connection is taken any more and every request is answered.
        served = bus.serve_axum(listener, app) => served?,
        () = desk.hear() => {}
    }
    Ok(())
}

impl Desk {
    /// Takes in what is published, for as long as this is awaited.
    async fn hear(&self) {
        while let Some(message) = self.bus.message().await {
            match message.topic() {
                "greeting" => self.greet_with(message.payload()),
                topic => println!("a message about `{topic}` is nothing to this worker"),
            }
        }
        // No more comes, but requests may still be under way.
        future::pending().await
    }

    fn greet_with(&self, greeting: &[u8]) {
        *self.greeting.lock().unwrap_or_else(PoisonError::into_inner) =
            String::from_utf8_lossy(greeting).into_owned();
    }
}

async fn hello(State(desk): State<Desk>) -> String {
    let greeting = desk.greeting.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let identity = desk.bus.identity();
    let me = format!("{}-{}, pid {}", identity.app, identity.slot, process::id());
    match desk.bus.request(To::App, "visit", "", PATIENCE).await {
        Ok(visits) => format!("{greeting} from {me}\nvisit {}\n", String::from_utf8_lossy(&visits)),
        Err(error) => format!("{greeting} from {me}\nnot counted: {error}\n"),
    }
}

async fn change(State(desk): State<Desk>, greeting: String) -> Result<&'static str, (StatusCode, String)> {
    match desk.bus.request(To::App, "greeting/new", greeting, PATIENCE).await {
        Ok(_) => Ok("all are told\n"),
        Err(error) => Err((StatusCode::BAD_GATEWAY, format!("{error}\n"))),
    }
}
