//! What a master can take of another description while its workers run.

use std::sync::Arc;

use crate::config::{AppSpec, Change, ChangeClass};
use crate::machine::fleet::Count;
use crate::master::{Master, OperateError};

/// The keys that are not the master's, or that it changes while it runs.
const LIVE: [&str; 3] = ["workers", "depends_on", "essential"];

/// Why a change takes a restart of the app.
const WHY: &str = "its master takes it when the app starts";

/// Gives each change the class by which it can be brought about.
pub(super) fn feasible(changes: &mut [Change]) {
    for change in changes {
        let is_of_app = change.app.is_some();
        let is_live = LIVE.iter().any(|key| change.key.ends_with(&format!(".{key}")));
        if is_of_app && matches!(change.class, ChangeClass::Live | ChangeClass::Reload) && !is_live {
            change.class = ChangeClass::Restart;
            change.why = change.why.or(Some(WHY));
        }
    }
}

/// Brings an app to a description that differs by this class, without its end. None: that can't be.
pub(super) async fn change(
    master: &Master,
    class: ChangeClass,
    spec: &Arc<AppSpec>,
    by: &Arc<str>,
) -> Option<Result<(), OperateError>> {
    if class != ChangeClass::Live {
        return None;
    }
    let is_another = master.snapshot().status.desired != spec.workers;
    Some(if is_another { master.scale_for(Count::To(spec.workers), Arc::clone(by)).await } else { Ok(()) })
}
