//! Sockets that a service manager has opened and handed to this process: socket activation, `sd_listen_fds(3)`.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::sys::socket::{SockType, SockaddrStorage, getsockname, getsockopt, sockopt};

use super::resolve::resolve;
use super::store::is_stored;
use crate::config::{ListenAddr, ListenSpec};
use crate::keeper::{Hold, Holds};
use crate::sys;

/// The number of the first one.
const FIRST: RawFd = 3;

/// The name of a socket without one, as in `sd_listen_fds_with_names(3)`.
const NAMELESS: &str = "unknown";

/// What each is held by: this, its number, and its name.
const HELD: &str = "inherited/";

/// Sockets that this process was started with. A listener of the same name, else of the same address, is not opened but is one
/// of these.
///
/// They belong to whoever opened them: at the end of an app they are not shut down, and what waits in their queues is for the
/// next start. A clone is the same sockets.
#[derive(Debug, Clone, Default)]
pub struct InheritedSockets(Arc<[Inherited]>);

#[derive(Debug)]
struct Inherited {
    name: String,
    kind: InheritedKind,
    /// Whether it takes what comes by IPv4 too: `[::]` without IPV6_V6ONLY, which is what systemd opens for a port alone.
    is_dual: bool,
    socket: Arc<OwnedFd>,
}

/// What it is, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
enum InheritedKind {
    Usable(ListenAddr),
    /// A socket that does not listen, one of another family, or no socket at all.
    Other,
}

/// Why sockets that were handed over can't be taken: the fault of whoever started this process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InheritError {
    /// `LISTEN_FDS` is not a number of descriptors.
    #[error("LISTEN_FDS is `{value}`, which is not a number of sockets")]
    NotANumber {
        /// Its value.
        value: String,
    },
    /// There are not as many names as sockets.
    #[error("LISTEN_FDS hands over {sockets} sockets, but LISTEN_FDNAMES has {names} names")]
    NamesDiffer {
        /// How many sockets there are.
        sockets: usize,
        /// How many names there are.
        names: usize,
    },
    /// A descriptor is not there, or was taken before.
    #[error("LISTEN_FDS hands over `{name}` as descriptor {fd}, which is not open")]
    NotThere {
        /// Its name.
        name: String,
        /// Its number.
        fd: RawFd,
        /// What the kernel said; `AlreadyExists`: it was taken before.
        #[source]
        source: io::Error,
    },
}

impl InheritedSockets {
    /// Takes the sockets that `LISTEN_FDS`, `LISTEN_FDNAMES` and `LISTEN_PID` tell of; none if they are meant for another
    /// process. They can be taken once. The variables stay as they are: no worker gets them, nor the descriptors.
    ///
    /// # Errors
    ///
    /// [`InheritError`]: what the variables say can't be.
    pub fn from_environment() -> Result<Self, InheritError> {
        let sockets = parse(|name| std::env::var_os(name), std::process::id())?;
        let adopted: Result<Vec<Inherited>, InheritError> = sockets
            .into_iter()
            .map(|(name, fd)| match sys::adopt(fd) {
                Ok(socket) => Ok(Inherited::new(name, socket)),
                Err(source) => Err(InheritError::NotThere { name, fd, source }),
            })
            .collect();
        Ok(Self(adopted?.into()))
    }

    #[cfg(test)]
    pub(super) fn named<N: Into<String>>(sockets: impl IntoIterator<Item = (N, OwnedFd)>) -> Self {
        Self(sockets.into_iter().map(|(name, socket)| Inherited::new(name.into(), socket)).collect())
    }

