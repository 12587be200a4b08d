//! Single questions and orders, each on a connection of its own: an order may take as long as its workers do.

use std::path::{Path, PathBuf};

use drover_master::control::{Answers, ClientError, ControlClient};
use drover_proto::latest::{
    OperateRequest, Operation, OperationResult, ReloadRequest, ReloadStep, ScaleRequest, ScaleTarget,
    scale_target,
};
use tokio::sync::mpsc::Sender;

use crate::top::model::{Input, Order, OrderKind};

/// Has the master do something, and tells what came of it.
pub(super) async fn carry(path: PathBuf, order: Order, news: Sender<Input>) {
    let line = order.line();
    let told = match ask(&path, order).await {
        Ok(None) => format!("{line}: done"),
        Ok(Some(failure)) => format!("{line}: {failure}"),
        Err(error) => format!("{line}: {error}"),
    };
    let _ = news.send(Input::Told(told)).await;
}

/// The first failure, if there is one.
async fn ask(path: &Path, order: Order) -> Result<Option<String>, ClientError> {
    let mut client = ControlClient::connect(path).await?;
    let apps = vec![order.name.clone()];
    let operation = match order.what {
        OrderKind::Reload => return reload(&mut client, apps, ReloadStep::Begin).await,
        OrderKind::Promote => return reload(&mut client, apps, ReloadStep::Promote).await,
        OrderKind::Abort => return reload(&mut client, apps, ReloadStep::Abort).await,
        OrderKind::Scale(by) => {
            let target = ScaleTarget { app: order.name, count: Some(scale_target::Count::By(by)) };
            return first_failure(
                client.scale(ScaleRequest { targets: vec![target], no_wait: false }).await?,
            )
            .await;
        }
        OrderKind::Restart => Operation::Restart,
        OrderKind::Stop => Operation::Stop,
        OrderKind::Start => Operation::Start,
        OrderKind::Suspend => Operation::Suspend,
        OrderKind::Resume => Operation::Resume,
    };
    let request = OperateRequest { operation: operation.into(), names: apps, no_wait: false, now: false };
    first_failure(client.operate(request).await?).await
}

async fn reload(
    client: &mut ControlClient,
    apps: Vec<String>,
    step: ReloadStep,
) -> Result<Option<String>, ClientError> {
    let request = ReloadRequest { apps, step: step.into(), canary: None, change: None, no_wait: false };
    first_failure(client.reload(request).await?).await
}

async fn first_failure(mut results: Answers<'_, OperationResult>) -> Result<Option<String>, ClientError> {
    let mut failure = None;
    while let Some(result) = results.next().await? {
        if let Some(error) = result.error {
            failure.get_or_insert(error.message);
        }
    }
    Ok(failure)
}

/// Asks for the past of a worker. If that fails, the pane stays as it was.
pub(super) async fn describe(path: PathBuf, name: String, news: Sender<Input>) {
    let asked = async {
        let mut client = ControlClient::connect(&path).await?;
        client.describe(std::slice::from_ref(&name)).await
    };
    let input = match asked.await {
        Ok(reply) => Input::Evidence(name, reply),
        Err(error) => Input::Told(error.to_string()),
    };
    let _ = news.send(input).await;
}
