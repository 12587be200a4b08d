//! What one app listens on.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lasting::LastingListener;
use super::slots::SlotSockets;
use super::steering::Steering;
use super::watch::Watch;
use super::{ListenError, Listener, ListenerPool};
use crate::config::{ListenAddr, ListenMode, ListenSpec};
use crate::ids::{SlotIndex, WorkerId};
use crate::machine::fleet::{SocketLoss, SocketRenewal};
use crate::upkeep::{Teller, Upkeep, keep};

/// The open listeners of an app: of each of its generations that is alive.
#[derive(Debug)]
pub(crate) struct AppListeners {
    /// Whose they are.
    app: Arc<str>,
    opened: Vec<(ListenSpec, Opened)>,
    steering: Steering,
    teller: Teller,
    watch: Watch,
    /// Whether there are other sockets than those that are watched.
    is_changed: bool,
    /// What is lost and could not be opened again, as it was told; looked at again at this time.
    lost: HashMap<String, String>,
    next_try: Option<Instant>,
}

/// From one try to open again what is lost to the next: until whoever has the port or the path now lets go of it.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug)]
enum Opened {
    Shared {
        /// Before the listener: what is let go of is not looked after any more.
        _upkeep: Option<Upkeep>,
        listener: Arc<Listener>,
        /// What this app's workers get: another one when the listener was opened again, perhaps by another app that has it.
        socket: Arc<OwnedFd>,
    },
    PerSlot(Box<SlotSockets>),
}

/// What became of a listener that was lost.
#[derive(Debug)]
pub(crate) struct Renewed {
    pub renewal: SocketRenewal,
    /// Whether the workers that there are have one that nobody reaches any more.
    pub is_another: bool,
}

/// Whether two generations that have these serve one socket. Its queue is what the one of them that was opened last says.
fn is_same(known: &ListenSpec, spec: &ListenSpec) -> bool {
    (&known.name, &known.addr, known.mode) == (&spec.name, &spec.addr, spec.mode)
}

impl AppListeners {
    /// None yet. `teller` tells the app's driver of those that were swept away.
    pub(crate) fn new(app: Arc<str>, teller: Teller) -> Self {
        Self {
            app,
            opened: Vec::new(),
            steering: Steering::default(),
            teller,
            watch: Watch::default(),
            is_changed: false,
            lost: HashMap::new(),
            next_try: None,
        }
    }

    /// Opens one more, if it is not open.
    pub(crate) fn open(&mut self, spec: &ListenSpec, pool: &ListenerPool) -> Result<(), ListenError> {
        if let Some((known, opened)) = self.opened.iter_mut().find(|(known, _)| is_same(known, spec)) {
            if known.backlog != spec.backlog {
                match opened {
                    Opened::Shared { .. } => drop(pool.open(spec)?),
                    Opened::PerSlot(slots) => slots.set_backlog(spec)?,
                }
                known.backlog = spec.backlog;
            }
            return Ok(());
        }
        let opened = match (&spec.addr, spec.mode) {
            (ListenAddr::Tcp(addr), ListenMode::Reuseport) => {
                // Refused if one was handed over.
                pool.inherited(spec)?;
                let held_name = format!("slots/{}/{}/{}", self.app, spec.name, spec.addr);
                let slots = SlotSockets::open(spec, addr, pool.holds(), &held_name);
                Opened::PerSlot(Box::new(slots.map_err(|error| pool.named(error, spec))?))
            }
            _ => {
                let listener = pool.open(spec)?;
                let socket = listener.socket();
                let has_files = !listener.files().is_empty();
                let kept = || Arc::new(LastingListener::new(Arc::clone(&listener), self.teller.clone()));
                Opened::Shared { _upkeep: has_files.then(|| keep(kept())), socket, listener }
            }
        };
        self.opened.push((spec.clone(), opened));
        self.is_changed = true;
        // Workers that are ready already may belong there.
        self.steer();
        Ok(())
    }

    /// Gives those that are open the queues that this description has.
    pub(crate) fn follow(&mut self, specs: &[ListenSpec], pool: &ListenerPool) {
        for spec in specs {
            if self.opened.iter().any(|(known, _)| is_same(known, spec))
                && let Err(error) = self.open(spec, pool)
            {
                tracing::error!(target: "drover::listener", name = spec.name, %error, "its queue stays as long as it is");
            }
        }
    }

    /// Whether nothing is open.
    pub(crate) const fn is_empty(&self) -> bool {
        self.opened.is_empty()
    }

    /// Every socket that is open.
    pub(crate) fn all(&self) -> Vec<Arc<OwnedFd>> {
        let sockets = self.opened.iter().flat_map(|(_, opened)| match opened {
            Opened::Shared { socket, .. } => vec![Arc::clone(socket)],
            Opened::PerSlot(slots) => slots.all(),
        });
        sockets.collect()
    }

    /// Closes those that none of these descriptions has.
    pub(crate) fn keep(&mut self, needed: &[&ListenSpec]) {
        self.opened.retain(|(known, _)| needed.iter().any(|spec| is_same(known, spec)));
        self.is_changed = true;
    }

    /// Whether a listener of this description is open.
    pub(crate) fn is_open(&self, spec: &ListenSpec) -> bool {
        self.opened.iter().any(|(known, _)| is_same(known, spec))
    }

    fn of<'a>(&'a self, specs: &'a [ListenSpec]) -> impl Iterator<Item = &'a Opened> {
        let found = |spec| self.opened.iter().find(move |(known, _)| is_same(known, spec));
        specs.iter().filter_map(found).map(|(_, opened)| opened)
    }

