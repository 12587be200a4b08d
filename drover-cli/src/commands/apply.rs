//! `drover apply`: everything as drover.toml says.

use drover_master::control::Answers;
use drover_proto::latest::{AppStatus, ApplyRequest, ChangeClass, Plan, StepResult};

use super::{change, consent, diff, find, refusal::report};
use crate::args::{ApplyArgs, Global};
use crate::exit_status::ExitStatus;
use crate::output::{message, plan};
use crate::path::seen_from_anywhere;

pub(super) async fn run(global: &Global, args: &ApplyArgs) -> ExitStatus {
    let file = seen_from_anywhere(args.file.as_deref());
    let found = match diff::ask(global, file.clone(), args.profile.asked()).await {
        Ok(found) => found,
        Err(status) => return status,
    };
    let shown = message::whole_result(&plan::text(&found));
    let is_of_master = |class| class == ChangeClass::Master;
    if found.changes.iter().all(|change| is_of_master(change.class())) || args.dry_run {
        tell_what_stays(&found);
        return shown;
    }
    if !consent::given_to_plan(args.yes) {
        return ExitStatus::Failed;
    }
    global.time.begin_again();
    let done = apply(global, args, file, &found);
    let is_changed = |app: &AppStatus| found.changes.iter().any(|change| change.app == app.name);
    change::carried_out(global, args.waiting.timeout, is_changed, done).await
}

/// What was shown is applied, or nothing.
async fn apply(global: &Global, args: &ApplyArgs, file: String, shown: &Plan) -> ExitStatus {
    // Whoever was asked may have thought for longer than a connection may be idle.
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let (color, no_wait) = (message::is_stderr_coloured(), args.waiting.no_wait);
    let profile = args.profile.asked();
    let request = ApplyRequest { file, color, no_wait, plan_id: Some(shown.id), profile };
    let (_, steps) = match client.apply(request).await {
        Ok(begun) => begun,
        Err(error) => return diff::refused(&error),
    };
    if no_wait {
        message::note("the master applies it");
    }
    let status = tell_steps(steps).await;
    tell_what_stays(shown);
    status
}

pub(super) async fn tell_steps(mut steps: Answers<'_, StepResult>) -> ExitStatus {
    let mut worst = ExitStatus::Done;
    loop {
        match steps.next().await {
            Ok(Some(step)) => worst = worse(worst, tell(&step)),
            Ok(None) => return worst,
            Err(error) => return report(&error),
        }
    }
}

fn tell(step: &StepResult) -> ExitStatus {
    let who = if step.app.is_empty() { "master" } else { &step.app };
    if step.is_skipped {
        message::note(&format!("{who} was not touched: an earlier step failed"));
        return ExitStatus::Done;
    }
    let Some(error) = &step.error else {
        return message::whole_result(&format!("{who} {}", done(step.class())));
    };
    let named = match error.message.contains(who) {
        true => error.message.clone(),
        false => format!("{who}: {}", error.message),
    };
    let (rest, status) = match (step.is_rolled_back, step.class()) {
        (true, ChangeClass::Add) => ("it was removed again", ExitStatus::RolledBack),
        (true, _) => ("it is as it was before", ExitStatus::RolledBack),
        (false, _) => ("it is not as the file says", ExitStatus::Failed),
    };
    message::error_text(&format!("{named}; {rest}"));
    message::last_words(&step.last_words);
    status
}

const fn done(class: ChangeClass) -> &'static str {
    match class {
        ChangeClass::Unspecified | ChangeClass::Live | ChangeClass::Master => "changed",
        ChangeClass::Reload => "reloaded",
        ChangeClass::Restart => "restarted",
        ChangeClass::Add => "added",
        ChangeClass::Remove => "removed",
    }
}

fn tell_what_stays(plan: &Plan) {
    for change in plan.changes.iter().filter(|change| change.class() == ChangeClass::Master) {
        message::note(&format!(
            "{} takes effect only when drover itself restarts: `drover down`, then `drover up`",
            change.key
        ));
    }
}

/// A failure hides that something else was rolled back.
fn worse(one: ExitStatus, other: ExitStatus) -> ExitStatus {
    match (one, other) {
        (ExitStatus::Done, other) => other,
        (one, ExitStatus::Done) => one,
        (ExitStatus::RolledBack, ExitStatus::RolledBack) => ExitStatus::RolledBack,
        _ => ExitStatus::Failed,
    }
}
