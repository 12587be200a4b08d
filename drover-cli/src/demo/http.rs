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

/// Serves until the master says stop, finishes what is under way, leaves.
pub(super) async fn serve() -> Result<(), Box<dyn Error>> {
    let bus = MessageBus::builder().standalone_listen("http", "127.0.0.1:1999").connect().await?;
    let listener = bus.listener("http")?;
    let app = Rc::new(App { slot: bus.identity().slot, answered: Cell::new(0) });
    let (drain, draining) = watch::channel(false);
    let mut connections = JoinSet::new();

    let local = LocalSet::new();
    local
        .run_until(async {
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
            // No more connections are taken; idle ones close, busy ones finish their request.
            drop(listener);
            // What was taken just before has the time to say what it wants.
            bus.stopping().await;
            drain.send_replace(true);
            while connections.join_next().await.is_some() {}
            bus.stopped().await?;
            bus.quit_requested().await;
            bus.shut_down().await?;
            Ok(())
        })
        .await
}

struct App {
    slot: u32,
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
                // A client that went away is no news to a demo.
                _ = connection.as_mut() => return,
                _ = draining.changed() => connection.as_mut().graceful_shutdown(),
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        if request.uri().path() == "/slow" {
            tokio::time::sleep(SLOW).await;
        }
        self.answered.set(self.answered.get() + 1);
        let (slot, pid, count) = (self.slot, std::process::id(), self.answered.get());
        Ok(Response::new(Full::from(format!("worker {slot}, pid {pid}, answer {count}\n"))))
    }
}
