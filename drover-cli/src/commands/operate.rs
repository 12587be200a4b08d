//! `drover start`, `stop`, `restart`, `suspend` and `resume`: apps and workers, one by one or many.

use drover_master::control::{Answers, Name};
use drover_proto::latest::{AppStatus, OperateRequest, Operation, OperationResult, SignalRequest};

use super::deed::Deed;
use super::targets::Targets;
use super::{change, consent, difference, find, refusal::report, results};
use crate::args::{Global, OperateArgs, RestartArgs, SignalArgs, StopArgs, Waiting};
use crate::exit_status::ExitStatus;
use crate::output::message;

pub(super) async fn start(global: &Global, args: &OperateArgs) -> ExitStatus {
    operate(global, args, Deed::Start, false).await
}

pub(super) async fn stop(global: &Global, args: &StopArgs) -> ExitStatus {
    operate(global, &args.operate, Deed::Stop, args.now).await
}

pub(super) async fn restart(global: &Global, args: &RestartArgs) -> ExitStatus {
    operate(global, &args.operate, if args.surge { Deed::Renew } else { Deed::Restart }, false).await
}

pub(super) async fn suspend(global: &Global, args: &OperateArgs) -> ExitStatus {
    operate(global, args, Deed::Suspend, false).await
}

pub(super) async fn resume(global: &Global, args: &OperateArgs) -> ExitStatus {
    operate(global, args, Deed::Resume, false).await
}

async fn operate(global: &Global, args: &OperateArgs, deed: Deed, now: bool) -> ExitStatus {
    if now && let Some(name) = args.names.iter().find(|name| !name.is_of_apps()) {
        message::error_text(&format!(
            "--now is for whole apps, and `{name}` is none; signal KILL ends a worker"
        ));
        return ExitStatus::Usage;
    }
    let targets = match Targets::ask(global, &args.names).await {
        Ok(targets) => targets,
        Err(status) => return status,
    };
    // What serves goes on serving.
    let is_gentle = matches!(deed, Deed::Start | Deed::Renew | Deed::Resume);
    if !is_gentle && !consent::given(args.consent, deed, &args.names, &targets.extent()) {
        return ExitStatus::Failed;
    }
    global.time.begin_again();
    let operation = match deed {
        Deed::Start => Operation::Start,
        Deed::Stop => Operation::Stop,
        Deed::Renew => Operation::Renew,
        Deed::Suspend => Operation::Suspend,
        Deed::Resume => Operation::Resume,
        Deed::Restart | Deed::Scale | Deed::Reset | Deed::Signal => Operation::Restart,
    };
    if matches!(deed, Deed::Start | Deed::Restart | Deed::Renew) {
        let concerns = |app: &str| args.names.iter().any(|name| name.matches_app(app));
        difference::tell_difference(global, concerns).await;
    }
    let request = OperateRequest {
        operation: operation.into(),
        names: args.names.iter().map(ToString::to_string).collect(),
        no_wait: args.waiting.no_wait,
        now,
    };
    // Whoever was asked may have thought for longer than a connection may be idle.
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let results = match client.operate(request).await {
        Ok(results) => results,
        Err(error) => return report(&error),
    };
    follow(global, results, deed, args.waiting, (&targets, &args.names)).await
}

/// Sends a signal, which takes no time.
pub(super) async fn signal(global: &Global, args: &SignalArgs) -> ExitStatus {
    let targets = match Targets::ask(global, &args.names).await {
        Ok(targets) => targets,
        Err(status) => return status,
    };
    if !consent::given(args.consent, Deed::Signal, &args.names, &targets.extent()) {
        return ExitStatus::Failed;
    }
    let names = args.names.iter().map(ToString::to_string).collect();
    let request = SignalRequest { signal: args.signal.clone(), names };
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let results = match client.signal(request).await {
        Ok(results) => results,
        Err(error) => return report(&error),
    };
    follow(global, results, Deed::Signal, Waiting { no_wait: false, timeout: None }, (&targets, &args.names))
        .await
}

/// Tells each result as it comes, until the last, the timeout, or Ctrl-C. What was asked for goes on in any case.
pub(super) async fn follow(
    global: &Global,
    results: Answers<'_, OperationResult>,
    deed: Deed,
    waiting: Waiting,
    (targets, names): (&Targets, &[Name]),
) -> ExitStatus {
    let is_named = |app: &AppStatus| names.iter().any(|name| name.matches_app(&app.name));
    let told = tell_results(results, deed, waiting, targets);
    change::carried_out(global, waiting.timeout, is_named, told).await
}

async fn tell_results(
    mut results: Answers<'_, OperationResult>,
    deed: Deed,
    waiting: Waiting,
    targets: &Targets,
) -> ExitStatus {
    let mut worst = ExitStatus::Done;
    loop {
        match results.next().await {
            Ok(Some(result)) => worst = worse(worst, results::tell(&result, deed, waiting.no_wait, targets)),
            Ok(None) => return worst,
            Err(error) => return report(&error),
        }
    }
}

/// The status of two results together: where two failed differently, it is just a failure.
pub(super) fn worse(one: ExitStatus, other: ExitStatus) -> ExitStatus {
    match (one, other) {
        (ExitStatus::Done, other) => other,
        (one, ExitStatus::Done) => one,
        (one, other) if one == other => one,
        _ => ExitStatus::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_alike_has_its_own_status_and_what_did_not_a_common_one() {
        let all = |statuses: &[ExitStatus]| statuses.iter().copied().fold(ExitStatus::Done, worse);
        assert_eq!(all(&[]), ExitStatus::Done);
        assert_eq!(all(&[ExitStatus::Done, ExitStatus::NotReady, ExitStatus::Done]), ExitStatus::NotReady);
        assert_eq!(all(&[ExitStatus::NotReady, ExitStatus::NotReady]), ExitStatus::NotReady);
        assert_eq!(all(&[ExitStatus::NotReady, ExitStatus::NotFound]), ExitStatus::Failed);
    }
}
