//! Every event as a trace: old and new phase, who, why. Never an environment, never a token.

use crate::handle::event::Event;
use crate::machine::fleet::EventKind;

/// Traces an event, once, where it is published.
pub(super) fn event(event: &Event) {
    let (app, name, detail) = (&*event.app, event.name(), event.kind.detail());
    let Some(worker) = event.worker else {
        tracing::debug!(target: "drover::master", seq = event.seq, app, phase = event.phase.name(), "{name} {detail}");
        return;
    };
    let (slot, generation) = (worker.slot.0, worker.generation.0);
    let (id, pid) = (worker.id.map(|id| id.0), worker.pid);
    match &event.kind {
        EventKind::Entered { from } => {
            tracing::debug!(target: "drover::worker", seq = event.seq, app, slot, generation, id, pid, "{from} → {}", event.phase);
        }
        EventKind::Exited { exit } => {
            tracing::debug!(target: "drover::worker", seq = event.seq, app, slot, generation, id, pid, "{} → {} {detail}", exit.during, event.phase);
        }
        _ => {
            tracing::debug!(target: "drover::worker", seq = event.seq, app, slot, generation, id, pid, phase = event.phase.name(), "{name} {detail}");
        }
    }
}
