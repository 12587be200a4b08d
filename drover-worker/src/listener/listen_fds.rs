//! Sockets that were handed over at the start of the process: `LISTEN_FDS`, `LISTEN_FDNAMES`, `LISTEN_PID`.
//!
//! A worker that can resume drops its listeners when it stops and takes the same sockets again later. For it each socket that is
//! given out is a copy, and the descriptor of the master is kept until the worker leaves.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, OnceLock};

use crate::error::{ListenFdsError, ListenerError};
use crate::sys::{self, SocketKind};

/// The number of the first socket.
const FIRST: RawFd = 3;

/// The name of a socket without one, as in sd_listen_fds_with_names(3).
const NAMELESS: &str = "unknown";

/// The sockets of this process, each to be taken once.
#[derive(Debug, Default)]
pub(crate) struct ListenFds {
    offers: Mutex<Vec<Offer>>,
}

#[derive(Debug)]
struct Offer {
    name: String,
    fd: RawFd,
    taken: bool,
    /// The descriptor itself, once a copy of it was given out.
    kept: Option<OwnedFd>,
}

impl ListenFds {
    /// The sockets in the environment of this process: one value for all buses, so that no socket gets two owners. From the
    /// first call on none of them is inherited by a child, as with `sd_listen_fds(3)`: it would hold the port for as long as it lives.
    pub(crate) fn of_process() -> Result<Arc<Self>, ListenFdsError> {
        static OF_PROCESS: OnceLock<Result<Arc<ListenFds>, ListenFdsError>> = OnceLock::new();
        OF_PROCESS
            .get_or_init(|| {
                let sockets = parse(|name| std::env::var_os(name), std::process::id())?;
                for (_, fd) in &sockets {
                    // If one is missing, whoever asks for it gets the error.
                    let _absent = sys::close_on_exec(*fd);
                }
                Ok(Arc::new(Self::new(sockets)))
            })
            .clone()
    }

    fn new(sockets: Vec<(String, RawFd)>) -> Self {
        let offers =
            sockets.into_iter().map(|(name, fd)| Offer { name, fd, taken: false, kept: None }).collect();
        Self { offers: Mutex::new(offers) }
    }

    /// Whether a socket of this name was handed over.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.offers.lock().expect("never poisoned").iter().any(|offer| offer.name == name)
    }

    /// What was given out as a copy may be taken again.
    pub(crate) fn offer_again(&self) {
        for offer in self.offers.lock().expect("never poisoned").iter_mut() {
            offer.taken &= offer.kept.is_none();
        }
    }

    /// Closes what is kept.
    pub(crate) fn release(&self) {
        for offer in self.offers.lock().expect("never poisoned").iter_mut() {
            // One that was offered again would be a closed descriptor now.
            offer.taken |= offer.kept.take().is_some();
        }
    }

    /// Takes the next socket of this name, which has to be of this kind; several may share a name. With `keep`, a copy of it, and
    /// it can be offered again.
    pub(crate) fn take(
        &self,
        name: &str,
        expected: SocketKind,
        keep: bool,
    ) -> Result<OwnedFd, ListenerError> {
        let mut offers = self.offers.lock().expect("never poisoned");
        if !offers.iter().any(|offer| offer.name == name) {
            let offered = offers.iter().map(|offer| offer.name.clone()).collect();
            return Err(ListenerError::NotHandedOver { name: name.to_owned(), offered });
        }
        let Some(offer) = offers.iter_mut().find(|offer| offer.name == name && !offer.taken) else {
            return Err(ListenerError::Taken { name: name.to_owned() });
        };
        let io = |source| ListenerError::Io { name: name.to_owned(), address: None, source };
        let fd = offer.kept.as_ref().map_or(offer.fd, AsRawFd::as_raw_fd);
        let kind = sys::socket_kind(fd).map_err(io)?;
        if kind != expected {
            let (kind, expected) = (kind.name(), expected.name());
            return Err(ListenerError::WrongKind { name: name.to_owned(), kind, expected });
        }
        if let Some(kept) = &offer.kept {
            let copy = kept.try_clone().map_err(io)?;
            offer.taken = true;
            return Ok(copy);
        }
        let socket = sys::adopt(offer.fd).map_err(io)?;
        // From here on the descriptor has an owner.
        offer.taken = true;
        if !keep {
            return Ok(socket);
        }
        let copy = socket.try_clone().map_err(io)?;
        offer.kept = Some(socket);
        Ok(copy)
    }
}

