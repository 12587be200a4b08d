//! What failed before is forgotten.

use drover_proto::latest::{Done, ResetRequest, control_response};

use super::operate::{Failure, result};
use super::target::NamedTarget;
use super::{Gone, Session};

impl Session {
    pub(super) async fn reset(&mut self, seq: u64, request: &ResetRequest) -> Result<(), Gone> {
        let targets = match self.targets(&request.names) {
            Ok(targets) => targets,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let shown = request.names.join(" ");
        tracing::info!(target: "drover::control", client = self.client, names = shown, "reset");
        for NamedTarget { name, master, whom } in targets {
            let reset = master.reset_for(whom, self.client.as_str()).await;
            let result = result(name, &master, whom, reset.map_err(Failure::from));
            self.send(seq, true, control_response::Body::Operation(result)).await?;
        }
        self.send(seq, false, control_response::Body::Done(Done::default())).await.map(drop)
    }
}
