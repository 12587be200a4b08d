//! What another description would change, and its apply.

use std::path::PathBuf;

use drover_proto::latest::{
    ApplyRequest, DiffRequest, Done, Error, ErrorCode, Plan, StepResult, control_response,
};
use futures_util::StreamExt as _;

use super::operate::Failure;
use super::{Gone, Session, over};
use crate::control::convert;
use crate::supervision::{
    ApplyError, PlanError, Planned, RereadRequest, Step, StepError, StepOutcome, Steps,
};

impl Session {
    pub(super) async fn diff(&mut self, seq: u64, request: DiffRequest) -> Result<(), Gone> {
        match self.read(request).await {
            Ok((plan, _)) => self.send(seq, false, control_response::Body::Plan(plan)).await.map(drop),
            Err(error) => self.refuse(seq, error.code(), error.message).await,
        }
    }

    pub(super) async fn apply(&mut self, seq: u64, request: &ApplyRequest) -> Result<(), Gone> {
        let _place = match self.places.wait(!request.no_wait) {
            Ok(place) => place,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let (file, color, profile) = (request.file.clone(), request.color, request.profile.clone());
        let (plan, planned) = match self.read(DiffRequest { file, color, profile }).await {
            Ok(read) => read,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        if request.plan_id.is_some_and(|id| id != plan.id) {
            let message = format!(
                "{} or what runs has changed since the plan was shown, and nothing was done; look at the plan again",
                plan.file
            );
            return self.refuse(seq, ErrorCode::BadState, message).await;
        }
        tracing::info!(target: "drover::control", client = self.client, file = plan.file, "apply");
        let steps = match self.supervisor.apply(planned, self.client.as_str()).await {
            Ok(steps) => steps,
            Err(error) => return self.refuse(seq, refusal_of_apply(&error), error.to_string()).await,
        };
        self.send(seq, true, control_response::Body::Plan(plan)).await?;
        if !request.no_wait && !self.tell_steps(seq, steps).await? {
            let message = "everything was ended before the apply was done".to_owned();
            return self.refuse(seq, ErrorCode::Failed, message).await;
        }
        self.send(seq, false, control_response::Body::Done(Done::default())).await.map(drop)
    }

    async fn read(&self, request: DiffRequest) -> Result<(Plan, Planned), Error> {
        let DiffRequest { file, color, profile } = request;
        let file = Some(file).filter(|file| !file.is_empty()).map(PathBuf::from);
        let asked = RereadRequest { file, profile, coloured: color };
        let read = self.supervisor.reread(asked).await;
        let (file, profile, planned) = read.map_err(|error| plan_error(&error))?;
        let changes = planned.changes.iter().map(convert::change).collect();
        let (file, running_file) = (file.display().to_string(), self.supervisor.file());
        let profile = profile.unwrap_or_default();
        Ok((Plan { file, changes, id: planned.id, running_file, profile }, planned))
    }

    /// Tells each step as it is done; and whether all were.
    pub(super) async fn tell_steps(&mut self, seq: u64, mut steps: Steps) -> Result<bool, Gone> {
        while steps.left() > 0 {
            let step = tokio::select! {
                biased;
                step = steps.next() => step,
                asked = self.requests.next() => {
                    self.asked_beside(asked).await?;
                    continue;
                }
                _ = over(&mut self.is_over) => None,
            };
            let Some(step) = step else { return Ok(false) };
            self.send(seq, true, control_response::Body::Step(result(step))).await?;
        }
        Ok(true)
    }
}

pub(super) const fn refusal_of_apply(error: &ApplyError) -> ErrorCode {
    match error {
        ApplyError::Busy { .. } => ErrorCode::Busy,
        ApplyError::Ending => ErrorCode::BadState,
        ApplyError::Build(_) => ErrorCode::InvalidArgument,
        ApplyError::Gone => ErrorCode::Failed,
    }
}

pub(super) fn plan_error(error: &PlanError) -> Error {
    let (code, message) = match error {
        PlanError::NoFile | PlanError::NothingEarlier { .. } => (ErrorCode::BadState, error.to_string()),
        PlanError::Refused { text } => (ErrorCode::InvalidArgument, text.clone()),
        // As the mistakes of a text are shown.
        PlanError::Config(mistake) => (ErrorCode::InvalidArgument, format!("error: {mistake}")),
        PlanError::Slow { .. } => (ErrorCode::Deadline, error.to_string()),
    };
    Error { code: code.into(), message }
}

fn result(step: Step) -> StepResult {
    let is_skipped = matches!(step.outcome, StepOutcome::Skipped);
    let (failure, is_rolled_back) = match step.outcome {
        StepOutcome::RolledBack(error) => (Some(error), true),
        StepOutcome::Failed(error) => (Some(error), false),
        StepOutcome::Done | StepOutcome::Skipped => (None, false),
    };
    let (error, last_words) = failure.map(failure_of).map_or((None, Vec::new()), |failure| {
        let Failure { error, last_words } = failure;
        (Some(error), last_words)
    });
    StepResult {
        app: step.app.unwrap_or_default(),
        class: convert::change_class(step.class).into(),
        error,
        last_words,
        is_rolled_back,
        is_skipped,
    }
}

fn failure_of(error: StepError) -> Failure {
    match error {
        StepError::App(error) => Failure::from(error),
        StepError::Workers(error) => Failure::from(error),
        StepError::Build(_) | StepError::NotAtRest { .. } | StepError::Down { .. } => {
            Failure::new(ErrorCode::Failed, &error, error.last_words())
        }
    }
}
