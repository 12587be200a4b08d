//! The sockets of a worker, by name.

use std::os::fd::OwnedFd;
use std::path::Path;

use tokio::net::UdpSocket;

use super::MessageBus;
use crate::error::ListenerError;
use crate::listener::{self, Listener, UnixListener};
use crate::sys::SocketKind;

impl MessageBus {
    /// Takes the listener of this name: handed over by the master, or in standalone mode bound to the address given
    /// with [`standalone_listen`](crate::MessageBusBuilder::standalone_listen). Each can be taken once; by a worker that was
    /// [resumed](Self::resume_requested), once more.
    ///
    /// # Errors
    ///
    /// [`ListenerError`]: the socket is missing, taken, not TCP, not for this process, or its address is in use.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub fn listener(&self, name: &str) -> Result<Listener, ListenerError> {
        let listener = self.shared.listeners.take(name)?;
        self.shared.leave_with(listener.leaver());
        Ok(listener)
    }

    /// Takes the Unix listener of this name: handed over by the master, or in standalone mode bound to the path given with
    /// [`standalone_listen`](crate::MessageBusBuilder::standalone_listen). Each can be taken once.
    ///
    /// In standalone mode a socket at which nobody listens any more is replaced, and the path is left behind at the end.
    ///
    /// # Errors
    ///
    /// [`ListenerError`]: the socket is missing, taken, no Unix stream socket, not for this process, or its path is in use.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub fn unix_listener(&self, name: &str) -> Result<UnixListener, ListenerError> {
        let bind = |path: &str| listener::unix::bind(Path::new(path.strip_prefix("unix:").unwrap_or(path)));
        let socket = self.shared.listeners.socket(name, SocketKind::UnixListener, bind)?;
        let io = |source| ListenerError::Io { name: name.to_owned(), address: None, source };
        let listener = UnixListener::from_std(socket.into()).map_err(io)?;
        tracing::debug!(target: "drover::worker", name, address = ?listener.local_addr().ok(), "listening");
        self.shared.leave_with(listener.leaver());
        Ok(listener)
    }

    /// Takes the UDP socket of this name: handed over by the master, or in standalone mode bound to the address given with
    /// [`standalone_listen`](crate::MessageBusBuilder::standalone_listen). Each can be taken once.
    ///
    /// All workers receive from the one socket; a datagram goes to whoever asks first. A worker that is asked to stop ceases to
    /// receive and drops the socket; what is queued then is for the others, or for its successor.
    ///
    /// # Errors
    ///
    /// [`ListenerError`]: the socket is missing, taken, not UDP, not for this process, or its address is in use.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub fn udp_socket(&self, name: &str) -> Result<UdpSocket, ListenerError> {
        let bind = |address: &str| {
            std::net::UdpSocket::bind(address.strip_prefix("udp:").unwrap_or(address)).map(OwnedFd::from)
        };
        let socket = std::net::UdpSocket::from(self.shared.listeners.socket(name, SocketKind::Udp, bind)?);
        let address = socket.local_addr().ok();
        let usable = socket.set_nonblocking(true).and_then(|()| UdpSocket::from_std(socket));
        let socket = usable.map_err(|source| ListenerError::Io { name: name.to_owned(), address, source })?;
        tracing::debug!(target: "drover::worker", name, ?address, "receiving");
        Ok(socket)
    }
}