    /// The names of those of this description that are open, and where they listen.
    pub(crate) fn shown<'a>(
        &'a self,
        specs: &'a [ListenSpec],
    ) -> impl Iterator<Item = (&'a str, &'a ListenAddr)> {
        self.of(specs).map(|opened| match opened {
            Opened::Shared { listener, .. } => (listener.name.as_str(), &listener.addr),
            Opened::PerSlot(slots) => (slots.name.as_str(), &slots.addr),
        })
    }

    /// What a worker in this slot inherits, in the order of its description.
    ///
    /// # Errors
    ///
    /// A socket of the slot can't be opened; with the name of its listener.
    pub(crate) fn sockets(
        &mut self,
        specs: &[ListenSpec],
        slot: SlotIndex,
    ) -> Result<Vec<Arc<OwnedFd>>, (String, io::Error)> {
        let mut sockets = Vec::with_capacity(specs.len());
        for spec in specs {
            let opened = self.opened.iter_mut().find(|(known, _)| is_same(known, spec));
            sockets.push(match opened.map(|(_, opened)| opened) {
                Some(Opened::Shared { socket, .. }) => Arc::clone(socket),
                Some(Opened::PerSlot(slots)) => {
                    self.is_changed |= slots.opened(slot).is_none();
                    slots.socket(slot).map_err(|error| (slots.name.clone(), error))?
                }
                None => return Err((spec.name.clone(), io::ErrorKind::NotConnected.into())),
            });
        }
        Ok(sockets)
    }

    /// A worker is ready: connections may be led to its slot.
    pub(crate) fn ready(&mut self, slot: SlotIndex, worker: WorkerId) {
        self.steering.ready(slot, worker);
        self.steer();
    }

    /// A worker is not ready any more.
    pub(crate) fn gone(&mut self, slot: SlotIndex, worker: WorkerId) {
        self.steering.gone(slot, worker);
        self.steer();
    }

    /// The sockets of a slot from which connections have been led away. None if the slot has no queues of its own, or if
    /// there is nowhere else to lead them: they wait for the slot's next worker then.
    pub(crate) fn left_queues(&self, slot: SlotIndex) -> Vec<Arc<OwnedFd>> {
        let left = self.per_slot().filter(|slots| !slots.is_led_to(slot));
        left.filter_map(|slots| slots.opened(slot)).collect()
    }

    /// The slots in whose own queues connections wait.
    pub(crate) fn queued(&self) -> BTreeSet<SlotIndex> {
        self.per_slot().flat_map(SlotSockets::queued).collect()
    }

    /// Closes the sockets of slots that the app does not have any more.
    pub(crate) fn retain(&mut self, is_there: impl Fn(SlotIndex) -> bool) {
        for (_, opened) in &mut self.opened {
            let Opened::PerSlot(slots) = opened else { continue };
            let gone: Vec<SlotIndex> = slots.slots().filter(|slot| !is_there(*slot)).collect();
            for slot in gone {
                self.is_changed = true;
                slots.close(slot);
            }
        }
    }

    /// Waits until one of the sockets may have been shut down.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(crate) async fn until_shut_down(&mut self) {
        if self.is_changed {
            if let Err(error) = self.watch.follow(self.all()) {
                tracing::error!(target: "drover::listener", %error, "can't see whether workers shut listeners down");
            }
            self.is_changed = false;
        }
        self.watch.until_shut_down().await;
    }

    /// When [`renew`](Self::renew) is to be tried again.
    pub(crate) const fn next_try(&self) -> Option<Instant> {
        self.next_try
    }

    /// Opens again what is lost. What can't be opened is told once, and tried again.
    pub(crate) fn renew(&mut self, now: Instant) -> Vec<Renewed> {
        let (mut told, mut lost) = (Vec::new(), HashMap::new());
        for (spec, opened) in &mut self.opened {
            let (found, is_another, at) = match opened {
                Opened::Shared { listener, socket, .. } => {
                    let found = listener.renew().map(|renewed| (SocketLoss::ShutDown, renewed));
                    let newest = listener.socket();
                    let is_another = !Arc::ptr_eq(socket, &newest);
                    *socket = newest;
                    // Another app that has the same listener may have been faster.
                    (
                        found.or(is_another.then_some((SocketLoss::Removed, Ok(())))),
                        is_another,
                        listener.addr.to_string(),
                    )
                }
                Opened::PerSlot(slots) => (
                    slots.renew().map(|renewed| (SocketLoss::ShutDown, renewed)),
                    false,
                    slots.addr.to_string(),
                ),
            };
            self.is_changed |= is_another;
            let Some((loss, renewed)) = found else { continue };
            let fault = renewed.err().map(|error| crate::sentence::sentence(&error));
            if let Some(fault) = &fault {
                lost.insert(spec.name.clone(), fault.clone());
                if self.lost.get(&spec.name) == Some(fault) {
                    continue;
                }
            }
            let what = format!("listener `{}`", spec.name).into();
            let (at, fault) = (at.into(), fault.map(Into::into));
            told.push(Renewed { renewal: SocketRenewal { what, at, loss, fault }, is_another });
        }
        self.next_try = (!lost.is_empty()).then(|| now + AGAIN);
        self.lost = lost;
        told
    }

    fn steer(&mut self) {
        for (_, opened) in &mut self.opened {
            if let Opened::PerSlot(slots) = opened {
                slots.lead_to(&self.steering.slots());
            }
        }
    }

    fn per_slot(&self) -> impl Iterator<Item = &SlotSockets> {
        self.opened.iter().filter_map(|(_, opened)| match opened {
            Opened::Shared { .. } => None,
            Opened::PerSlot(slots) => Some(&**slots),
        })
    }
}
