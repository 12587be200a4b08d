//! The listeners of an app that ends are closed as soon as none of its workers takes anything from them: a new client is refused at
//! once, instead of waiting in a queue that nobody reads.
//!
//! ```text
//!  the app ends ──► no worker serves, twice in a row ──► workers of the protocol alone ────────────────► closed
//!                                                   └──► others: until none has a socket of it open ──┘
//! ```
//!
//! `Stop` means to take no new work, so workers of the protocol need no listener after it. Of another program nobody knows whether
//! it still accepts while it drains; to shut the socket would fail its accept(2). So it keeps the listener as long as it has it
//! open. Servers close theirs when they are told to stop.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::Driver;
use super::contact::{AbortOnDrop, ProcessNews};
use crate::config::Protocol;
use crate::machine::worker::{Worker, WorkerState};
use crate::process::{is_held, socket_numbers};

/// How often is looked whether anybody serves, and so the least time that a worker has to hear of its stop before the listener is
/// closed. Longer leaves clients waiting; shorter closes it under a worker that has not read its Stop.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How far the end of an app has come, as clients see it.
#[derive(Debug, Default)]
pub(super) struct Unlistening {
    next: Option<Instant>,
    /// As of the last look.
    nobody_serves: bool,
    /// Whoever waits until no worker has the sockets open.
    waiting: Option<AbortOnDrop>,
}

impl Unlistening {
    /// When [`Driver::unlisten`] has something to do.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.next
    }
}

impl Driver {
    /// Looks whether the listeners of an app that ends are still needed.
    pub(super) fn unlisten(&mut self, now: Instant) {
        if !self.is_ending() || self.listeners.is_empty() {
            self.unlistening = Unlistening::default();
            return;
        }
        if self.unlistening.waiting.is_some() || self.unlistening.next.is_some_and(|next| next > now) {
            return;
        }
        let nobody_serves = !self.fleet.workers().any(serves);
        let was_so = std::mem::replace(&mut self.unlistening.nobody_serves, nobody_serves);
        self.unlistening.next = Some(now + LOOK_EVERY);
        if !nobody_serves || !was_so {
            return;
        }
        if self.fleet.workers().all(|worker| worker.spec().protocol == Protocol::Drover) {
            return self.close_listeners();
        }
        self.unlistening.next = None;
        self.wait_for_sockets();
    }

    fn wait_for_sockets(&mut self) {
        let Ok(sockets) = socket_numbers(&self.listeners.all()) else { return };
        let trees = self.contacts.values().filter_map(|contact| contact.tree.as_ref());
        let leaders: HashSet<i32> = trees.map(|tree| tree.pid().cast_signed()).collect();
        let sender = self.process_sender.clone();
        self.unlistening.waiting = Some(AbortOnDrop(tokio::spawn(async move {
            loop {
                let began = tokio::time::Instant::now();
                let (leaders, sockets) = (leaders.clone(), sockets.clone());
                match tokio::task::spawn_blocking(move || is_held(&leaders, &sockets)).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    // The runtime ends.
                    Err(_) => return,
                }
                // However many processes there are, it takes a fifth of one CPU at most.
                tokio::time::sleep((began.elapsed() * 4).max(LOOK_EVERY)).await;
            }
            // Without a driver nobody wants to know.
            let _ = sender.send(ProcessNews::SocketsLetGo).await;
        })));
    }

    /// No worker has any of them open.
    pub(super) fn sockets_let_go(&mut self) {
        if self.is_ending() && self.unlistening.waiting.is_some() {
            self.close_listeners();
        }
    }
}

/// Whether it may take new work.
const fn serves(worker: &Worker) -> bool {
    match worker.state() {
        WorkerState::Initialized { .. }
        | WorkerState::Starting
        | WorkerState::Checking
        | WorkerState::Started
        | WorkerState::Lingering => true,
        WorkerState::Stopping
        | WorkerState::Stopped
        | WorkerState::Resuming
        | WorkerState::ShuttingDown { .. }
        | WorkerState::Exited { .. } => false,
    }
}
