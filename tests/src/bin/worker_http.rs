//! No vice: HTTP/1 on the inherited listener, for load; it can rest and go on. `/` is answered at once, `/slow?ms=200` after that time; the answer
//! tells the request's number and, in `x-worker`, the pid and the generation.
//!
//! It notes in `E2E_NOTES` when it serves and which connections it takes, and is what the version there says. Without a master
//! it says "ready" where it would say Started.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::fs::File;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use drover_e2e::load::exchange::{WORKER_HEADER, body};
use drover_e2e::load::notes::{Life, Notes, VARIABLE, Version};
use drover_worker::{Identity, Listener, MessageBus};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONNECTION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

/// For so long after the request to stop an open connection may still bring a request, whose answer then says that it is the
/// last. Every client of the load sends its next one much earlier.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

/// How long a worker lives that crashes.
const BEFORE_THE_CRASH: Duration = Duration::from_millis(20);

type Fallible<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let notes = Notes::new(drover_e2e::setting(VARIABLE).expect("E2E_NOTES is set"));
    let pid = std::process::id();
    notes.life(Life::Begins { pid }).expect("notes can be appended");
    // None without a master.
    let generation = drover_e2e::setting("DROVER_GENERATION").unwrap_or(0);
    let ended = match notes.version(generation) {
        Version::Good => LocalSet::new().run_until(serve(&notes)).await,
        Version::Fails => Err("this version can't start".into()),
        Version::NeverReady => never_ready().await,
        Version::Crashes => crash(&notes).await,
    };
    notes.life(Life::Ends { pid }).expect("notes can be appended");
    let Err(error) = ended else { return ExitCode::SUCCESS };
    drover_e2e::complain(&error.to_string());
    ExitCode::FAILURE
}

/// All that outlives a rest of the worker.
struct Server<'a> {
    notes: &'a Notes,
    accepts: File,
}

async fn serve(notes: &Notes) -> Fallible<()> {
    let server = Server { notes, accepts: notes.accepts()? };
    let builder = MessageBus::builder().standalone_listen("http", "127.0.0.1:0");
    builder.serve(async |bus| server.round(bus).await).await
}

impl Server<'_> {
    /// Serves until it is asked to stop, and finishes what is under way.
    async fn round(&self, bus: &MessageBus) -> Fallible<()> {
        let listener = listener(bus)?;
        let (pid, port) = (std::process::id(), listener.local_addr()?.port());
        let Identity { slot, generation, .. } = *bus.identity();
        let app = Rc::new(App { generation, leaves: Cell::new(false) });
        let (quiet, quieted) = watch::channel(false);
        let mut connections = JoinSet::new();
        // Before the master may count on it.
        self.notes.life(Life::Serves { pid, slot, port, generation })?;
        bus.started().await?;
        if bus.is_standalone() {
            drover_e2e::say("ready");
        }
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    // One that broke before it was taken; the listener is as it was.
                    let Ok((stream, peer)) = accepted else { continue };
                    Notes::accepted(&self.accepts, peer.port())?;
                    connections.spawn_local(Rc::clone(&app).connection(stream, quieted.clone()));
                }
                Some(_) = connections.join_next() => {}
                _ = bus.stop_requested() => break,
            }
        }
        drop(listener);
        self.notes.life(Life::Ceases { pid })?;
        app.leaves.set(true);
        let finish = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_REQUESTS, finish).await.is_err() {
            quiet.send_replace(true);
            while connections.join_next().await.is_some() {}
        }
        Ok(())
    }
}

/// The master's, or the one that a bare prefork program has put at a number.
fn listener(bus: &MessageBus) -> Fallible<Listener> {
    Ok(match drover_e2e::inherited_listener() {
        Some(listener) => Listener::from_std(listener)?,
        None => bus.listener("http")?,
    })
}

async fn never_ready() -> Fallible<()> {
    let bus = MessageBus::connect().await?;
    bus.quit_requested().await;
    bus.shut_down().await?;
    Ok(())
}

async fn crash(notes: &Notes) -> Fallible<()> {
    let bus = MessageBus::connect().await?;
    bus.started().await?;
    tokio::time::sleep(BEFORE_THE_CRASH).await;
    notes.life(Life::Crashes { pid: std::process::id() })?;
    std::process::abort()
}

struct App {
    generation: u64,
    /// Whether each answer is the last of its connection.
    leaves: Cell<bool>,
}

impl App {
    async fn connection(self: Rc<Self>, stream: TcpStream, mut quiet: watch::Receiver<bool>) {
        let service = service_fn(|request| self.answer(request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        loop {
            tokio::select! {
                // The client counts what became of it.
                _ = connection.as_mut() => return,
                _ = quiet.changed() => connection.as_mut().graceful_shutdown(),
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let query = request.uri().query().unwrap_or_default();
        let number = |wanted: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == wanted).and_then(|(_, value)| value.parse::<u64>().ok())
        };
        if let Some(slow) = number("ms") {
            tokio::time::sleep(Duration::from_millis(slow)).await;
        }
        let worker = format!("{} {}", std::process::id(), self.generation);
        let mut answer = Response::builder().header(WORKER_HEADER, worker);
        if self.leaves.get() {
            answer = answer.header(CONNECTION, "close");
        }
        let answer = answer.body(Full::from(body(number("id").unwrap_or(0))));
        Ok(answer.expect("a number is a value of a header"))
    }
}
