//! Clients of HTTP/2, as gRPC has them, while the workers they talk to come and go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use drover_e2e::harness::{App, patiently};
use drover_master::Reload;
use h2::Reason;
use h2::client::{ResponseFuture, SendRequest};
use hyper::Request;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const RELOADS: usize = 10;

/// What clients ask for: some have a stream open whenever a worker is asked to stop.
const PATHS: [&str; 6] = ["/", "/", "/", "/slow", "/slow", "/slow"];

#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) answers: usize,
    pub(crate) connections: usize,
    pub(crate) failures: Vec<h2::Error>,
}

/// Sends one request.
fn send(requests: &mut SendRequest<Bytes>, path: &str) -> Result<ResponseFuture, h2::Error> {
    let request = Request::get(format!("http://drover{path}")).body(()).expect("a request");
    requests.send_request(request, true).map(|(answer, _)| answer)
}

/// Waits for its answer, without a second try.
async fn answered(answer: ResponseFuture) -> Result<(), h2::Error> {
    let answer = answer.await?;
    assert!(answer.status().is_success(), "{answer:?}");
    let mut body = answer.into_body();
    while let Some(part) = body.data().await {
        body.flow_control().release_capacity(part?.len())?;
    }
    Ok(())
}

/// Opens a connection and asks on it, one request after the other, until the server says that it takes no more; then the next one.
pub(crate) async fn client(to: SocketAddr, path: &'static str, is_over: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    while !is_over.load(Ordering::Relaxed) {
        let stream = TcpStream::connect(to).await.unwrap();
        let (mut requests, connection) = match h2::client::handshake(stream).await {
            Ok(open) => open,
            Err(error) => {
                seen.failures.push(error);
                continue;
            }
        };
        let connection = tokio::spawn(connection);
        seen.connections += 1;
        // An error here is GOAWAY: nothing was sent.
        while let Ok(mut ready) = requests.ready().await {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            // GOAWAY may come in this moment, too, where the connection has a thread of its own.
            let answer = match send(&mut ready, path) {
                Ok(answer) => answer,
                Err(error) if error.is_go_away() && error.reason() == Some(Reason::NO_ERROR) => break,
                Err(error) => {
                    seen.failures.push(error);
                    break;
                }
            };
            match answered(answer).await {
                Ok(()) => seen.answers += 1,
                Err(error) => seen.failures.push(error),
            }
            requests = ready;
        }
        connection.abort();
    }
    seen
}

#[tokio::test]
async fn clients_of_http2_that_never_try_again_lose_no_request_over_ten_reloads() {
    let app =
        App::started(App::builder(program!("worker_axum")).workers(2).listen("http", "127.0.0.1:0")).await;
    let to = app.master().listener_addr("http").unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for path in PATHS {
        clients.spawn(client(to, path, Arc::clone(&is_over)));
    }
    for _ in 0..RELOADS {
        patiently("the reload", app.master().reload(Reload::new())).await.unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    let (mut answers, mut connections) = (0, 0);
    while let Some(seen) = patiently("the clients", clients.join_next()).await {
        let seen = seen.unwrap();
        assert!(seen.failures.is_empty(), "{seen:?}");
        answers += seen.answers;
        connections += seen.connections;
    }
    drover_e2e::say(&format!("{answers} answers on {connections} connections"));
    // Every reload ends all connections that are open.
    assert!(answers > connections && connections >= RELOADS, "{answers} answers, {connections} connections");
    app.end().await;
}
