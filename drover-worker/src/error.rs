//! What can go wrong, one enum for each operation.

use std::io;
use std::net::SocketAddr;
use std::num::ParseIntError;
use std::path::PathBuf;
use std::time::Duration;

use drover_proto::codec::CodecError;
use drover_proto::handshake::HandshakeError;

/// Why [`connect`](crate::MessageBus::connect) did not give a bus.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A variable of the environment is unusable: whoever started the process is to blame.
    #[error("the environment that the master gave is unusable")]
    Environment(#[from] EnvironmentError),
    /// There is a socket to connect to, but no token to show.
    #[error("there is a socket, {}, but no token: DROVER_TOKEN is missing", socket.display())]
    NoToken {
        /// The master's socket.
        socket: PathBuf,
    },
    /// Nobody listens on the master's socket.
    #[error("cannot connect to the master on {}", socket.display())]
    Unreachable {
        /// The master's socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The master took the connection but did not answer.
    #[error("the master on {} did not answer within {} s", socket.display(), after.as_secs())]
    TimedOut {
        /// The master's socket.
        socket: PathBuf,
        /// How long the wait was.
        after: Duration,
    },
    /// The master closed the connection instead of answering.
    #[error("the master closed the connection instead of answering Hello")]
    Closed,
    /// The master's first frame was no usable one, or the connection failed.
    #[error("the handshake with the master failed")]
    Link(#[from] CodecError),
    /// The master refused this worker, or chose what was not offered.
    #[error(transparent)]
    Rejected(#[from] HandshakeError),
    /// The thread that watches for the master's death could not be set up.
    #[error("cannot watch for the end of the master")]
    OrphanWatch(#[source] io::Error),
    /// Standalone mode could not listen for SIGINT and SIGTERM.
    #[error("cannot listen for SIGINT and SIGTERM")]
    Signals(#[source] io::Error),
}

/// A variable that Drover sets is there but unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// A text that is not UTF-8.
    #[error("{variable} is not valid UTF-8")]
    NotUnicode {
        /// The variable's name.
        variable: &'static str,
    },
    /// A number that is none, or too large.
    #[error("{variable} is {value:?}, which is not a whole number from 0")]
    NotANumber {
        /// The variable's name.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What the parser said.
        source: ParseIntError,
    },
}

/// Why a message was not said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Misuse: each message is said once, and in order.
    #[error("{message} cannot be sent any more: {said} was already sent")]
    TooLate {
        /// What the call wanted to say.
        message: &'static str,
        /// The last that was said.
        said: &'static str,
    },
    /// Misuse: the message answers a request that has not come.
    #[error("{message} answers {request}, which has not been received")]
    NotAsked {
        /// What the call wanted to say.
        message: &'static str,
        /// What it would answer.
        request: &'static str,
    },
    /// Misuse: no deadline runs that could be extended.
    #[error("more time can be requested only while starting, stopping or shutting down")]
    NoDeadline,
    /// The master is gone, so nobody can grant more time.
    #[error("the master is gone")]
    MasterGone,
    /// The master takes nothing off the connection.
    #[error("the master did not take {message} within {} s", after.as_secs())]
    TimedOut {
        /// What the call wanted to say.
        message: &'static str,
        /// How long the wait was.
        after: Duration,
    },
}

/// Why [`listener`](crate::MessageBus::listener), [`unix_listener`](crate::MessageBus::unix_listener) or
/// [`udp_socket`](crate::MessageBus::udp_socket) gave none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenerError {
    /// `LISTEN_FDS` and its companions are unusable.
    #[error(transparent)]
    ListenFds(#[from] ListenFdsError),
    /// The master hands over listeners, but none of this name.
    #[error("no listener named {name:?} was handed over; handed over: {}", names(offered))]
    NotHandedOver {
        /// The name asked for.
        name: String,
        /// The names that were handed over.
        offered: Vec<String>,
    },
    /// Standalone, and nobody said where to listen.
    #[error("no address for the listener {name:?}: without a master, name one with standalone_listen")]
    NoAddress {
        /// The name asked for.
        name: String,
    },
    /// Misuse: each listener is taken once.
    #[error("the listener {name:?} is already taken")]
    Taken {
        /// The name asked for.
        name: String,
    },
    /// The socket is of another kind than the one asked for.
    #[error("the socket {name:?} is {kind}, not {expected}")]
    WrongKind {
        /// The name asked for.
        name: String,
        /// What it is.
        kind: &'static str,
        /// What it was to be.
        expected: &'static str,
    },
    /// Standalone, and the address cannot be listened on.
    #[error("cannot listen on {address} for {name:?}")]
    Bind {
        /// The name asked for.
        name: String,
        /// The address given by `standalone_listen`.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused something about the socket.
    #[error("cannot use the listener {name:?}{}", address.map(|at| format!(" on {at}")).unwrap_or_default())]
    Io {
        /// The name asked for.
        name: String,
        /// Where it listens, if that is known.
        address: Option<SocketAddr>,
        /// What the system said.
        source: io::Error,
    },
}

/// Why the sockets in the environment are of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenFdsError {
    /// The sockets are for another process: a wrapper may stand between, which has to `exec` the worker.
    #[error("LISTEN_FDS is for process {}, but this is process {pid}", listen_pid.as_deref().unwrap_or("(LISTEN_PID is missing)"))]
    OtherProcess {
        /// The value of `LISTEN_PID`, if there is one.
        listen_pid: Option<String>,
        /// The id of this process.
        pid: u32,
    },
    /// `LISTEN_FDS` is not a number of file descriptors.
    #[error("LISTEN_FDS is {value:?}, which is not a number of sockets")]
    NotANumber {
        /// Its value.
        value: String,
    },
    /// There are not as many names as sockets.
    #[error("LISTEN_FDS hands over {fds} sockets, but LISTEN_FDNAMES has {names} names")]
    NamesDiffer {
        /// How many sockets there are.
        fds: usize,
        /// How many names there are.
        names: usize,
    },
}

/// Why a reading can't be reported.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GaugeError {
    /// A name is a letter or an underscore, then letters, digits and underscores, at most 100 in all.
    #[error(
        "{name:?} is not a name for a gauge: it takes letters, digits and underscores, 100 at most, and does not begin with a digit"
    )]
    Name {
        /// The name, or its beginning.
        name: String,
    },
    /// NaN and the infinities say nothing.
    #[error("gauge {name} is {value}, which is not a finite number")]
    NotFinite {
        /// The name.
        name: String,
        /// The value.
        value: f64,
    },
    /// There are 64 other names.
    #[error("gauge {name} is one too many: a worker has at most 64")]
    TooMany {
        /// The name.
        name: String,
    },
}

fn names(offered: &[String]) -> String {
    if offered.is_empty() {
        return "none".to_owned();
    }
    offered.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}
