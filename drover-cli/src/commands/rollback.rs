//! `drover rollback`: apps as they were described before the last apply.

use drover_master::control::Name;
use drover_proto::latest::{AppStatus, Plan, RollbackRequest};

use super::{apply, change, consent, diff, find, refusal::report};
use crate::args::{Global, RollbackArgs};
use crate::exit_status::ExitStatus;
use crate::output::{json, message, plan};

pub(super) async fn run(global: &Global, args: &RollbackArgs) -> ExitStatus {
    let found = match ask(global, args).await {
        Ok(found) => found,
        Err(status) => return status,
    };
    let text = match (args.json, found.changes.is_empty()) {
        (true, _) => json::plan(&found),
        (false, true) => "no change: everything runs as it did before the last apply".to_owned(),
        (false, false) => plan::text(&found),
    };
    let shown = message::whole_result(&text);
    if found.changes.is_empty() || args.dry_run {
        return shown;
    }
    if !consent::given_to_plan(args.yes) {
        return ExitStatus::Failed;
    }
    global.time.begin_again();
    let is_changed = |app: &AppStatus| found.changes.iter().any(|change| change.app == app.name);
    change::carried_out(global, args.waiting.timeout, is_changed, roll_back(global, args, &found)).await
}

fn request(args: &RollbackArgs) -> RollbackRequest {
    let apps = args.apps.iter().map(Name::to_string).collect();
    RollbackRequest { apps, no_wait: args.waiting.no_wait, ..RollbackRequest::default() }
}

/// What would be changed.
async fn ask(global: &Global, args: &RollbackArgs) -> Result<Plan, ExitStatus> {
    let mut client = find::connect(global).await?;
    client.earlier(request(args)).await.map_err(|error| report(&error))
}

/// What was shown is done, or nothing.
async fn roll_back(global: &Global, args: &RollbackArgs, shown: &Plan) -> ExitStatus {
    // Whoever was asked may have thought for longer than a connection may be idle.
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let request = RollbackRequest { plan_id: Some(shown.id), ..request(args) };
    let (_, steps) = match client.roll_back(request).await {
        Ok(begun) => begun,
        Err(error) => return diff::refused(&error),
    };
    if args.waiting.no_wait {
        message::note("the master rolls back");
    }
    let status = apply::tell_steps(steps).await;
    if status == ExitStatus::Done && !args.waiting.no_wait && !global.quiet {
        message::note("drover.toml still says otherwise: correct it before the next `drover apply`");
    }
    status
}
