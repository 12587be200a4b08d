//! What one app listens on.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::slots::SlotSockets;
use super::steering::Steering;
use super::{ListenError, Listener, ListenerPool};
use crate::config::{ListenAddr, ListenMode, ListenSpec};
use crate::machine::ids::{SlotIndex, WorkerId};

/// The open listeners of an app: of each of its generations that is alive.
#[derive(Debug, Default)]
pub(crate) struct AppListeners {
    opened: Vec<(ListenSpec, Opened)>,
    steering: Steering,
}

#[derive(Debug)]
enum Opened {
    Shared(Arc<Listener>),
    PerSlot(SlotSockets),
}

/// Whether two generations that have these serve one socket. Its queue is what the one of them that was opened last says.
fn is_same(known: &ListenSpec, spec: &ListenSpec) -> bool {
    (&known.name, &known.addr, known.mode) == (&spec.name, &spec.addr, spec.mode)
}

impl AppListeners {
    /// Opens one more, if it is not open.
    pub(crate) fn open(&mut self, spec: &ListenSpec, pool: &ListenerPool) -> Result<(), ListenError> {
        if let Some((known, opened)) = self.opened.iter_mut().find(|(known, _)| is_same(known, spec)) {
            if known.backlog != spec.backlog {
                match opened {
                    Opened::Shared(_) => drop(pool.open(spec)?),
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
                Opened::PerSlot(SlotSockets::open(spec, addr)?)
            }
            _ => Opened::Shared(pool.open(spec)?),
        };
        self.opened.push((spec.clone(), opened));
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
            Opened::Shared(listener) => vec![Arc::clone(&listener.socket)],
            Opened::PerSlot(slots) => slots.all(),
        });
        sockets.collect()
    }

    /// Closes those that none of these descriptions has.
    pub(crate) fn keep(&mut self, needed: &[&ListenSpec]) {
        self.opened.retain(|(known, _)| needed.iter().any(|spec| is_same(known, spec)));
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
            Opened::Shared(listener) => (listener.name.as_str(), &listener.addr),
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
                Some(Opened::Shared(listener)) => Arc::clone(&listener.socket),
                Some(Opened::PerSlot(slots)) => {
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

    /// Closes the sockets of slots that the app does not have any more.
    pub(crate) fn retain(&mut self, is_there: impl Fn(SlotIndex) -> bool) {
        for (_, opened) in &mut self.opened {
            let Opened::PerSlot(slots) = opened else { continue };
            let gone: Vec<SlotIndex> = slots.slots().filter(|slot| !is_there(*slot)).collect();
            for slot in gone {
                slots.close(slot);
            }
        }
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
            Opened::Shared(_) => None,
            Opened::PerSlot(slots) => Some(slots),
        })
    }
}
