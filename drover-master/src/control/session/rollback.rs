//! Apps go back to what they were described as before the last apply.

use drover_proto::latest::{Done, Error, ErrorCode, Plan, RollbackRequest, control_response};

use super::apply::{plan_error, refusal_of_apply};
use super::{Gone, Session};
use crate::control::convert;
use crate::machine::fleet;
use crate::supervision::Planned;

impl Session {
    pub(super) async fn roll_back(&mut self, seq: u64, request: &RollbackRequest) -> Result<(), Gone> {
        let _place = match self.places.wait(!request.no_wait && !request.dry_run) {
            Ok(place) => place,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let (plan, planned) = match self.earlier(&request.apps).await {
            Ok(found) => found,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        if request.dry_run {
            return self.send(seq, false, control_response::Body::Plan(plan)).await.map(drop);
        }
        if request.plan_id.is_some_and(|id| id != plan.id) {
            let message = "what runs has changed since the plan was shown, and nothing was done; look at the plan again";
            return self.refuse(seq, ErrorCode::BadState, message.to_owned()).await;
        }
        let apps = request.apps.join(" ");
        tracing::info!(target: "drover::control", client = self.client, apps, "rollback");
        let steps = match self.supervisor.apply(planned, self.client.as_str()).await {
            Ok(steps) => steps,
            Err(error) => return self.refuse(seq, refusal_of_apply(&error), error.to_string()).await,
        };
        self.send(seq, true, control_response::Body::Plan(plan)).await?;
        if !request.no_wait && !self.tell_steps(seq, steps).await? {
            let message = "everything was ended before the rollback was done".to_owned();
            return self.refuse(seq, ErrorCode::Failed, message).await;
        }
        self.send(seq, false, control_response::Body::Done(Done::default())).await.map(drop)
    }

    async fn earlier(&self, names: &[String]) -> Result<(Plan, Planned), Error> {
        let targets = self.targets(names)?;
        if let Some(target) = targets.iter().find(|target| target.whom != fleet::Target::All) {
            let message = format!("only whole apps have earlier descriptions, and `{}` is none", target.name);
            return Err(Error { code: ErrorCode::InvalidArgument.into(), message });
        }
        let apps = targets.into_iter().map(|target| target.name).collect();
        let planned = self.supervisor.earlier(apps).await.map_err(|error| plan_error(&error))?;
        let changes = planned.changes.iter().map(convert::change).collect();
        let running_file = self.supervisor.file();
        Ok((Plan { changes, id: planned.id, running_file, ..Default::default() }, planned))
    }
}
