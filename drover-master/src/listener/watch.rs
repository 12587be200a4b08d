//! Sees when somebody shuts a listening socket down.
//!
//! In an epoll of its own: tokio's would wake the master for each connection that comes. This one is asked for ends alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::io::unix::AsyncFd;

use crate::sys::{self, SharedFd};

/// The sockets that are watched.
#[derive(Debug, Default)]
pub(super) struct Watch {
    ends: Option<(Arc<Ends>, AsyncFd<SharedFd<Ends>>)>,
    /// By number. Held, so that no number is given to another meanwhile.
    watched: HashMap<RawFd, Arc<OwnedFd>>,
}

/// An epoll that is readable when a socket has ended.
#[derive(Debug)]
struct Ends(Epoll);

impl AsFd for Ends {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.as_fd()
    }
}

impl Watch {
    /// Watches these sockets, and no others any more.
    pub(super) fn follow(&mut self, sockets: Vec<Arc<OwnedFd>>) -> io::Result<()> {
        let wanted: HashMap<RawFd, Arc<OwnedFd>> =
            sockets.into_iter().map(|socket| (socket.as_raw_fd(), socket)).collect();
        let is_same = |one: &HashMap<RawFd, Arc<OwnedFd>>, number: &RawFd, socket: &Arc<OwnedFd>| {
            one.get(number).is_some_and(|other| Arc::ptr_eq(other, socket))
        };
        if let Some((ends, _)) = &self.ends {
            for (_, socket) in
                self.watched.iter().filter(|(number, socket)| !is_same(&wanted, number, socket))
            {
                // It is there: it was added, and is still open.
                let _ = ends.0.delete(socket);
            }
        }
        self.watched.retain(|number, socket| is_same(&wanted, number, socket));
        if wanted.is_empty() {
            return Ok(());
        }
        let ends = match self.ends.take() {
            Some(ends) => ends,
            None => {
                let ends = Arc::new(Ends(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?));
                (Arc::clone(&ends), sys::watch_readable(ends)?)
            }
        };
        let (ends, _) = self.ends.insert(ends);
        for (number, socket) in wanted {
            if let Entry::Vacant(place) = self.watched.entry(number) {
                // A Unix socket that was shut down for reading alone does not report HUP at its end.
                ends.0.add(&socket, EpollEvent::new(EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET, 0))?;
                place.insert(socket);
            }
        }
        Ok(())
    }

    /// Waits until one of them may have been shut down.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(super) async fn until_shut_down(&self) {
        let Some((ends, readable)) = &self.ends else { return std::future::pending().await };
        loop {
            // An error of the reactor comes with the end of the runtime.
            let Ok(mut ready) = readable.readable().await else { return std::future::pending().await };
            let mut events = [EpollEvent::empty(); 16];
            match ends.0.wait(&mut events, EpollTimeout::ZERO) {
                Ok(0) => ready.clear_ready(),
                Ok(_) => return,
                Err(Errno::EINTR) => {}
                // None that epoll_wait(2) knows can come of a valid epoll and buffer.
                Err(_) => return std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    use nix::sys::socket::{Shutdown, shutdown};

    use super::*;

    #[tokio::test]
    async fn the_end_of_a_socket_is_seen_and_its_connections_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = tcp.local_addr().unwrap();
        let tcp = Arc::new(OwnedFd::from(tcp));
        let unix = Arc::new(OwnedFd::from(UnixListener::bind(dir.path().join("x.sock")).unwrap()));
        let mut watch = Watch::default();
        watch.follow(vec![Arc::clone(&tcp), Arc::clone(&unix)]).unwrap();
        let _client = TcpStream::connect(addr).unwrap();
        let quiet = tokio::time::timeout(Duration::from_millis(50), watch.until_shut_down());
        quiet.await.expect_err("a connection is not an end");
        for (ended, how) in [(&tcp, Shutdown::Both), (&unix, Shutdown::Read)] {
            shutdown(ended.as_raw_fd(), how).unwrap();
            tokio::time::timeout(Duration::from_secs(60), watch.until_shut_down()).await.expect("it is seen");
        }
        // One that is not watched any more is not seen either.
        let other = Arc::new(OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap()));
        watch.follow(vec![Arc::clone(&other)]).unwrap();
        watch.follow(Vec::new()).unwrap();
        shutdown(other.as_raw_fd(), Shutdown::Both).unwrap();
        let quiet = tokio::time::timeout(Duration::from_millis(50), watch.until_shut_down());
        quiet.await.expect_err("nobody asked");
    }
}
