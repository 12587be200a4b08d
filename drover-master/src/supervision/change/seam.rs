//! What a master can take of another description while its workers run.

use std::sync::Arc;

use super::error::StepError;
use super::step::StepOutcome;
use crate::config::{AppSpec, ChangeClass};
use crate::handle::{Master, OperateError, Reload};
use crate::machine::fleet::Count;

/// Brings an app to a description that differs by this class, without its end. None: that can't be.
pub(super) async fn change(
    master: &Master,
    class: ChangeClass,
    spec: &AppSpec,
    by: &Arc<str>,
) -> Option<StepOutcome> {
    let changed = match class {
        ChangeClass::Live => master.adjust_for(spec.clone(), Arc::clone(by)).await,
        ChangeClass::Reload => master.reload_for(Reload::to(spec.clone()), Arc::clone(by)).await,
        _ => return None,
    };
    Some(match changed {
        Ok(()) => scale(master, class, spec, by).await,
        // It waits for somebody to decide.
        Err(error @ OperateError::Paused { .. }) => StepOutcome::Failed(error.into()),
        Err(error) => StepOutcome::RolledBack(error.into()),
    })
}

/// The number of workers, last: newcomers are of the new description.
async fn scale(master: &Master, class: ChangeClass, spec: &AppSpec, by: &Arc<str>) -> StepOutcome {
    if master.snapshot().status.desired == spec.workers {
        return StepOutcome::Done;
    }
    match master.scale_for(Count::To(spec.workers), Arc::clone(by)).await.map_err(StepError::from) {
        Ok(()) => StepOutcome::Done,
        Err(error) if class == ChangeClass::Live => StepOutcome::RolledBack(error),
        // The workers are new ones, and too few.
        Err(error) => StepOutcome::Failed(error),
    }
}
