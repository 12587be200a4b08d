//! A connection past its handshake, for tests.

use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::carry::{Admitted, carry};
use super::news::{ConnectionId, ConnectionNews, LinkNews, NewsSender};
use super::seat::Seat;
use crate::bus::{Exchange, Peer};
use crate::machine::worker::WorkerReport;

/// The master's end. Dropped, it is gone.
pub(crate) struct Carried {
    news: mpsc::Receiver<LinkNews>,
    _outgoing: mpsc::Sender<bytes::Bytes>,
    carrying: JoinHandle<Option<Arc<str>>>,
}

/// A worker on the bus, and its end of the connection.
pub(crate) fn carried(exchange: &Arc<Exchange>, peer: Arc<Peer>) -> (Carried, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (news, told) = mpsc::channel(64);
    let (outgoing, frames) = mpsc::channel(64);
    let seat = Seat { exchange: Arc::clone(exchange), peer: Arc::clone(&peer) };
    exchange.join(peer);
    let carrying = tokio::spawn(async move {
        let (reader, writer) = ours.into_split();
        let news = NewsSender { id: ConnectionId(1), queue: news };
        carry(&news, reader, writer, Admitted { outgoing: frames, seat }).await
    });
    (Carried { news: told, _outgoing: outgoing, carrying }, theirs)
}

impl Carried {
    /// What the driver hears next of its life.
    pub(crate) async fn said(&mut self) -> WorkerReport {
        match self.news.recv().await.map(|news| news.news) {
            Some(ConnectionNews::Said { said, .. }) => said,
            other => panic!("{other:?}"),
        }
    }

    /// Whether the driver has heard nothing more.
    pub(crate) fn is_silent(&self) -> bool {
        self.news.is_empty()
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}
