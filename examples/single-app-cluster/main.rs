//! Four workers of one HTTP app on one port.
//!
//! This is the main context: it makes the master, shows every 2 s how the workers are, and waits for the end. What a worker
//! does is in `worker.rs`; `drover.toml` beside it is the same app for `drover up`.

#![expect(clippy::print_stdout, reason = "the example shows on the terminal what happens")]

use std::env;
use std::pin::pin;
use std::time::Duration;

use drover_examples::Failure;
use drover_master::{Command, Master, Outcome, Signals, StartError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    // `cargo build` puts both binaries side by side.
    let worker = env::current_exe()?.with_file_name("single-app-cluster-worker");
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());

    let master = Master::builder("app", Command::new(worker))
        .workers(4)
        .listen("http", &address)
        .signals(Signals::shutdown())
        .build()?;

    let mut life = pin!(live(&master));
    let mut display = tokio::time::interval(Duration::from_secs(2));
    let outcome = loop {
        tokio::select! {
            outcome = &mut life => break outcome?,
            _ = display.tick() => {
                for worker in master.snapshot().workers {
                    println!("[app-{}]: {}", worker.slot, worker.phase);
                }
            }
        }
    };
    if !outcome.is_success() {
        return Err(Failure::new(format!("app {outcome}")));
    }
    println!("app {outcome}");
    Ok(())
}

/// Starts the app and waits until it has ended.
async fn live(master: &Master) -> Result<Outcome, Failure> {
    match master.start().await {
        Ok(()) => {
            if let Some(address) = master.listener_addr("http") {
                println!("app: 4 workers on http://{address}, Ctrl-C ends them");
            }
        }
        // Ctrl-C came before all were ready. They are ending, and `wait` tells when they have.
        Err(StartError::Interrupted { .. }) => {}
        Err(error) => return Err(Failure::of_start(error)),
    }
    Ok(master.wait().await?)
}
