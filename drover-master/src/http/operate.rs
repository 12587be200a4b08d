//! Asks as a control client does: what the command can do is done here by the same requests.

use std::sync::Arc;

use drover_proto::latest::{
    ErrorCode, OperateRequest, Operation, OperationResult, ReloadRequest, ReloadStep, ScaleRequest,
    ScaleTarget, scale_target,
};
use hyper::StatusCode;
use serde_json::json;

use super::admin::Admin;
use super::reply::{HttpReply, json as answer, refusal};
use super::route::Deed;
use crate::control::{Answers, ClientError, ControlClient, json as stable};

/// Everything about apps and workers, as `drover describe --json` has it; about all without a name.
pub(super) async fn describe(admin: &Admin, names: &[String]) -> HttpReply {
    let all = ["*".to_owned()];
    let names = if names.is_empty() { &all } else { names };
    let described = async { admin.inside.client().await?.describe(names).await };
    match described.await {
        Ok(reply) => answer(StatusCode::OK, stable::description(&reply)),
        Err(error) => failure(&error),
    }
}

/// Does it, and answers when it is done. Of a client that goes, what it asked for goes on.
pub(super) async fn operate(admin: &Arc<Admin>, names: Vec<String>, deed: Deed) -> HttpReply {
    match results(admin, names, deed).await {
        Ok(results) => {
            let failed = results.iter().find_map(|result| result.error.as_ref());
            let status = failed.map_or(StatusCode::OK, |error| status_of(error.code()));
            answer(
                status,
                json!({ "results": results.iter().map(stable::result).collect::<Vec<_>>() }).to_string(),
            )
        }
        Err(error) => failure(&error),
    }
}

async fn results(admin: &Admin, names: Vec<String>, deed: Deed) -> Result<Vec<OperationResult>, ClientError> {
    let mut client = admin.inside.client().await?;
    let mut answers = begin(&mut client, names, deed).await?;
    let mut results = Vec::new();
    while let Some(result) = answers.next().await? {
        results.push(result);
    }
    Ok(results)
}

async fn begin(
    client: &mut ControlClient,
    names: Vec<String>,
    deed: Deed,
) -> Result<Answers<'_, OperationResult>, ClientError> {
    let reload =
        |step: ReloadStep| ReloadRequest { apps: names.clone(), step: step.into(), ..Default::default() };
    let operation = match deed {
        Deed::Start => Operation::Start,
        Deed::Stop => Operation::Stop,
        Deed::Restart => Operation::Restart,
        Deed::Suspend => Operation::Suspend,
        Deed::Resume => Operation::Resume,
        Deed::Reload => return client.reload(reload(ReloadStep::Begin)).await,
        Deed::Promote => return client.reload(reload(ReloadStep::Promote)).await,
        Deed::Abort => return client.reload(reload(ReloadStep::Abort)).await,
        Deed::Scale(to) => {
            let count = Some(scale_target::Count::To(to));
            let targets = names.into_iter().map(|app| ScaleTarget { app, count }).collect();
            return client.scale(ScaleRequest { targets, no_wait: false }).await;
        }
    };
    client.operate(OperateRequest { operation: operation.into(), names, ..Default::default() }).await
}

fn failure(error: &ClientError) -> HttpReply {
    let status = match error {
        ClientError::Refused { code, .. } => status_of(*code),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    refusal(status, &error.to_string())
}

/// The status that says what a code says.
const fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::InvalidArgument => StatusCode::BAD_REQUEST,
        ErrorCode::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorCode::Busy => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Deadline => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::CONFLICT,
    }
}
