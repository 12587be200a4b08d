//! The worker of `multi-app-cluster`: an HTTP service in hyper, for whichever app its argument names.
//!
//! `/` tells who answers; `/slow` takes 2 s, time enough to press Ctrl-C and see that it is still answered.
//!
//! Started by hand it does without a master, on the address in `LISTEN`.

#![expect(clippy::print_stdout, reason = "the example shows on the terminal what happens")]

use std::convert::Infallible;
use std::env;
use std::process;
use std::time::Duration;

use drover_examples::Failure;
use drover_worker::MessageBus;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;

/// How long to wait after a failed `accept`, such as one without a free file descriptor.
const PAUSE: Duration = Duration::from_millis(100);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let app = env::args().nth(1).unwrap_or_else(|| "foo".to_owned());
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8081".to_owned());
    let bus = MessageBus::builder().standalone_listen(&app, address).connect().await?;
    // The socket has the app's name: in a drover.toml, three sockets can't all be called "http".
    let listener = bus.listener(&app)?;
    if bus.is_standalone() {
        println!("{app} alone on http://{}, Ctrl-C ends it", listener.local_addr()?);
    }

    let me = format!("{app}-{}, pid {}", bus.identity().slot, process::id());
    let connections = GracefulShutdown::new();

    bus.started().await?;
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    println!("{me}: can't accept: {error}");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
            _ = bus.stop_requested() => break,
        };
        let me = me.clone();
        let service = service_fn(move |request| answer(me.clone(), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // A client that went away in the middle is its own affair.
            let _ = connection.await;
        });
    }

    // Connections that still queue are for the other workers; those that are open finish their request.
    drop(listener);
    // What was taken just before has the time to say what it wants.
    bus.stopping().await;
    connections.shutdown().await;
    bus.stopped().await?;

    bus.quit_requested().await;
    bus.shut_down().await?;
    Ok(())
}

async fn answer(me: String, request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let (status, text) = match request.uri().path() {
        "/" => (StatusCode::OK, format!("Hello from {me}\n")),
        "/slow" => {
            println!("{me}: a slow request has begun");
            tokio::time::sleep(Duration::from_secs(2)).await;
            (StatusCode::OK, format!("Hello at last from {me}\n"))
        }
        _ => (StatusCode::NOT_FOUND, "Nothing here\n".to_owned()),
    };
    let mut response = Response::new(text);
    *response.status_mut() = status;
    Ok(response)
}
