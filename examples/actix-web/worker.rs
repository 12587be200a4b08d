//! A worker in actix-web, which has a server of its own that takes connections by itself. So the drain is told to it step by step.
//!
//! Started by hand it does without a master, on the address in `LISTEN`.

#![expect(clippy::print_stdout, reason = "the example shows on the terminal what happens")]

use std::env;
use std::process;
use std::time::Duration;

use actix_web::dev::Service;
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{App, HttpServer, web};
use drover_examples::Failure;
use drover_worker::MessageBus;

/// Threads that serve; the processes are the master's part.
const THREADS: usize = 1;

/// Longer than any `stop.drain_timeout`: how long a drain may take is the master's word.
const NO_DEADLINE_OF_ITS_OWN: u64 = 24 * 60 * 60;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8090".to_owned());
    MessageBus::builder().standalone_listen("http", address).serve(round).await
}

/// From the start to the end of the drain; once more each time the worker is resumed.
async fn round(bus: &MessageBus) -> Result<(), Failure> {
    // actix accepts by itself, from a plain socket.
    let listener = bus.listener("http")?.into_std()?;
    if bus.is_standalone() {
        println!("alone on http://{}, Ctrl-C ends it", listener.local_addr()?);
    }
    let me = format!("slot {}, pid {}", bus.identity().slot, process::id());
    let app = {
        let bus = bus.clone();
        move || {
            let (me, slow, bus) = (me.clone(), me.clone(), bus.clone());
            App::new()
                .wrap_fn(move |request, app| {
                    let (bus, answer) = (bus.clone(), app.call(request));
                    async move {
                        let mut answer = answer.await?;
                        // From the stop on each answer is the last of its connection, unless that is something else from here on.
                        if bus.is_stopping() && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                            answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
                        }
                        Ok(answer)
                    }
                })
                .route("/", web::get().to(move || std::future::ready(format!("Hello from {me}\n"))))
                .route("/slow", web::get().to(move || sleep_and_answer(slow.clone())))
        }
    };
    let server = HttpServer::new(app)
        .workers(THREADS)
        .disable_signals()
        .shutdown_timeout(NO_DEADLINE_OF_ITS_OWN)
        .listen(listener)?
        .run();
    let handle = server.handle();
    let serving = tokio::spawn(server);
    bus.started().await?;

    bus.stop_requested().await;
    // 1. No connection is taken any more; those that queue are for the other workers.
    handle.pause().await;
    // 2. Open ones are still answered, now for the last time.
    bus.letting_go().await;
    // 3. Those that were idle all the time are closed, and what is under way is finished.
    handle.stop(true).await;
    match serving.await {
        Ok(served) => Ok(served?),
        Err(panic) => Err(panic.into()),
    }
}

async fn sleep_and_answer(me: String) -> String {
    actix_web::rt::time::sleep(Duration::from_millis(300)).await;
    format!("Hello at last from {me}\n")
}