    /// All of them with their names, also those that an earlier run has left.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Arc<OwnedFd>)> {
        self.0.iter().map(|socket| (&*socket.name, &socket.socket))
    }

    /// Those that a service manager has opened.
    fn opened(&self) -> impl Iterator<Item = &Inherited> {
        self.0.iter().filter(|socket| !is_stored(&socket.name))
    }

    /// Those that the first master was started with, in one that follows it; else these. Whichever they are, they are held for the next.
    pub(super) fn held(self, holds: &Holds) -> (Self, Vec<Hold>) {
        let mut left = holds.take_all(HELD);
        // Which of two of one name it is, their order says.
        left.sort_by_key(|(name, _)| name.split_once('/').and_then(|(at, _)| at.parse::<u32>().ok()));
        let named = |(name, socket): (String, OwnedFd)| {
            let name = name.split_once('/').map_or(NAMELESS, |(_, name)| name);
            Inherited::new(name.to_owned(), socket)
        };
        let left: Vec<Inherited> = left.into_iter().map(named).collect();
        let sockets = if left.is_empty() { self } else { Self(left.into()) };
        let hold = |(at, socket): (usize, &Inherited)| {
            holds.hold(format!("{HELD}{at}/{}", socket.name), socket.socket.as_fd())
        };
        let holds = sockets.0.iter().enumerate().map(hold).collect();
        (sockets, holds)
    }

    /// Whether there is none, but for those that an earlier run has left.
    pub fn is_empty(&self) -> bool {
        self.opened().next().is_none()
    }

    /// Those that belong to none of these listeners, for people: `NAME (ADDRESS)`. Nobody serves them.
    pub fn left_over<'s>(&self, listeners: impl IntoIterator<Item = &'s ListenSpec>) -> Vec<String> {
        let taken: Vec<&Inherited> = listeners.into_iter().filter_map(|spec| self.find(spec)).collect();
        let is_left = |socket: &&Inherited| !taken.iter().any(|taken| std::ptr::eq(*taken, *socket));
        self.opened().filter(is_left).map(ToString::to_string).collect()
    }

    /// The socket of this listener, and where it listens in truth.
    ///
    /// # Errors
    ///
    /// The one of its name is of another kind; what it is.
    pub(super) fn socket(
        &self,
        spec: &ListenSpec,
    ) -> Result<Option<(Arc<OwnedFd>, ListenAddr)>, &'static str> {
        let Some(found) = self.find(spec) else { return Ok(None) };
        match &found.kind {
            InheritedKind::Usable(addr) if same_kind(addr, &spec.addr) => {
                Ok(Some((Arc::clone(&found.socket), addr.clone())))
            }
            kind => Err(kind.name()),
        }
    }

    /// One that is on the port of this listener, for people.
    pub(super) fn on_port_of(&self, spec: &ListenSpec) -> Option<String> {
        let port = |addr: &ListenAddr| match addr {
            ListenAddr::Tcp(addr) | ListenAddr::Udp(addr) => {
                addr.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok())
            }
            ListenAddr::Unix(_) => None,
        };
        let is_there = |socket: &&Inherited| match &socket.kind {
            InheritedKind::Usable(addr) => {
                same_kind(addr, &spec.addr) && port(addr).is_some() && port(addr) == port(&spec.addr)
            }
            InheritedKind::Other => false,
        };
        self.opened().find(is_there).map(ToString::to_string)
    }

    /// By its name, among several by the address too; else by the address.
    fn find(&self, spec: &ListenSpec) -> Option<&Inherited> {
        let mut named = self.opened().filter(|socket| socket.name == spec.name).peekable();
        match named.peek() {
            Some(first) => {
                let first = *first;
                named.find(|socket| socket.is_at(&spec.addr)).or(Some(first))
            }
            None => self.opened().find(|socket| socket.is_at(&spec.addr)),
        }
    }
}

impl Inherited {
    fn new(name: String, socket: OwnedFd) -> Self {
        let kind = InheritedKind::of(&socket).unwrap_or(InheritedKind::Other);
        let is_dual = getsockopt(&socket, sockopt::Ipv6V6Only).is_ok_and(|v6_only| !v6_only);
        Self { name, kind, is_dual, socket: Arc::new(socket) }
    }

    fn is_at(&self, wanted: &ListenAddr) -> bool {
        let InheritedKind::Usable(addr) = &self.kind else { return false };
        match (addr, wanted) {
            (ListenAddr::Unix(path), ListenAddr::Unix(wanted)) => path == wanted,
            (ListenAddr::Tcp(addr), ListenAddr::Tcp(wanted))
            | (ListenAddr::Udp(addr), ListenAddr::Udp(wanted)) => {
                let Ok(addr) = addr.parse::<SocketAddr>() else { return false };
                let is_all = self.is_dual && addr.ip().is_unspecified();
                let v4 = is_all.then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, addr.port())));
                let is_it = |wanted: &SocketAddr| *wanted == addr || Some(*wanted) == v4;
                resolve(wanted).is_ok_and(|wanted| wanted.iter().any(is_it))
            }
            _ => false,
        }
    }
}

