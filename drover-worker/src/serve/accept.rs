//! `axum::serve` on a [`Listener`] or a [`UnixListener`].

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpStream, UnixStream};

use crate::listener::pause_after;
use crate::{Listener, UnixListener};

/// Errors do not end it: after one of a single connection it goes on at once, after one such as `EMFILE` in 1 s. Each of the latter is
/// logged.
///
/// For handlers that take `ConnectInfo<SocketAddr>` the listener is tapped, because axum knows the address of tokio's listener and of
/// tapped ones only (`MessageBus::serve_axum` needs none of this):
///
/// ```
/// # use std::net::SocketAddr;
/// # use axum::extract::ConnectInfo;
/// use axum::serve::ListenerExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let listener = drover_worker::Listener::from_std(socket)?;
/// # let app: axum::Router = axum::Router::new();
/// let app = app.into_make_service_with_connect_info::<SocketAddr>();
/// let server = axum::serve(listener.tap_io(|_| {}), app);
/// # drop(server);
/// # Ok(())
/// # }
/// ```
impl axum::serve::Listener for Listener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match Self::accept(self).await {
                Ok(connection) => return connection,
                Err(error) => wait_out(&error).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}

/// As with TCP. A client of a Unix socket has no address that tells anything.
impl axum::serve::Listener for UnixListener {
    type Io = UnixStream;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> (UnixStream, Self::Addr) {
        loop {
            match Self::accept(self).await {
                Ok(connection) => return connection,
                Err(error) => wait_out(&error).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Self::local_addr(self)
    }
}

async fn wait_out(error: &io::Error) {
    if let Some(pause) = pause_after(error) {
        tracing::error!(target: "drover::worker", %error, "cannot accept; trying again in {pause:?}");
        tokio::time::sleep(pause).await;
    }
}