/// Names and numbers of the sockets that are for the process `pid`.
fn parse(
    lookup: impl Fn(&str) -> Option<OsString>,
    pid: u32,
) -> Result<Vec<(String, RawFd)>, ListenFdsError> {
    let text = |name| lookup(name).map(|value| value.to_string_lossy().into_owned());
    let Some(count) = text("LISTEN_FDS").filter(|count| !count.is_empty()) else { return Ok(Vec::new()) };
    let listen_pid = text("LISTEN_PID");
    if listen_pid.as_deref() != Some(pid.to_string().as_str()) {
        return Err(ListenFdsError::OtherProcess { listen_pid, pid });
    }
    let end = count.parse::<RawFd>().ok().filter(|fds| *fds >= 0).and_then(|fds| fds.checked_add(FIRST));
    let Some(end) = end else { return Err(ListenFdsError::NotANumber { value: count }) };
    let numbers = FIRST..end;
    let Some(names) = text("LISTEN_FDNAMES") else {
        return Ok(numbers.map(|fd| (NAMELESS.to_owned(), fd)).collect());
    };
    // An empty text is not a name, not one empty name.
    let names: Vec<String> = names.split(':').filter(|_| !names.is_empty()).map(str::to_owned).collect();
    if names.len() != numbers.len() {
        return Err(ListenFdsError::NamesDiffer { fds: numbers.len(), names: names.len() });
    }
    Ok(names.into_iter().zip(numbers).collect())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::{AsRawFd, IntoRawFd};
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};

    use super::*;

    type Parsed = Result<Vec<(String, RawFd)>, ListenFdsError>;

    fn parsed(fds: Option<&str>, names: Option<&str>, pid: Option<&str>) -> Parsed {
        let lookup = |name: &str| match name {
            "LISTEN_FDS" => fds,
            "LISTEN_FDNAMES" => names,
            "LISTEN_PID" => pid,
            _ => None,
        };
        parse(|name| lookup(name).map(OsString::from), 42)
    }

    fn named(sockets: &[(&str, RawFd)]) -> Parsed {
        Ok(sockets.iter().map(|(name, fd)| ((*name).to_owned(), *fd)).collect())
    }

    #[test]
    fn sockets_are_numbered_from_three_in_the_order_of_their_names() {
        for (fds, names, expected) in [
            (None, None, named(&[])),
            (Some(""), None, named(&[])),
            (Some("0"), None, named(&[])),
            (Some("0"), Some(""), named(&[])),
            (Some("1"), Some("http"), named(&[("http", 3)])),
            (Some("3"), Some("a:b:a"), named(&[("a", 3), ("b", 4), ("a", 5)])),
            (Some("2"), Some("a:"), named(&[("a", 3), ("", 4)])),
            (Some("2"), None, named(&[("unknown", 3), ("unknown", 4)])),
            (Some("2"), Some("a"), Err(ListenFdsError::NamesDiffer { fds: 2, names: 1 })),
            (Some("1"), Some(""), Err(ListenFdsError::NamesDiffer { fds: 1, names: 0 })),
            (Some("x"), None, Err(ListenFdsError::NotANumber { value: "x".into() })),
            (Some("-1"), None, Err(ListenFdsError::NotANumber { value: "-1".into() })),
            (Some("2147483647"), None, Err(ListenFdsError::NotANumber { value: "2147483647".into() })),
        ] {
            assert_eq!(parsed(fds, names, Some("42")), expected, "{fds:?} {names:?}");
        }
    }

    #[test]
    fn sockets_of_another_process_are_left_alone_and_both_processes_named() {
        for (listen_pid, text) in [
            (Some("41"), "LISTEN_FDS is for process 41, but this is process 42"),
            (Some("042"), "LISTEN_FDS is for process 042, but this is process 42"),
            (None, "LISTEN_FDS is for process (LISTEN_PID is missing), but this is process 42"),
        ] {
            assert_eq!(parsed(Some("1"), Some("http"), listen_pid).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn a_socket_is_taken_once_and_an_unknown_name_hears_the_known_ones() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let sockets = ListenFds::new(vec![("http".into(), tcp.into_raw_fd()), ("admin".into(), -1)]);
        let tcp = SocketKind::TcpListener;
        let taken = TcpListener::from(sockets.take("http", tcp, false).unwrap());
        assert_eq!(taken.local_addr().unwrap(), address);
        assert!(
            matches!(sockets.take("http", tcp, false), Err(ListenerError::Taken { name }) if name == "http")
        );
        assert_eq!(
            sockets.take("htpt", tcp, false).unwrap_err().to_string(),
            r#"no listener named "htpt" was handed over; handed over: "http", "admin""#
        );
        assert!(matches!(sockets.take("admin", tcp, false), Err(ListenerError::Io { .. })));
    }

    #[test]
    fn a_socket_is_taken_only_as_what_it_is() {
        let name = format!("drover-worker-{}", std::process::id());
        let unix = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let datagrams = std::os::unix::net::UnixDatagram::unbound().unwrap();
        let (unix_fd, udp_fd) = (unix.into_raw_fd(), udp.into_raw_fd());
        let sockets = ListenFds::new(vec![
            ("unix".into(), unix_fd),
            ("udp".into(), udp_fd),
            ("datagrams".into(), datagrams.as_raw_fd()),
        ]);
        for (name, expected, message) in [
            (
                "unix",
                SocketKind::TcpListener,
                r#"the socket "unix" is a Unix socket that listens, not a TCP socket that listens"#,
            ),
            (
                "udp",
                SocketKind::TcpListener,
                r#"the socket "udp" is a UDP socket, not a TCP socket that listens"#,
            ),
            (
                "datagrams",
                SocketKind::UnixListener,
                r#"the socket "datagrams" is a socket of another kind, or one that does not listen, not a Unix socket that listens"#,
            ),
        ] {
            assert_eq!(sockets.take(name, expected, false).unwrap_err().to_string(), message);
        }
        // What was refused is still available.
        sockets.take("unix", SocketKind::UnixListener, false).unwrap();
        sockets.take("udp", SocketKind::Udp, false).unwrap();
    }

    #[test]
    fn a_socket_that_is_kept_is_offered_again_until_it_is_released() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let sockets = ListenFds::new(vec![("http".into(), tcp.into_raw_fd())]);
        for _ in 0..3 {
            assert_eq!(
                TcpListener::from(sockets.take("http", SocketKind::TcpListener, true).unwrap())
                    .local_addr()
                    .unwrap(),
                address
            );
            assert!(matches!(
                sockets.take("http", SocketKind::TcpListener, true),
                Err(ListenerError::Taken { .. })
            ));
            std::net::TcpStream::connect(address).expect("the copy is closed, the socket is open");
            sockets.offer_again();
        }
        sockets.release();
        std::net::TcpStream::connect(address).expect_err("closed");
        sockets.offer_again();
        assert!(matches!(
            sockets.take("http", SocketKind::TcpListener, true),
            Err(ListenerError::Taken { .. })
        ));
    }

    #[test]
    fn a_socket_that_was_given_away_is_not_offered_again() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let sockets = ListenFds::new(vec![("http".into(), tcp.into_raw_fd())]);
        drop(sockets.take("http", SocketKind::TcpListener, false).unwrap());
        sockets.offer_again();
        assert!(matches!(
            sockets.take("http", SocketKind::TcpListener, false),
            Err(ListenerError::Taken { .. })
        ));
    }
}
