//! Whether the supervisor answers, and whether every app is ready.

use hyper::StatusCode;

use super::reply::{HttpReply, reply};
use crate::handle::Snapshot;
use crate::machine::phase::Phase;

const TEXT: &str = "text/plain; charset=utf-8";

/// An answer is all that it takes.
pub(super) fn live() -> HttpReply {
    reply(StatusCode::OK, TEXT, "live\n")
}

/// Not ready from the first moment of an end: whoever leads traffic here is to lead it elsewhere before anybody drains.
pub(super) fn ready(snapshots: &[Snapshot]) -> HttpReply {
    let lacks: Vec<String> = snapshots.iter().filter_map(lack).collect();
    if lacks.is_empty() {
        return reply(StatusCode::OK, TEXT, "ready\n");
    }
    reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, lacks.join("\n") + "\n")
}

/// What an app lacks to be ready. One that has completed its work lacks nothing.
fn lack(shot: &Snapshot) -> Option<String> {
    let (app, status) = (&shot.app, &shot.status);
    let phase = match status.phase {
        Phase::Started if status.ready >= status.desired => return None,
        Phase::ShutDown if is_completed(status.outcome.as_deref()) => return None,
        Phase::Started => {
            return Some(format!("{app}: {} of {} workers are ready", status.ready, status.desired));
        }
        other => other.name().replace('_', " "),
    };
    Some(format!("{app}: {phase}"))
}

fn is_completed(outcome: Option<&str>) -> bool {
    outcome == Some("completed")
}
