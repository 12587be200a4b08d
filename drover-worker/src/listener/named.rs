//! Where a worker's listeners come from: handed over, or bound in standalone mode.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use super::Listener;
use super::listen_fds::ListenFds;
use crate::error::{ListenFdsError, ListenerError};
use crate::sys::SocketKind;

/// The listeners of one bus.
#[derive(Debug)]
pub(crate) enum Listeners {
    /// Those that the master hands over; kept for a worker that can resume.
    UnderMaster { are_kept: bool },
    /// Those that socket activation hands over, then those with an address.
    Standalone { addresses: Vec<(String, String)>, bound: Mutex<HashSet<String>> },
}

impl Listeners {
    pub(crate) fn standalone(addresses: Vec<(String, String)>) -> Self {
        Self::Standalone { addresses, bound: Mutex::default() }
    }

    /// Takes the TCP listener of this name.
    pub(crate) fn take(&self, name: &str) -> Result<Listener, ListenerError> {
        self.take_from(name, ListenFds::of_process())
    }

    /// Those that were taken and kept may be taken again.
    pub(crate) fn offer_again(&self) {
        self.of_kept(ListenFds::offer_again);
    }

    /// Closes what is kept; from here on nothing is.
    pub(crate) fn release(&self) {
        self.of_kept(ListenFds::release);
    }

    fn of_kept(&self, what: impl FnOnce(&ListenFds)) {
        // Without usable variables nothing was taken, and so nothing kept.
        if let (Self::UnderMaster { are_kept: true }, Ok(sockets)) = (self, ListenFds::of_process()) {
            what(&sockets);
        }
    }

    /// Takes the socket of this name and kind; in standalone mode it is bound.
    pub(crate) fn socket(
        &self,
        name: &str,
        kind: SocketKind,
        bind: impl FnOnce(&str) -> io::Result<OwnedFd>,
    ) -> Result<OwnedFd, ListenerError> {
        self.socket_from(name, ListenFds::of_process(), kind, bind)
    }

    fn take_from(
        &self,
        name: &str,
        handed_over: Result<Arc<ListenFds>, ListenFdsError>,
    ) -> Result<Listener, ListenerError> {
        let bind = |address: &str| std::net::TcpListener::bind(address).map(OwnedFd::from);
        let socket = self.socket_from(name, handed_over, SocketKind::TcpListener, bind)?;
        listener(name, socket.into())
    }

    fn socket_from(
        &self,
        name: &str,
        handed_over: Result<Arc<ListenFds>, ListenFdsError>,
        kind: SocketKind,
        bind: impl FnOnce(&str) -> io::Result<OwnedFd>,
    ) -> Result<OwnedFd, ListenerError> {
        let Self::Standalone { addresses, bound } = self else {
            let are_kept = matches!(self, Self::UnderMaster { are_kept: true });
            return handed_over?.take(name, kind, are_kept);
        };
        match handed_over {
            Ok(sockets) if sockets.has(name) => return sockets.take(name, kind, false),
            // A shell that was itself socket-activated may leave these behind: they are not for us.
            Ok(_) | Err(ListenFdsError::OtherProcess { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let Some((_, address)) = addresses.iter().find(|(known, _)| known == name) else {
            return Err(ListenerError::NoAddress { name: name.to_owned() });
        };
        let mut bound = bound.lock().expect("never poisoned");
        if bound.contains(name) {
            return Err(ListenerError::Taken { name: name.to_owned() });
        }
        let socket = bind(address).map_err(|source| ListenerError::Bind {
            name: name.to_owned(),
            address: address.clone(),
            source,
        })?;
        bound.insert(name.to_owned());
        Ok(socket)
    }
}

fn listener(name: &str, socket: std::net::TcpListener) -> Result<Listener, ListenerError> {
    let address = socket.local_addr().ok();
    let listener = Listener::from_std(socket).map_err(|source| ListenerError::Io {
        name: name.to_owned(),
        address,
        source,
    })?;
    tracing::debug!(target: "drover::worker", name, ?address, "listening");
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standalone() -> Listeners {
        Listeners::standalone(vec![
            ("http".to_owned(), "127.0.0.1:0".to_owned()),
            ("nowhere".to_owned(), "127.0.0.1:no".to_owned()),
        ])
    }

    #[tokio::test]
    async fn a_standalone_listener_is_bound_once() {
        let listeners = standalone();
        let nothing = || Ok(Arc::new(ListenFds::default()));
        let listener = listeners.take_from("http", nothing()).unwrap();
        assert_ne!(listener.local_addr().unwrap().port(), 0);
        assert!(matches!(listeners.take_from("http", nothing()), Err(ListenerError::Taken { .. })));
        assert!(matches!(listeners.take_from("admin", nothing()), Err(ListenerError::NoAddress { .. })));
        assert!(matches!(listeners.take_from("nowhere", nothing()), Err(ListenerError::Bind { .. })));
    }

    #[tokio::test]
    async fn sockets_meant_for_another_process_matter_only_under_a_master() {
        let other = || Err(ListenFdsError::OtherProcess { listen_pid: Some("1".into()), pid: 2 });
        assert!(standalone().take_from("http", other()).is_ok());
        let error = Listeners::UnderMaster { are_kept: false }.take_from("http", other()).unwrap_err();
        assert_eq!(error.to_string(), "LISTEN_FDS is for process 1, but this is process 2");
    }

    #[tokio::test]
    async fn a_broken_hand_over_is_told_even_where_an_address_is_known() {
        let broken = Err(ListenFdsError::NotANumber { value: "x".into() });
        assert!(matches!(standalone().take_from("http", broken), Err(ListenerError::ListenFds(_))));
    }

    #[tokio::test]
    async fn a_master_that_hands_nothing_over_is_told_so() {
        let nothing = Ok(Arc::new(ListenFds::default()));
        let error = Listeners::UnderMaster { are_kept: true }.take_from("http", nothing).unwrap_err();
        assert_eq!(error.to_string(), r#"no listener named "http" was handed over; handed over: none"#);
    }
}
