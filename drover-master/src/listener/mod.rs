//! The app's listening sockets: bound once by the master, inherited by every worker, open until the app ends. A connection
//! that waits in a queue is not lost because a worker leaves.
//!
//! A listener is shared, one socket for all, or has a socket for each slot, which the slot's workers inherit one after the
//! other.

mod app;
mod claimed_files;
mod error;
mod group;
mod group_note;
#[cfg(test)]
mod held_tests;
mod holder;
mod host;
mod inherited;
mod lasting;
mod open;
mod path_lock;
mod pool;
mod queue;
mod resolve;
mod slots;
mod socket;
mod steering;
mod store;
mod unix_path;
mod unix_path_error;
mod watch;

pub(crate) use app::{AppListeners, Renewed};
pub use error::ListenError;
pub use holder::PortHolder;
pub use inherited::{InheritError, InheritedSockets};
pub(crate) use open::Listener;
pub(crate) use pool::ListenerPool;
pub(crate) use queue::until_empty;
pub(crate) use resolve::Hosts;
pub use store::SocketStore;
pub(crate) use unix_path::{UnixPath, is_served};
pub(crate) use unix_path_error::PATH_MAX;
pub use unix_path_error::UnixPathError;
