//! A worker's place on the bus, for as long as its connection lasts.

use std::sync::Arc;

use crate::bus::{Exchange, Peer};

/// A worker's place on the bus. Dropped, it is free, and whoever waits for the worker is told.
#[derive(Debug)]
pub(crate) struct Seat {
    pub exchange: Arc<Exchange>,
    pub peer: Arc<Peer>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.exchange.leave(&self.peer);
    }
}
