//! A listener that is open: one socket for all workers.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::poll::{PollTimeout, poll};

use super::error::ListenError;
use super::host::{first_of_host, open_tcp};
use super::socket::{Port, bind_udp, bound, end, is_shut_down, listen_again, set_backlog};
use super::store::{ListenerStore, Stored};
use super::unix_path::UnixPath;
use crate::config::{ListenAddr, ListenSpec};
use crate::keeper::{Hold, Holds};

/// How often a UDP port is tried that the keeper may have, and the milliseconds between: it is awake within one, unless it has no CPU.
const KEEPER_TRIES: u32 = 20;
const KEEPER_PAUSE_MS: u8 = 1;

/// A listener that is open.
#[derive(Debug)]
pub(crate) struct Listener {
    pub name: String,
    /// Where it listens in truth: with the port that the kernel chose, if it was left to it.
    pub addr: ListenAddr,
    /// The one that new workers get.
    socket: Mutex<Arc<OwnedFd>>,
    backlog: AtomicU32,
    /// Who opened it.
    origin: Origin,
    /// Of a Unix socket its path has another.
    hold: Hold,
    stored: Option<Stored>,
}

/// Who opened a listener, and so what becomes of it at its end.
#[derive(Debug)]
pub(super) enum Origin {
    Own,
    /// Unlinks the path on drop.
    OwnPath(Box<UnixPath>),
    /// A service manager, which may need it again.
    Inherited,
}

impl Listener {
    /// Opens a listener. A host name is resolved here, by the system's resolver, for which the caller waits at most 5 s: nothing
    /// of the app runs yet.
    #[cfg(test)]
    pub(crate) fn open(spec: &ListenSpec) -> Result<Self, ListenError> {
        Self::open_held(spec, None, &Holds::default(), "")
    }

    /// The same, held by this name: what the master before had by it, as it is, else what an earlier run has left of it, if that still listens.
    pub(crate) fn open_held(
        spec: &ListenSpec,
        left: Option<&OwnedFd>,
        holds: &Holds,
        name: &str,
    ) -> Result<Self, ListenError> {
        match &spec.addr {
            ListenAddr::Tcp(addr) => {
                let (socket, addr) = match resumed(holds, name).or_else(|| listening(left?, spec.backlog)) {
                    Some(resumed) => resumed,
                    None => open_tcp(spec, addr, Port::Own)?,
                };
                let hold = holds.hold(name, socket.as_fd());
                Ok(Self::new(spec, addr.into(), Arc::new(socket), Origin::Own).held_by(hold))
            }
            ListenAddr::Udp(addr) => {
                let (socket, addr) = match resumed(holds, name) {
                    Some(resumed) => resumed,
                    None => first_of_host(spec, addr, |addr| bind_udp_held(addr, holds))?,
                };
                let (hold, addr) = (holds.hold(name, socket.as_fd()), ListenAddr::Udp(addr.to_string()));
                Ok(Self::new(spec, addr, Arc::new(socket), Origin::Own).held_by(hold))
            }
            ListenAddr::Unix(path) => {
                let failed = |source| ListenError::Path { name: spec.name.clone(), source };
                let path = UnixPath::claim_held(path, holds, name).map_err(failed)?;
                let socket = path.listen(spec.backlog).map_err(failed)?;
                Ok(Self::new(spec, spec.addr.clone(), Arc::new(socket), Origin::OwnPath(Box::new(path))))
            }
        }
    }

    pub(super) fn new(spec: &ListenSpec, addr: ListenAddr, socket: Arc<OwnedFd>, origin: Origin) -> Self {
        let (name, backlog) = (spec.name.clone(), AtomicU32::new(spec.backlog));
        Self { name, addr, socket: Mutex::new(socket), backlog, origin, hold: Hold::default(), stored: None }
    }

    fn held_by(mut self, hold: Hold) -> Self {
        self.hold = hold;
        self
    }

    /// Has it kept for the next run, if it can be.
    pub(super) fn stored_by(mut self, store: Option<&Arc<ListenerStore>>, spec: &ListenSpec) -> Self {
        self.stored = store.and_then(|store| store.keep(spec, &self.socket()));
        self
    }