impl fmt::Display for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            InheritedKind::Usable(addr) => write!(f, "{} ({addr})", self.name),
            kind @ InheritedKind::Other => write!(f, "{} ({})", self.name, kind.name()),
        }
    }
}

impl InheritedKind {
    fn of(socket: &OwnedFd) -> nix::Result<Self> {
        let (addr, kind) =
            (getsockname::<SockaddrStorage>(socket.as_raw_fd())?, getsockopt(socket, sockopt::SockType)?);
        let listens = kind == SockType::Stream && getsockopt(socket, sockopt::AcceptConn)?;
        if let Some(path) = addr.as_unix_addr().and_then(|addr| addr.path()) {
            return Ok(if listens { Self::Usable(ListenAddr::Unix(path.to_owned())) } else { Self::Other });
        }
        let v4 = addr.as_sockaddr_in().map(|addr| SocketAddr::V4((*addr).into()));
        let addr = v4.or_else(|| addr.as_sockaddr_in6().map(|addr| SocketAddr::V6((*addr).into())));
        Ok(match (addr, kind) {
            (Some(addr), SockType::Stream) if listens => Self::Usable(ListenAddr::Tcp(addr.to_string())),
            (Some(addr), SockType::Datagram) => Self::Usable(ListenAddr::Udp(addr.to_string())),
            _ => Self::Other,
        })
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Usable(ListenAddr::Tcp(_)) => "a TCP socket",
            Self::Usable(ListenAddr::Udp(_)) => "a UDP socket",
            Self::Usable(ListenAddr::Unix(_)) => "a Unix socket",
            Self::Other => "no socket that listens",
        }
    }
}

fn same_kind(one: &ListenAddr, other: &ListenAddr) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

