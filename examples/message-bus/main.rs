//! Three workers of one HTTP app that share what they know: a count of all visits, and a greeting that anyone may change.
//!
//! This is the main context, and what is shared is kept here. Workers ask it for the count and the greeting (`on_message`); when the
//! greeting changes it publishes that to all of them (`Master::bus`). What a worker does is in `worker.rs`; `drover.toml`
//! beside it is the same app for `drover up`, where nobody keeps a count.

#![expect(clippy::print_stdout, reason = "the example shows on the terminal what happens")]

use std::env;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use drover_examples::Failure;
use drover_master::{Command, ErrorCode, Master, Message, Outcome, Signals, StartError};
use tokio::sync::watch;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    // `cargo build` puts both binaries side by side.
    let worker = env::current_exe()?.with_file_name("message-bus-worker");
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8089".to_owned());

    let shared = Arc::new(Shared { visits: AtomicU64::new(0), greeting: watch::Sender::new("Hello".into()) });
    let asked = Arc::clone(&shared);
    let master = Master::builder("app", Command::new(worker))
        .workers(3)
        .listen("http", &address)
        .on_message(move |message| asked.answer(message))
        .signals(Signals::shutdown())
        .build()?;

    let bus = master.bus();
    let mut greeting = shared.greeting.subscribe();
    let mut life = pin!(live(&master));
    let mut display = tokio::time::interval(Duration::from_secs(2));
    let outcome = loop {
        tokio::select! {
            outcome = &mut life => break outcome?,
            // It never fails: `shared` has the sender.
            Ok(()) = greeting.changed() => {
                let text = greeting.borrow_and_update().clone();
                let delivery = bus.publish("greeting", text.clone())?;
                println!("the greeting is \"{text}\" now, {} workers are told", delivery.delivered);
            }
            _ = display.tick() => {
                for worker in master.snapshot().workers {
                    println!("[app-{}]: {}", worker.slot, worker.phase);
                }
            }
        }
    };
    let visits = shared.visits.load(Ordering::Relaxed);
    if !outcome.is_success() {
        return Err(Failure::new(format!("app {outcome}")));
    }
    println!("app {outcome}, after {visits} visits");
    Ok(())
}

/// What the workers share.
struct Shared {
    visits: AtomicU64,
    greeting: watch::Sender<String>,
}

impl Shared {
    /// Answers a worker. The tasks that read the connections call it, and wait meanwhile: so it does nothing that takes long.
    fn answer(&self, mut message: Message<'_>) {
        match (message.topic(), message.responder()) {
            ("visit", Some(responder)) => {
                let visits = self.visits.fetch_add(1, Ordering::Relaxed) + 1;
                responder.reply(visits.to_string());
            }
            ("greeting", Some(responder)) => responder.reply(self.greeting.borrow().clone()),
            ("greeting/new", Some(responder)) => match std::str::from_utf8(message.payload()) {
                Ok(text) => {
                    self.greeting.send_replace(text.to_owned());
                    responder.reply("");
                }
                Err(error) => responder.refuse(ErrorCode::InvalidArgument, format!("no text: {error}")),
            },
            (topic, Some(responder)) => {
                responder.refuse(ErrorCode::Unimplemented, format!("nobody here answers `{topic}`"));
            }
            (_, None) => {}
        }
    }
}

/// Starts the app and waits until it has ended.
async fn live(master: &Master) -> Result<Outcome, Failure> {
    match master.start().await {
        Ok(()) => {
            if let Some(address) = master.listener_addr("http") {
                println!("app: 3 workers on http://{address}, Ctrl-C ends them");
            }
        }
        // Ctrl-C came before all were ready. They are ending, and `wait` tells when they have.
        Err(StartError::Interrupted { .. }) => {}
        Err(error) => return Err(Failure::of_start(error)),
    }
    Ok(master.wait().await?)
}
