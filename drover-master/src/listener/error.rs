//! Why a listener could not be opened.

use std::io;

use super::UnixPathError;
use super::holder::{PortHolder, holder_of};
use crate::config::ListenAddr;

/// Why a listener could not be opened: misuse (the address) or the environment (the port is taken).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The host has no address, or the system's resolver gave none within 5 s.
    #[error("listener `{name}`: the host of `{addr}` can't be resolved")]
    Resolve {
        /// The listener.
        name: String,
        /// Its address.
        addr: ListenAddr,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// Another socket listens there.
    #[error("listener `{name}`: {addr} is in use by {}; end that one or choose another address", told(holder.as_ref()))]
    InUse {
        /// The listener.
        name: String,
        /// Its address.
        addr: ListenAddr,
        /// The process that has it, if that is known.
        holder: Option<PortHolder>,
    },
    /// A socket that was handed over listens there, and is not a listener's.
    #[error(
        "listener `{name}`: {addr} is in use by the socket {socket}, which was handed over to this program; give it the listener's name \
         (FileDescriptorName={name}), or the listener its address"
    )]
    InUseByHandedOver {
        /// The listener.
        name: String,
        /// Its address.
        addr: ListenAddr,
        /// The socket, with its address.
        socket: String,
    },
    /// The address may not be bound by this user.
    #[error(
        "listener `{name}`: {addr} may not be bound by this user; ports below 1024 need a privilege (CAP_NET_BIND_SERVICE)"
    )]
    NotPermitted {
        /// The listener.
        name: String,
        /// Its address.
        addr: ListenAddr,
    },
    /// Anything else the kernel says.
    #[error("listener `{name}`: {addr} can't be listened on")]
    Failed {
        /// The listener.
        name: String,
        /// Its address.
        addr: ListenAddr,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A socket of this name, or at this address, was handed over, and can't be used.
    #[error("listener `{name}`: the socket that was handed over for it is {fault}")]
    Inherited {
        /// The listener.
        name: String,
        /// Why.
        fault: String,
    },
    /// The path of a Unix listener can't be used.
    #[error("listener `{name}`")]
    Path {
        /// The listener.
        name: String,
        /// What is wrong with it.
        #[source]
        source: UnixPathError,
    },
}

fn told(holder: Option<&PortHolder>) -> String {
    holder.map_or_else(|| "another program".to_owned(), ToString::to_string)
}

impl ListenError {
    /// Whether [`with_holder`](Self::with_holder) may find out more.
    pub(crate) const fn lacks_holder(&self) -> bool {
        matches!(self, Self::InUse { holder: None, .. })
    }

    /// The same with the process that has the address. Walks over `/proc`.
    pub(crate) fn with_holder(&self) -> Option<Self> {
        match self {
            Self::InUse { name, addr, holder: None } => {
                Some(Self::InUse { name: name.clone(), addr: addr.clone(), holder: holder_of(addr) })
            }
            _ => None,
        }
    }
}