/// Names and numbers of the sockets that are for the process `pid`.
fn parse(lookup: impl Fn(&str) -> Option<OsString>, pid: u32) -> Result<Vec<(String, RawFd)>, InheritError> {
    let text = |name| lookup(name).map(|value| value.to_string_lossy().into_owned());
    // Who hands on an environment that was meant for itself, as a shell does, hands on no sockets.
    let is_ours = text("LISTEN_PID").is_some_and(|value| value == pid.to_string());
    let Some(count) = text("LISTEN_FDS").filter(|count| is_ours && !count.is_empty()) else {
        return Ok(Vec::new());
    };
    let end =
        count.parse::<RawFd>().ok().filter(|count| *count >= 0).and_then(|count| FIRST.checked_add(count));
    let Some(end) = end else { return Err(InheritError::NotANumber { value: count }) };
    let numbers = FIRST..end;
    let Some(names) = text("LISTEN_FDNAMES") else {
        return Ok(numbers.map(|fd| (NAMELESS.to_owned(), fd)).collect());
    };
    // An empty text is not a name, not one empty name.
    let names: Vec<String> = names.split(':').filter(|_| !names.is_empty()).map(str::to_owned).collect();
    if names.len() != numbers.len() {
        return Err(InheritError::NamesDiffer { sockets: numbers.len(), names: names.len() });
    }
    Ok(names.into_iter().zip(numbers).collect())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::listener::ListenerPool;

    fn spec(name: &str, addr: &str) -> ListenSpec {
        ListenSpec::new(name, addr.parse().unwrap())
    }

    #[test]
    fn sockets_are_numbered_from_three_and_those_of_another_process_are_none() {
        let parsed = |fds: &str, names: Option<&str>, pid: &str| {
            let lookup = |name: &str| match name {
                "LISTEN_FDS" => Some(fds),
                "LISTEN_FDNAMES" => names,
                "LISTEN_PID" => Some(pid),
                _ => None,
            };
            parse(|name| lookup(name).map(OsString::from), 42).map_err(|error| error.to_string())
        };
        let named = |sockets: &[(&str, RawFd)]| {
            Ok(sockets.iter().map(|(name, fd)| ((*name).to_owned(), *fd)).collect::<Vec<_>>())
        };
        assert_eq!(parsed("2", Some("a:b"), "42"), named(&[("a", 3), ("b", 4)]));
        assert_eq!(parsed("2", None, "42"), named(&[("unknown", 3), ("unknown", 4)]));
        assert_eq!(parsed("2", Some("a:b"), "41"), named(&[]));
        assert_eq!(parsed("0", Some(""), "42"), named(&[]));
        assert_eq!(parsed("", None, "42"), named(&[]));
        for (fds, names, error) in [
            ("x", None, "LISTEN_FDS is `x`, which is not a number of sockets"),
            ("-1", None, "LISTEN_FDS is `-1`, which is not a number of sockets"),
            ("2147483647", None, "LISTEN_FDS is `2147483647`, which is not a number of sockets"),
            ("2", Some("a"), "LISTEN_FDS hands over 2 sockets, but LISTEN_FDNAMES has 1 names"),
        ] {
            assert_eq!(parsed(fds, names, "42"), Err(error.to_owned()));
        }
    }

    #[test]
    fn a_socket_is_found_by_its_name_else_by_its_address_and_the_rest_is_left_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        let tcp = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
        let addrs = tcp.each_ref().map(|tcp| tcp.local_addr().unwrap().to_string());
        let [first, second] = tcp.map(OwnedFd::from);
        let unix = UnixListener::bind(&path).unwrap().into();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let dns = format!("udp:{}", udp.local_addr().unwrap());
        let sockets = InheritedSockets::named([
            ("http", first),
            ("http", second),
            ("x.socket", unix),
            ("x.socket", udp.into()),
        ]);
        let found = |name: &str, addr: &str| {
            sockets.socket(&spec(name, addr)).map(|found| found.map(|(_, addr)| addr.to_string()))
        };
        assert_eq!(found("http", "127.0.0.1:1"), Ok(Some(addrs[0].clone())), "the name is enough");
        assert_eq!(found("http", &addrs[1]), Ok(Some(addrs[1].clone())));
        assert_eq!(found("other", &addrs[1]), Ok(Some(addrs[1].clone())));
        let api = format!("unix:{}", path.display());
        assert_eq!(found("api", &api), Ok(Some(api.clone())));
        assert_eq!(found("dns", &dns), Ok(Some(dns.clone())));
        assert_eq!(found("dns", "udp:127.0.0.1:1"), Ok(None));
        assert_eq!(found("http", "udp:127.0.0.1:1"), Err("a TCP socket"));
        let left = sockets.left_over([&spec("http", "127.0.0.1:1"), &spec("dns", &dns)]);
        assert_eq!(left, [format!("http ({})", addrs[1]), format!("x.socket ({api})")]);
    }

    #[test]
    fn a_listener_that_was_handed_over_listens_on_at_the_end_and_can_be_had_again_but_not_for_each_slot() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        let pool = ListenerPool::of(InheritedSockets::named([("http", socket.into())]));
        let http = spec("http", &addr.to_string());
        for _ in 0..2 {
            let listener = pool.open(&http).unwrap();
            assert_eq!(listener.addr, http.addr);
            drop(listener);
            std::net::TcpStream::connect(addr).unwrap();
        }
        assert_eq!(
            pool.inherited(&http.reuseport()).unwrap_err().to_string(),
            "listener `http`: the socket that was handed over for it is one, and the mode `reuseport` needs one for each \
             slot: use `shared`"
        );
    }

    #[test]
    fn one_for_both_families_stands_for_the_older_too_and_is_named_where_it_is_in_the_way() {
        let Ok(both) = TcpListener::bind("[::]:0") else { return };
        let port = both.local_addr().unwrap().port();
        // What Linux does by default (net.ipv6.bindv6only) a test can't rely on.
        let is_dual = !getsockopt(&both, sockopt::Ipv6V6Only).unwrap();
        let sockets = InheritedSockets::named([("web.socket", both.into())]);
        let all = spec("http", &format!("0.0.0.0:{port}"));
        assert_eq!(sockets.socket(&all).unwrap().is_some(), is_dual);
        if is_dual {
            let one = spec("http", &format!("127.0.0.1:{port}"));
            let error = ListenerPool::of(sockets).open(&one).unwrap_err().to_string();
            let expected = format!("is in use by the socket web.socket ([::]:{port}), which was handed over");
            assert!(error.contains(&expected) && error.contains("FileDescriptorName=http"), "{error}");
        }
    }

    #[test]
    fn what_does_not_listen_is_told_as_such() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let sockets = InheritedSockets::named([("a", one.into()), ("b", file.into())]);
        assert_eq!(sockets.socket(&spec("a", "127.0.0.1:1")).unwrap_err(), "no socket that listens");
        assert_eq!(sockets.left_over([]), ["a (no socket that listens)", "b (no socket that listens)"]);
    }
}
