//! UDP sockets, by name.

use std::os::fd::OwnedFd;

use tokio::net::UdpSocket;

use crate::bus::MessageBus;
use crate::error::ListenerError;
use crate::sys::SocketKind;

impl MessageBus {
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
