//! Reloads: begun, promoted, aborted.

use std::time::Duration;

use drover_proto::latest::{
    Done, Error, ErrorCode, ReloadRequest, ReloadStep, Share as WireShare, UpdateChange, UpdateFailure,
    control_response, share,
};
use tokio::task::JoinSet;

use super::operate::{Failure, result};
use super::target::NamedTarget;
use super::{Gone, Session};
use crate::config::{AppSpec, OnUpdateFailure, Share, UpdatePolicy};
use crate::handle::{Master, OperateError, Reload, Ticket};
use crate::machine::fleet;

impl Session {
    pub(super) async fn reload(&mut self, seq: u64, request: &ReloadRequest) -> Result<(), Gone> {
        if request.step() == ReloadStep::Unspecified {
            let message = "the step is unknown to this master; is the client newer?".to_owned();
            return self.refuse(seq, ErrorCode::Unimplemented, message).await;
        }
        let targets = match self.apps_to_reload(&request.apps) {
            Ok(targets) => targets,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let mut reloads = Vec::new();
        for target in targets {
            match reload_of(&target.master, request) {
                Ok(reload) => reloads.push((target, reload)),
                Err(message) => return self.refuse(seq, ErrorCode::InvalidArgument, message).await,
            }
        }
        let _place = match self.places.wait(!request.no_wait) {
            Ok(place) => place,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let mut running = JoinSet::new();
        for (NamedTarget { name, master, whom }, reload) in reloads {
            let step = request.step();
            tracing::info!(target: "drover::control", client = self.client, app = name, ?step, "reload");
            let mut ticket = begin(&master, reload, step, &self.client);
            let no_wait = request.no_wait;
            running.spawn(async move {
                let outcome = if no_wait { ticket.admitted().await } else { ticket.await };
                result(name, &master, whom, outcome.map_err(Failure::from))
            });
        }
        let told = self.tell_results(seq, &mut running).await;
        // Of a client that is gone, the rest goes on by itself, and its place is free for another.
        running.detach_all();
        told?;
        self.send(seq, false, control_response::Body::Done(Done::default())).await.map(drop)
    }

    fn apps_to_reload(&self, names: &[String]) -> Result<Vec<NamedTarget>, Error> {
        let targets = self.targets(names)?;
        match targets.iter().find(|target| target.whom != fleet::Target::All) {
            None => Ok(targets),
            Some(NamedTarget { name, .. }) => {
                let message = format!(
                    "only whole apps are reloaded, and `{name}` is none; `drover restart --surge {name}` replaces a worker"
                );
                Err(Error { code: ErrorCode::InvalidArgument.into(), message })
            }
        }
    }
}

fn begin(master: &Master, reload: Reload, step: ReloadStep, by: &str) -> Ticket<OperateError> {
    match step {
        ReloadStep::Promote => master.promote_for(by),
        ReloadStep::Abort => master.abort_for(by),
        ReloadStep::Begin | ReloadStep::Unspecified => master.reload_for(reload, by),
    }
}

/// What is asked for, of an app with policies of its own.
fn reload_of(master: &Master, request: &ReloadRequest) -> Result<Reload, String> {
    let mut reload = Reload::new();
    if let Some(workers) = request.canary {
        if workers == 0 {
            return Err("a canary is 1 worker or more".to_owned());
        }
        reload = reload.canary(workers);
    }
    match &request.change {
        Some(change) => {
            let spec = master.spec();
            let policy = changed(spec.update.clone(), change)?;
            let changed = AppSpec { update: policy.clone(), ..AppSpec::clone(&spec) };
            changed.check_values().map_err(|error| error.to_string())?;
            Ok(reload.policy(policy))
        }
        None => Ok(reload),
    }
}

/// A policy with the values that are given.
fn changed(mut policy: UpdatePolicy, change: &UpdateChange) -> Result<UpdatePolicy, String> {
    if let Some(surge) = &change.max_surge {
        policy.max_surge = share(surge)?;
    }
    if let Some(unavailable) = &change.max_unavailable {
        policy.max_unavailable = share(unavailable)?;
    }
    if let Some(ms) = change.soak_ms {
        policy.soak = Duration::from_millis(ms);
    }
    if let Some(ms) = change.timeout_ms {
        policy.timeout = Duration::from_millis(ms);
    }
    match change.on_failure() {
        UpdateFailure::Unspecified => {}
        UpdateFailure::Rollback => policy.on_failure = OnUpdateFailure::Rollback,
        UpdateFailure::Pause => policy.on_failure = OnUpdateFailure::Pause,
    }
    Ok(policy)
}

fn share(share: &WireShare) -> Result<Share, String> {
    match share.amount {
        Some(share::Amount::Count(count)) => Ok(Share::Count(count)),
        Some(share::Amount::Percent(percent)) if percent <= 100 => Ok(Share::Percent(percent)),
        Some(share::Amount::Percent(percent)) => {
            Err(format!("{percent}% of the workers is asked for, expected 0% to 100%"))
        }
        None => Err("a share of the workers is neither a number nor a percentage".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_changes_the_policy_and_the_rest_stays() {
        let own =
            UpdatePolicy { max_surge: Share::Count(3), soak: Duration::from_secs(9), ..Default::default() };
        assert_eq!(changed(own.clone(), &UpdateChange::default()), Ok(own.clone()));
        let half = WireShare { amount: Some(share::Amount::Percent(50)) };
        let change = UpdateChange {
            max_unavailable: Some(half),
            soak_ms: Some(0),
            timeout_ms: Some(1500),
            on_failure: UpdateFailure::Pause.into(),
            ..Default::default()
        };
        let expected = UpdatePolicy {
            max_unavailable: Share::Percent(50),
            soak: Duration::ZERO,
            timeout: Duration::from_millis(1500),
            on_failure: OnUpdateFailure::Pause,
            ..own
        };
        assert_eq!(changed(own.clone(), &change), Ok(expected));
        for amount in [None, Some(share::Amount::Percent(101))] {
            let change = UpdateChange { max_surge: Some(WireShare { amount }), ..Default::default() };
            assert!(changed(own.clone(), &change).is_err(), "{amount:?}");
        }
    }
}
