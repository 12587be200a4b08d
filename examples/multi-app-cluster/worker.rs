//! The worker of `multi-app-cluster`: an HTTP service in hyper, for whichever app its argument names.
//!
//! `/` tells who answers; `/slow` takes 2 s, time enough to press Ctrl-C and see that it is still answered.
//!
//! Started by hand it does without a master, on the address in `LISTEN`.

#![expect(clippy::print_stdout, reason = "the example shows on the terminal what happens")]

use std::convert::Infallible;
use std::env;
use std::pin::pin;
use std::process;
use std::time::Duration;

use drover_examples::Failure;
use drover_worker::MessageBus;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long to wait after a failed `accept`, such as one without a free file descriptor.
const PAUSE: Duration = Duration::from_millis(100);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let app = env::args().nth(1).unwrap_or_else(|| "foo".to_owned());
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8081".to_owned());
    // The socket has the app's name: in a drover.toml, three sockets can't all be called "http".
    let worker = MessageBus::builder().standalone_listen(&app, address);
    worker.serve(async |bus| round(bus, &app).await).await
}

/// From the start to the end of the drain; once more each time the worker is resumed.
async fn round(bus: &MessageBus, app: &str) -> Result<(), Failure> {
    let listener = bus.listener(app)?;
    if bus.is_standalone() {
        println!("{app} alone on http://{}, Ctrl-C ends it", listener.local_addr()?);
    }
    let me = format!("{app}-{}, pid {}", bus.identity().slot, process::id());
    let mut connections = JoinSet::new();
    let (close, closing) = watch::channel(false);

    bus.started().await?;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, bus.clone(), me.clone(), closing.clone()));
                }
                Err(error) => {
                    println!("{me}: can't accept: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = bus.stop_requested() => break,
        }
    }

    // Connections that still queue are for the other workers. Those that are open are served on: each closes with its next answer,
    // and what has been idle for a while after the stop is closed then.
    drop(listener);
    tokio::select! {
        () = all(&mut connections) => {}
        () = bus.letting_go() => {
            close.send_replace(true);
            all(&mut connections).await;
        }
    }
    Ok(())
}

async fn all(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

/// Serves one connection until it is closed: by the client, by its last answer, or idle as it is.
async fn connection(stream: TcpStream, bus: MessageBus, me: String, mut closing: watch::Receiver<bool>) {
    let service = service_fn(|request| {
        // What is under way is counted, and the master told.
        let (in_flight, answer) = (bus.in_flight(), answer(me.clone(), request));
        let bus = &bus;
        async move {
            let mut response = answer.await?;
            if bus.is_stopping() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            drop(in_flight);
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // A client that went away in the middle is its own affair.
        _ = connection.as_mut() => {}
        _ = closing.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
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
