//! Listeners that outlive this program: a service manager keeps them from one run of the service to the next (`FDSTORE=1`, `sd_notify(3)`),
//! and whoever connects meanwhile waits in their queues.
//!
//! ```text
//!  opened ────────────────────► kept by the service manager ──► handed over to the next run, by its name
//!  closed, as its app ends ───► shut down, and kept no longer
//!  closed, as all ends ───────► stays: the next run serves who waits, or the service manager closes it
//! ```

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::InheritedSockets;
use super::resolve::resolve;
use super::socket::{bound, end};
use crate::config::{ListenAddr, ListenMode, ListenSpec};

/// The names of such sockets begin with it. No listener is called so, as no name has a slash.
const PREFIX: &str = "drover/";

/// The longest name that a service manager takes, in bytes (`FDNAME=`, `sd_notify(3)`).
const LONGEST: usize = 255;

/// Who keeps listening sockets from one run of this program to the next: a service manager. It hands them over at the start by the names
/// that they were given here, as it does with its own: [`InheritedSockets::from_environment`]. Called by whoever builds a supervisor, and while
/// apps are started and stopped, so it must not wait.
pub trait SocketStore: fmt::Debug + Send + Sync {
    /// Keep a duplicate of this under this name, of printable ASCII without a colon. It may be kept already.
    fn keep(&self, name: &str, socket: BorrowedFd<'_>);

    /// Keep what has this name no longer.
    fn let_go(&self, name: &str);
}

/// The store of a pool of listeners.
#[derive(Debug)]
pub(super) struct ListenerStore {
    store: Arc<dyn SocketStore>,
    /// All ends: what is closed from now on stays.
    stays: AtomicBool,
}

/// A listener that is kept, until this is let go of.
#[derive(Debug)]
pub(super) struct Stored {
    by: Arc<ListenerStore>,
    name: String,
}

impl ListenerStore {
    pub(super) fn new(store: Arc<dyn SocketStore>) -> Self {
        Self { store, stays: AtomicBool::new(false) }
    }

    /// From now on everything stays.
    pub(super) fn leave_all(&self) {
        self.stays.store(true, Ordering::Relaxed);
    }

    /// Has a listener of this description kept; none where it can't be.
    pub(super) fn keep(self: &Arc<Self>, spec: &ListenSpec, socket: &OwnedFd) -> Option<Stored> {
        let name = name_of(spec)?;
        self.store.keep(&name, socket.as_fd());
        Some(Stored { by: Arc::clone(self), name })
    }

    /// Closes what an earlier run has left for none of these listeners: nobody may queue where nobody serves any more.
    pub(super) fn end_left_over<'s>(
        &self,
        inherited: &InheritedSockets,
        listeners: impl IntoIterator<Item = &'s ListenSpec>,
    ) {
        let wanted: Vec<String> = listeners.into_iter().filter_map(name_of).collect();
        for (name, socket) in inherited.all().filter(|(name, _)| is_stored(name)) {
            if !wanted.iter().any(|wanted| wanted == name) {
                tracing::debug!(target: "drover::listener", name, "left by an earlier run, and not wanted");
                end(socket);
                self.store.let_go(name);
            }
        }
    }
}

impl Stored {
    /// Whether it is for the next run.
    pub(super) fn is_left(&self) -> bool {
        self.by.stays.load(Ordering::Relaxed)
    }

    /// Has it kept again: a service manager lets go of a socket once somebody has shut it down (`FDPOLL=`, `sd_notify(3)`).
    pub(super) fn keep_again(&self, socket: &OwnedFd) {
        self.by.store.keep(&self.name, socket.as_fd());
    }

    /// It is closed for good.
    pub(super) fn let_go(&self) {
        self.by.store.let_go(&self.name);
    }
}

/// What an earlier run has left of the listener of this description.
pub(super) fn left(inherited: &InheritedSockets, spec: &ListenSpec) -> Option<Arc<OwnedFd>> {
    let name = name_of(spec)?;
    let (_, socket) = inherited.all().find(|(known, _)| *known == name)?;
    if is_still_at(socket, spec) {
        return Some(Arc::clone(socket));
    }
    end(socket);
    None
}

/// Whether a host of this name has that address still. Blocks while it is resolved, as whoever opens a listener does.
fn is_still_at(socket: &OwnedFd, spec: &ListenSpec) -> bool {
    let ListenAddr::Tcp(addr) = &spec.addr else { return false };
    if addr.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let (Some(bound), Ok(found)) = (bound(socket), resolve(addr)) else { return false };
    found.iter().any(|found| found.ip() == bound.ip())
}

