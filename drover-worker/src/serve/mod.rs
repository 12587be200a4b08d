//! An axum app for one round of a worker: served, counted, and drained so that no client loses a request.

mod accept;
mod peek;

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode, Version};
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;

use self::peek::{ClientStream, Seen};
use crate::handle::MessageBus;
use crate::lifecycle::in_flight::{InFlight, Work};

/// How long an HTTP/2 connection without a request has to be silent, after it was told to end, to be taken for one whose client is gone.
/// Shorter: a client that was held up loses a request. Longer: a stop takes that long where clients have vanished.
const SILENCE: Duration = Duration::from_secs(5);

impl MessageBus {
    /// Serves an axum app until the worker is asked to stop and every request is answered. With the feature `axum`.
    ///
    /// Beyond `axum::serve` it
    ///
    /// - reports the number of requests [under way](Self::in_flight), each until its body is sent, and of those that are done;
    /// - from the request to stop on answers with `Connection: close` (HTTP/1), so that clients which keep connections open go
    ///   elsewhere by themselves;
    /// - leaves idle connections open [until then](Self::letting_go), for a request may be on its way on each, and closes them
    ///   thereafter;
    /// - tells HTTP/2 connections at once, by GOAWAY: requests that cross with it are still answered, and the connection ends when
    ///   its last stream has;
    /// - waits for connections that were upgraded, such as WebSockets: a task that holds one hears of the stop by
    ///   [`stop_requested`](Self::stop_requested), and says goodbye when it likes, until the deadline.
    ///
    /// Handlers have the client's address from axum's `ConnectInfo`: of a [`Listener`](crate::Listener) it is
    /// `ConnectInfo<SocketAddr>`. The listener may also be a [`UnixListener`](crate::UnixListener), or one of your own around
    /// either, such as one that speaks TLS.
    ///
    /// HTTP/2, and with it gRPC, needs the feature `http2`. A tonic service is an axum app by `Routes::into_axum_router`.
    ///
    /// # Errors
    ///
    /// None today, as of `axum::serve`.
    ///
    /// # Cancel safety
    ///
    /// A dropped future takes no further connection; those that are open are served and drained by tasks of their own.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use axum::{Router, routing::get};
    /// use drover_worker::MessageBus;
    ///
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let app = Router::new().route("/", get(|| async { "hello" }));
    ///     MessageBus::builder()
    ///         .standalone_listen("http", "127.0.0.1:8080")
    ///         .serve(async |bus| {
    ///             let listener = bus.listener("http")?;
    ///             bus.started().await?;
    ///             bus.serve_axum(listener, app.clone()).await?;
    ///             Ok(())
    ///         })
    ///         .await
    /// }
    /// ```
    pub async fn serve_axum<L>(&self, mut listener: L, app: Router) -> io::Result<()>
    where
        L: Listener,
        L::Addr: Clone + Sync + 'static,
    {
        let app = TowerToHyperService::new(app.with_state(()));
        let (open, served) = (watch::Sender::new(0), watch::Sender::new(()));
        let (stopping, letting_go) = (self.stopping(), self.letting_go());
        let mut open_now = open.subscribe();
        let closing = async move {
            stopping.await;
            tokio::select! {
                // The sender lives as long as this call.
                _ = open_now.wait_for(|open| *open == 0) => {}
                () = letting_go => {}
            }
        };
        let mut closing = pin!(closing);
        loop {
            let (io, peer) = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut closing => break,
            };
            let (io, seen) = ClientStream::new(io, &open);
            let (serving, connection) =
                (served.subscribe(), self.clone().connection(io, seen, peer, app.clone()));
            tokio::spawn(async move {
                connection.await;
                drop(serving);
            });
        }
        drop(listener);
        served.closed().await;
        // To hyper a connection is over once it is upgraded; the task that has it now may still be at work.
        let closed = async {
            let mut open_now = open.subscribe();
            // Fails only without a sender, and `open` is here.
            let _all_closed = open_now.wait_for(|open| *open == 0).await;
        };
        self.unless_told_to_leave(closed).await;
        Ok(())
    }

    /// Serves one connection to its end.
    async fn connection<I, P>(
        self,
        io: ClientStream<I>,
        seen: Seen,
        peer: P,
        app: TowerToHyperService<Router>,
    ) where
        I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
        P: Clone + Send + Sync + 'static,
    {
        let work = Arc::new(Work::default());
        let service = {
            let (bus, work) = (self.clone(), Arc::clone(&work));
            service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer.clone()));
                // HTTP/2 forbids the header, and says by GOAWAY what it says here.
                let has_header = request.version() <= Version::HTTP_11;
                let (bus, under_way) = (bus.clone(), [bus.in_flight(), work.begin()]);
                let answer = app.call(request);
                async move {
                    let Ok::<_, Infallible>(mut response) = answer.await;
                    // The `Connection` of a 101 names the protocol to come.
                    if has_header && bus.is_stopping() && response.status() != StatusCode::SWITCHING_PROTOCOLS
                    {
                        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    Ok::<Response<CountedBody>, Infallible>(
                        response.map(|body| CountedBody { body, _under_way: under_way }),
                    )
                }
            })
        };
        #[cfg_attr(not(feature = "http2"), expect(unused_mut, reason = "HTTP/2 has more to set"))]
        let mut server = auto::Builder::new(TokioExecutor::new());
        // For WebSockets over HTTP/2, as `axum::serve` does.
        #[cfg(feature = "http2")]
        server.http2().enable_connect_protocol();
        let mut connection = pin!(server.serve_connection_with_upgrades(TokioIo::new(io), service));
        let Seen { is_http2, moved } = seen;
        let letting_go = self.letting_go();
        let told_at_once = async {
            self.asked_to_stop().await;
            // An error: it is not HTTP/2, or over.
            if is_http2.await.is_err() {
                std::future::pending().await
            }
        };
        let is_http2 = tokio::select! {
            // The client counts what became of it.
            _ = connection.as_mut() => return,
            () = told_at_once => true,
            () = letting_go => false,
        };
        connection.as_mut().graceful_shutdown();
        let is_abandoned = async {
            if !is_http2 {
                // hyper has closed it, or answers its last request.
                std::future::pending().await
            }
            loop {
                work.idle().await;
                let before = moved.bytes();
                tokio::time::sleep(SILENCE).await;
                if work.is_idle() && moved.bytes() == before {
                    return;
                }
            }
        };
        tokio::select! {
            _ = connection.as_mut() => {}
            () = is_abandoned => tracing::debug!(
                target: "drover::worker",
                "an HTTP/2 connection is closed: it does not answer GOAWAY"
            ),
        }
    }
}

/// A body whose request is under way until it is sent, or until its client has gone.
struct CountedBody {
    body: Body,
    /// For the worker, and for the connection.
    _under_way: [InFlight; 2],
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
