//! EN: what the environment says, and what is a secret in it.

use crate::case::{Fault, failed};
use crate::worker::stage::{WorkerCase, WorkerStage};

pub(super) const CASES: &[WorkerCase] = &[
    WorkerCase::new("W-EN-01", "the token is not printed", "A secret: never print it.", |stage| {
        Box::pin(keeps_its_token_secret(stage))
    }),
    WorkerCase::new(
        "W-EN-02",
        "an empty variable is none",
        "The master starts the worker's process with these variables. An empty one counts as absent.",
        |stage| Box::pin(takes_an_empty_variable_for_none(stage)),
    ),
];

async fn keeps_its_token_secret(stage: &mut WorkerStage) -> Result<(), Fault> {
    let token = stage.token().to_owned();
    let worker = stage.started().await?;
    worker.stops().await?;
    worker.leaves().await?;
    match worker.process.has_printed(&token) {
        true => Err(failed("it printed its token; it was expected to keep it secret")),
        false => Ok(()),
    }
}

/// `DROVER_WATCHDOG_MS` is there without a value at every start.
async fn takes_an_empty_variable_for_none(stage: &mut WorkerStage) -> Result<(), Fault> {
    stage.started().await?.answers_ping().await.map(drop)
}
