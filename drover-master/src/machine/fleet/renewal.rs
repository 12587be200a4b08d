//! A socket of the app that was lost and is made again while the app runs.

use std::fmt;
use std::sync::Arc;

use super::{EventKind, Fleet, RecycleReason};
use crate::ids::WorkerId;
use crate::machine::gate::Doing;

/// What became of a socket of the app that was lost.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct SocketRenewal {
    /// Which one, for people: "listener `web`".
    pub what: Arc<str>,
    /// Where it is.
    pub at: Arc<str>,
    /// How it was lost.
    pub loss: SocketLoss,
    /// Why it could not be made again; none if it was.
    pub fault: Option<Arc<str>>,
}

/// How a socket can be lost whose owner still wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum SocketLoss {
    /// Somebody who inherited it has called shutdown(2).
    ShutDown,
    /// Its path was removed, or something else has been put there.
    Removed,
}

/// A sentence for people.
impl fmt::Display for SocketRenewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, at, loss, fault } = self;
        let lost = match loss {
            SocketLoss::ShutDown => "a worker shut it down",
            SocketLoss::Removed => "somebody removed its path",
        };
        match fault {
            None => write!(f, "{what} at {at}: {lost}; it has been opened again"),
            Some(fault) => write!(f, "{what} at {at}: {lost}, and it can't be opened again: {fault}"),
        }
    }
}

impl Fleet {
    /// A socket was lost. If another is in its place, workers that have the old one are replaced, one at a time, as those that
    /// have served enough.
    pub(super) fn socket_renewed(&mut self, renewal: SocketRenewal, outdates_workers: bool) {
        self.publish_app(EventKind::SocketRenewed { renewal: Box::new(renewal) });
        if outdates_workers && matches!(self.doing, Doing::Starting | Doing::Started) {
            let mut ids: Vec<WorkerId> = self.workers.keys().copied().collect();
            ids.sort_unstable();
            for id in ids {
                self.recycling.add(id, RecycleReason::Socket);
            }
        }
    }
}
