//! What failed before does not count any more: restarts, pauses between tries, slots that were given up.

use std::sync::Arc;

use super::{EventKind, Fleet, Rollout, SlotState, Target, Verdict};
use crate::ids::TicketId;
use crate::machine::gate::{DenyReason, Doing};
use crate::machine::restart::RestartTracker;

impl Fleet {
    /// A slot that was given up, or waits for its next try, is tried at once. Who asks does not wait for what becomes of it.
    pub(super) fn reset_requested(&mut self, ticket: TicketId, target: Target, by: &Arc<str>) {
        let denied = match self.doing {
            Doing::Idle => Some(DenyReason::NotRunning),
            Doing::Starting => Some(DenyReason::Starting),
            Doing::Stopping | Doing::Killing => Some(DenyReason::ShuttingDown),
            Doing::Started if self.rollout.as_ref().is_some_and(Rollout::is_active) => {
                Some(DenyReason::Reloading)
            }
            Doing::Started => None,
        };
        if let Some(reason) = denied {
            return self.answer(ticket, Verdict::Denied(reason));
        }
        let slots = match self.slots_of(target) {
            Ok(slots) => slots,
            Err(reason) => return self.answer(ticket, Verdict::Denied(reason)),
        };
        self.publish_app(EventKind::Reset { by: Arc::clone(by) });
        for slot in slots {
            let place = self.slot_mut(slot);
            place.restarts = 0;
            place.tracker = RestartTracker::default();
            let is_down = matches!(place.state, SlotState::GivenUp | SlotState::BackingOff { .. });
            if is_down && !place.suspended {
                self.refill(slot);
            }
        }
        self.answer(ticket, Verdict::Done);
    }
}
