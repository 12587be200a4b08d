//! What there is, in one piece: for whoever asks within the program.

use drover_proto::latest::{MasterStatus, StatusReply};

use super::convert::StatusParts;
use crate::handle::{Master, Snapshot};
use crate::supervision::SupervisorHandle;

/// The master itself.
pub(super) fn master(supervisor: &SupervisorHandle) -> MasterStatus {
    let now = tokio::time::Instant::now().into_std();
    MasterStatus {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_ms: u64::try_from(supervisor.uptime(now).as_millis()).unwrap_or(u64::MAX),
        file: supervisor.file(),
        profile: supervisor.profile(),
        keeper: supervisor.keeper().unwrap_or(0),
        is_protected: supervisor.is_protected(),
    }
}

/// All apps and their workers, as a client of the control socket is told.
pub fn status(supervisor: &SupervisorHandle) -> StatusReply {
    let snapshots: Vec<Snapshot> = supervisor.masters().iter().map(Master::snapshot).collect();
    let last_seq = snapshots.iter().map(|shot| shot.last_seq).max().unwrap_or(0);
    let now = tokio::time::Instant::now().into_std();
    let mut parts = StatusParts::new(snapshots, supervisor.waits(), now);
    let mut whole = StatusReply { master: Some(master(supervisor)), apps: Vec::new(), last_seq };
    loop {
        let (apps, more) = parts.next_part();
        for app in apps {
            match whole.apps.last_mut().filter(|last| last.name == app.name) {
                Some(last) => last.workers.extend(app.workers),
                None => whole.apps.push(app),
            }
        }
        if !more {
            return whole;
        }
    }
}