/// Whether a socket of this name was kept by an earlier run.
pub(super) fn is_stored(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Only with TCP: a path is removed by whoever has it, and datagrams that wait are old when they are read.
pub(super) fn is_storable(spec: &ListenSpec) -> bool {
    name_of(spec).is_some()
}

/// By what a listener is kept.
fn name_of(spec: &ListenSpec) -> Option<String> {
    let ListenAddr::Tcp(addr) = &spec.addr else { return None };
    let name = format!("{PREFIX}{}/{}", spec.name, addr.replace(':', "="));
    (spec.mode == ListenMode::Shared && name.len() <= LONGEST).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::sync::{Mutex, PoisonError};

    use super::super::ListenerPool;
    use super::*;

    /// What is kept.
    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<Vec<(String, OwnedFd)>>>);

    impl SocketStore for Kept {
        fn keep(&self, name: &str, socket: BorrowedFd<'_>) {
            self.let_go(name);
            self.lock().push((name.to_owned(), socket.try_clone_to_owned().unwrap()));
        }

        fn let_go(&self, name: &str) {
            self.lock().retain(|(known, _)| known != name);
        }
    }

    impl Kept {
        fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, OwnedFd)>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn names(&self) -> Vec<String> {
            self.lock().iter().map(|(name, _)| name.clone()).collect()
        }

        /// The next run, which is handed over what is kept.
        fn next(&self) -> ListenerPool {
            let kept = self.lock();
            let copies = kept.iter().map(|(name, fd)| (name.clone(), fd.try_clone().unwrap()));
            ListenerPool::of(InheritedSockets::named(copies)).stored_by(Arc::new(self.clone()))
        }
    }

    fn spec(name: &str, addr: &str) -> ListenSpec {
        ListenSpec::new(name, addr.parse().unwrap())
    }

    #[test]
    fn a_listener_of_a_program_that_ends_is_there_in_the_next_run_with_who_waits_in_it() {
        let kept = Kept::default();
        let http = spec("http", "127.0.0.1:0");
        let pool = kept.next();
        let listener = pool.open(&http).unwrap();
        let addr = listener.addr.to_string();
        assert_eq!(kept.names(), ["drover/http/127.0.0.1=0"]);
        pool.leave_stored();
        drop((listener, pool));
        let waits = TcpStream::connect(&addr).unwrap();
        let pool = kept.next();
        pool.tell_left_over([&http]);
        let listener = pool.open(&http).unwrap();
        assert_eq!(listener.addr.to_string(), addr, "also of a port that the kernel chose");
        let socket = std::net::TcpListener::from(listener.socket().try_clone().unwrap());
        assert_eq!(socket.accept().unwrap().1, waits.local_addr().unwrap());
        assert_eq!(kept.names(), ["drover/http/127.0.0.1=0"]);
    }

    #[test]
    fn a_listener_whose_app_ends_is_closed_and_opened_anew_with_the_app() {
        let kept = Kept::default();
        let http = spec("http", "127.0.0.1:0");
        let pool = kept.next();
        drop(pool.open(&http).unwrap());
        assert!(kept.names().is_empty());
        let listener = pool.open(&http).unwrap();
        pool.leave_stored();
        drop((listener, pool));
        // And if it was handed over.
        let pool = kept.next();
        let listener = pool.open(&http).unwrap();
        let addr = listener.addr.to_string();
        drop(listener);
        assert!(TcpStream::connect(&addr).is_err());
        assert!(kept.names().is_empty());
        let listener = pool.open(&http).unwrap();
        TcpStream::connect(listener.addr.to_string()).unwrap();
        assert_eq!(kept.names().len(), 1);
        // The same port again, if it is described.
        drop(listener);
        let there = spec("http", &addr);
        TcpStream::connect(pool.open(&there).unwrap().addr.to_string()).unwrap();
    }

    #[test]
    fn a_listener_that_somebody_shut_down_is_kept_again_once_it_listens() {
        let kept = Kept::default();
        let pool = kept.next();
        let listener = pool.open(&spec("http", "127.0.0.1:0")).unwrap();
        end(&listener.socket());
        kept.lock().clear();
        listener.renew().unwrap().unwrap();
        assert_eq!(kept.names().len(), 1);
    }

    #[test]
    fn what_is_no_longer_described_is_closed() {
        let kept = Kept::default();
        let pool = kept.next();
        let (http, admin) = (spec("http", "127.0.0.1:0"), spec("admin", "127.0.0.1:0"));
        let open = [&http, &admin].map(|spec| pool.open(spec).unwrap());
        let addrs = open.each_ref().map(|listener| listener.addr.to_string());
        pool.leave_stored();
        drop((open, pool));
        let pool = kept.next();
        // By its name it would be another address.
        pool.tell_left_over([&http, &spec("admin", "127.0.0.1:1")]);
        assert_eq!(kept.names(), ["drover/http/127.0.0.1=0"]);
        assert!(TcpStream::connect(&addrs[1]).is_err());
        TcpStream::connect(&addrs[0]).unwrap();
    }

    #[test]
    fn only_shared_tcp_sockets_are_kept() {
        let kept = Kept::default();
        let pool = kept.next();
        let dir = tempfile::tempdir().unwrap();
        let unix = format!("unix:{}", dir.path().join("x").display());
        let long = format!("{}.invalid:80", "x".repeat(250));
        for addr in ["udp:127.0.0.1:0", &*unix] {
            drop(pool.open(&spec("x", addr)).unwrap());
        }
        assert!(kept.names().is_empty());
        assert_eq!(name_of(&spec("x", &long)), None);
        let each = ListenSpec { mode: ListenMode::Reuseport, ..spec("x", "127.0.0.1:80") };
        assert_eq!(name_of(&each), None);
        assert_eq!(name_of(&spec("x", "[::1]:80")), Some("drover/x/[==1]=80".to_owned()));
    }
}
