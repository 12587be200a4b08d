//! More or fewer workers.

use drover_proto::latest::{
    Done, Error, ErrorCode, ScaleRequest, ScaleTarget, control_response, scale_target,
};
use tokio::task::JoinSet;

use super::operate::{Failure, result};
use super::target::NamedTarget;
use super::{Gone, Session};
use crate::machine::fleet::{self, Count};

impl Session {
    pub(super) async fn scale(&mut self, seq: u64, request: &ScaleRequest) -> Result<(), Gone> {
        let wanted = match self.apps_to_scale(&request.targets) {
            Ok(wanted) => wanted,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let mut running = JoinSet::new();
        for (NamedTarget { name, master, whom }, count) in wanted {
            tracing::info!(target: "drover::control", client = self.client, app = name, ?count, "scale");
            let mut ticket = master.scale_for(count, self.client.as_str());
            let no_wait = request.no_wait;
            running.spawn(async move {
                let outcome = if no_wait { ticket.admitted().await } else { ticket.await };
                result(name, &master, whom, outcome.map_err(Failure::from))
            });
        }
        while let Some(done) = running.join_next().await {
            // A task neither panics nor is it aborted.
            if let Ok(result) = done {
                self.send(seq, true, control_response::Body::Operation(result)).await?;
            }
        }
        self.send(seq, false, control_response::Body::Done(Done::default())).await.map(drop)
    }

    /// Each app that is meant, once, with its count: all of them or none.
    fn apps_to_scale(&self, targets: &[ScaleTarget]) -> Result<Vec<(NamedTarget, Count)>, Error> {
        let wrong = |message| Error { code: ErrorCode::InvalidArgument.into(), message };
        if targets.is_empty() {
            return Err(wrong("no app is named".to_owned()));
        }
        let mut wanted: Vec<(NamedTarget, Count)> = Vec::new();
        for ScaleTarget { app, count } in targets {
            let count = match *count {
                Some(scale_target::Count::To(to)) => Count::To(to),
                Some(scale_target::Count::By(by)) => Count::By(by),
                Some(scale_target::Count::Auto(_)) => Count::To(crate::config::cpus()),
                None => return Err(wrong(format!("no count is given for `{app}`"))),
            };
            for target in self.targets(std::slice::from_ref(app))? {
                if target.whom != fleet::Target::All {
                    return Err(wrong(format!("only apps are scaled, and `{app}` is none")));
                }
                if wanted.iter().any(|(other, _)| other.name == target.name) {
                    return Err(wrong(format!("app `{}` is given twice", target.name)));
                }
                wanted.push((target, count));
            }
        }
        Ok(wanted)
    }
}
