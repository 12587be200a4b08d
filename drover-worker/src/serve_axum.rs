//! An axum app for one round of a worker: served, counted, and drained so that no client loses a request.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode, Version};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::bus::MessageBus;
use crate::in_flight::InFlight;
use crate::listener::Listener;

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
    /// - waits for connections that were upgraded, such as WebSockets: a task that holds one hears of the stop by
    ///   [`stop_requested`](Self::stop_requested), and says goodbye when it likes, until the deadline.
    ///
    /// Handlers have the client's address from axum's `ConnectInfo<SocketAddr>`.
    ///
    /// # Errors
    ///
    /// None today, as of `axum::serve`.
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
    pub async fn serve_axum(&self, listener: Listener, app: Router) -> io::Result<()> {
        let open = watch::Sender::new(0);
        let app = app.layer(from_fn_with_state(self.clone(), attend));
        let (stopping, letting_go) = (self.stopping(), self.letting_go());
        let mut open_now = open.subscribe();
        let closing = async move {
            stopping.await;
            tokio::select! {
                // The sender lives as long as the listener, which is dropped after this.
                _ = open_now.wait_for(|open| *open == 0) => {}
                () = letting_go => {}
            }
        };
        let mut upgraded = open.subscribe();
        let app = app.into_make_service_with_connect_info::<Peer>();
        axum::serve(Counting { listener, open }, app).with_graceful_shutdown(closing).await?;
        // To hyper a connection is over once it is upgraded; the task that has it now may still be at work.
        let closed = async move {
            // Without a sender none is open.
            let _all_closed = upgraded.wait_for(|open| *open == 0).await;
        };
        self.unless_told_to_leave(closed).await;
        Ok(())
    }
}

/// A client's address. A type of our own, because axum's trait can't be implemented for the standard library's.
#[derive(Debug, Clone, Copy)]
struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, Counting>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Counting>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Around every request of the app.
async fn attend(State(bus): State<MessageBus>, mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(Peer(peer))) = request.extensions().get().copied() {
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    let in_flight = bus.in_flight();
    // HTTP/2 forbids the header, and says by GOAWAY what it says here.
    let has_header = request.version() <= Version::HTTP_11;
    let mut response = next.run(request).await;
    // The `Connection` of a 101 names the protocol to come.
    if has_header && bus.is_stopping() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| Body::new(Attended { body, _in_flight: in_flight }))
}

/// A body whose request is under way until it is sent, or until its client has gone.
struct Attended {
    body: Body,
    _in_flight: InFlight,
}

impl HttpBody for Attended {
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

/// A listener that knows how many of its connections are open.
struct Counting {
    listener: Listener,
    open: watch::Sender<usize>,
}

impl axum::serve::Listener for Counting {
    type Io = Counted;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Counted, SocketAddr) {
        let (stream, peer) = axum::serve::Listener::accept(&mut self.listener).await;
        self.open.send_modify(|open| *open += 1);
        (Counted { stream, open: self.open.clone() }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that is counted until it is closed.
struct Counted {
    stream: TcpStream,
    open: watch::Sender<usize>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.send_modify(|open| *open -= 1);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
