//! HTTP/1 on the inherited listener: says who answers; drains when told to stop.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use drover_worker::MessageBus;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

/// How long `/slow` takes: long enough to press Ctrl-C while it does.
const SLOW: Duration = Duration::from_secs(2);

/// How long a request may take to arrive: a client that sends half of one does not hold up the drain for longer.
const HALF_A_REQUEST: Duration = Duration::from_secs(2);

/// Serves until the master says stop, finishes what is under way; goes on when it is resumed, or leaves.
pub(super) async fn serve() -> Result<(), Box<dyn Error>> {
    let worker = MessageBus::builder().standalone_listen("http", "127.0.0.1:1999");
    let answered = Cell::new(0);
    LocalSet::new().run_until(worker.serve(async |bus| round(bus, &answered).await)).await
}

/// From Started to the end of the drain.
async fn round(bus: &MessageBus, answered: &Cell<u64>) -> Result<(), Box<dyn Error>> {
    let listener = bus.listener("http")?;
    let app = Rc::new(App { bus: bus.clone(), answered: Cell::new(answered.get()) });
    let (drain, draining) = watch::channel(false);
    let mut connections = JoinSet::new();

    bus.started().await?;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn_local(Rc::clone(&app).connection(stream, draining.clone()));
                }
                // A connection that broke before it was taken; the listener is as it was.
                Err(_) => continue,
            },
            Some(_) = connections.join_next() => {}
            _ = bus.stop_requested() => break,
        }
    }
    // No more connections are taken. What comes on those that are open is answered, and each closes with its next answer.
    drop(listener);
    tokio::select! {
        () = all(&mut connections) => {}
        // Idle ones close now, busy ones finish their request.
        () = bus.letting_go() => {
            drain.send_replace(true);
            all(&mut connections).await;
        }
    }
    answered.set(app.answered.get());
    Ok(())
}

async fn all(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

struct App {
    bus: MessageBus,
    answered: Cell<u64>,
}

impl App {
    async fn connection(self: Rc<Self>, stream: TcpStream, mut draining: watch::Receiver<bool>) {
        let service = service_fn(|request| self.answer(request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HALF_A_REQUEST)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        loop {
            tokio::select! {
                // A client that went away is not news to a demo.
                _ = connection.as_mut() => return,
                _ = draining.changed() => connection.as_mut().graceful_shutdown(),
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let _in_flight = self.bus.in_flight();
        if request.uri().path() == "/slow" {
            tokio::time::sleep(SLOW).await;
        }
        self.answered.set(self.answered.get() + 1);
        let (slot, pid, count) = (self.bus.identity().slot, std::process::id(), self.answered.get());
        let mut response = Response::new(Full::from(format!("worker {slot}, pid {pid}, answer {count}\n")));
        if self.bus.is_stopping() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}
