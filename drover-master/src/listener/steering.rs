//! Which slots new connections are led to: those in which a worker is ready.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{SlotIndex, WorkerId};

/// The workers of an app that are ready, by their slots.
#[derive(Debug, Default)]
pub(super) struct Steering {
    /// While a worker is replaced, a slot may have two.
    ready: BTreeMap<SlotIndex, BTreeSet<WorkerId>>,
}

impl Steering {
    /// A worker is ready in its slot.
    pub(super) fn ready(&mut self, slot: SlotIndex, worker: WorkerId) {
        self.ready.entry(slot).or_default().insert(worker);
    }

    /// A worker is not ready any more; it may never have been.
    pub(super) fn gone(&mut self, slot: SlotIndex, worker: WorkerId) {
        if let Some(workers) = self.ready.get_mut(&slot) {
            workers.remove(&worker);
            if workers.is_empty() {
                self.ready.remove(&slot);
            }
        }
    }

    /// The slots to lead to.
    pub(super) fn slots(&self) -> BTreeSet<SlotIndex> {
        self.ready.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_led_to_until_the_last_of_its_workers_is_gone() {
        let mut steering = Steering::default();
        let (slot, old, new) = (SlotIndex(4), WorkerId(1), WorkerId(2));
        steering.gone(slot, old);
        assert!(steering.slots().is_empty());
        steering.ready(slot, old);
        steering.ready(slot, new);
        steering.gone(slot, old);
        steering.gone(slot, old);
        assert_eq!(steering.slots(), BTreeSet::from([slot]));
        steering.gone(slot, new);
        assert!(steering.slots().is_empty());
    }
}