    /// What new workers get.
    pub(crate) fn socket(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.socket.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Listens again if somebody has shut it down: with TCP on the same socket, which all who have it serve on; with a Unix socket on
    /// another. None if nobody has.
    pub(super) fn renew(&self) -> Option<io::Result<()>> {
        let socket = self.socket();
        if !is_shut_down(&socket) {
            return None;
        }
        Some(match (&self.addr, &self.origin) {
            (ListenAddr::Tcp(addr), _) => match addr.parse() {
                Ok(bound) => listen_again(&socket, bound, self.backlog())
                    .map(|()| self.stored.iter().for_each(|stored| stored.keep_again(&socket)))
                    .map_err(io::Error::from),
                Err(_) => Err(io::ErrorKind::InvalidInput.into()),
            },
            (ListenAddr::Unix(_), Origin::OwnPath(path)) => {
                self.replace(path, || is_shut_down(&self.socket()))
            }
            (ListenAddr::Unix(_), _) => {
                Err(io::Error::other("it was handed over; have the one who opened it open it again"))
            }
            (ListenAddr::Udp(_), _) => {
                Err(io::Error::other("a UDP socket stays as it is; stop the app and start it again"))
            }
        })
    }

    /// The same if its path was taken away. Reads and writes the file system.
    pub(super) fn restore(&self) -> Option<io::Result<()>> {
        match &self.origin {
            Origin::OwnPath(path) if !path.is_there() => Some(self.replace(path, || !path.is_there())),
            _ => None,
        }
    }

    /// Opens another socket, if one is still needed: the driver, which hears of a shutdown, and who looks after the path, which is
    /// gone for a moment while it is made again, may come at the same time.
    pub(super) fn replace(&self, path: &UnixPath, is_needed: impl Fn() -> bool) -> io::Result<()> {
        let _turn = path.turn();
        if !is_needed() {
            return Ok(());
        }
        let new = path.listen_again(self.backlog()).map_err(io::Error::other)?;
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(())
    }

    /// The files that have to be there for it.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        match &self.origin {
            Origin::OwnPath(path) => path.files(),
            Origin::Own | Origin::Inherited => Vec::new(),
        }
    }

    pub(super) fn backlog(&self) -> u32 {
        self.backlog.load(Ordering::Relaxed)
    }

    pub(super) fn set_backlog(&self, backlog: u32) -> Result<(), ListenError> {
        self.backlog.store(backlog, Ordering::Relaxed);
        set_backlog(&self.socket(), backlog).map_err(|error| ListenError::Failed {
            name: self.name.clone(),
            addr: self.addr.clone(),
            source: error.into(),
        })
    }
}

/// The socket of the master before, and where it is.
pub(super) fn resumed(holds: &Holds, name: &str) -> Option<(OwnedFd, SocketAddr)> {
    let socket = holds.take(name)?;
    let addr = bound(&socket)?;
    Some((socket, addr))
}

/// The same of what an earlier run has left. None: an app that ended has shut it down.
fn listening(left: &OwnedFd, backlog: u32) -> Option<(OwnedFd, SocketAddr)> {
    let addr = bound(left).filter(|_| !is_shut_down(left))?;
    set_backlog(left, backlog).ok()?;
    Some((left.try_clone().ok()?, addr))
}

/// Who has just let go of the address may have been this master itself, by a stop or an apply, and the keeper, which has a duplicate, has
/// not heard of it yet. A UDP socket gives its port back only when the last one is closed.
fn bind_udp_held(addr: SocketAddr, holds: &Holds) -> nix::Result<(OwnedFd, SocketAddr)> {
    for _ in 0..KEEPER_TRIES {
        match bind_udp(addr) {
            Err(Errno::EADDRINUSE) if holds.are_protected() => {
                let _ = poll(&mut [], PollTimeout::from(KEEPER_PAUSE_MS));
            }
            other => return other,
        }
    }
    bind_udp(addr)
}

/// Nobody may queue where nobody serves any more. Closing alone would not do: a process that a worker left behind in a
/// session of its own may hold the socket for ever, and a child that another thread is just making holds it for a moment.
///
/// Not so what was inherited: it would be ended for whoever has opened it, for ever.
impl Drop for Listener {
    fn drop(&mut self) {
        let is_left = match &self.origin {
            Origin::Own => self.hold.is_left(),
            Origin::OwnPath(path) => path.is_left(),
            Origin::Inherited => true,
        };
        let is_stored = self.stored.as_ref().is_some_and(Stored::is_left);
        if !is_left && !is_stored {
            self.stored.iter().for_each(Stored::let_go);
            end(&self.socket());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::os::fd::AsRawFd as _;

    use nix::sys::socket::{Shutdown, shutdown};

    use super::*;

    #[test]
    fn a_listener_that_somebody_shut_down_is_opened_again_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let unix = format!("unix:{}", dir.path().join("x.sock").display());
        for (addr, is_same) in [("127.0.0.1:0", true), (&*unix, false)] {
            for how in [Shutdown::Read, Shutdown::Both] {
                let listener = Listener::open(&ListenSpec::new("http", addr.parse().unwrap())).unwrap();
                let connects = || match &listener.addr {
                    ListenAddr::Unix(path) => std::os::unix::net::UnixStream::connect(path).map(drop),
                    addr => TcpStream::connect(addr.to_string()).map(drop),
                };
                assert!(listener.renew().is_none());
                let socket = listener.socket();
                shutdown(socket.as_raw_fd(), how).unwrap();
                assert!(connects().is_err());
                assert!(matches!(listener.renew(), Some(Ok(()))));
                connects().unwrap();
                assert_eq!(Arc::ptr_eq(&socket, &listener.socket()), is_same);
            }
        }
    }
}
