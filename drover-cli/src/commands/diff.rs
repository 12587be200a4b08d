//! `drover diff`: what an apply would change.

use drover_master::control::ClientError;
use drover_proto::latest::{DiffRequest, ErrorCode, Plan};

use super::{find, introduce, refusal::report};
use crate::args::{DiffArgs, Global};
use crate::exit_status::ExitStatus;
use crate::output::{json, message, plan};
use crate::path::seen_from_anywhere;

pub(super) async fn run(global: &Global, args: &DiffArgs) -> ExitStatus {
    match ask(global, seen_from_anywhere(args.file.as_deref()), args.profile.asked()).await {
        Ok(found) => {
            let text = if args.json { json::plan(&found) } else { plan::text(&found) };
            match message::whole_result(&text) {
                ExitStatus::Done if args.exit_code && !found.changes.is_empty() => ExitStatus::Failed,
                status => status,
            }
        }
        Err(status) => status,
    }
}

/// What is different.
pub(super) async fn ask(global: &Global, file: String, profile: Option<String>) -> Result<Plan, ExitStatus> {
    let mut client = find::connect(global).await?;
    let request = DiffRequest { file, color: message::is_stderr_coloured(), profile: profile.clone() };
    let plan = client.diff(request).await.map_err(|error| refused(&error))?;
    // One that does not know of profiles takes its own.
    if profile.as_ref().is_some_and(|asked| *asked != plan.profile) {
        message::error_text(
            "this master is of an older version, and only reads the profile that it was started with",
        );
        return Err(ExitStatus::ProtocolMismatch);
    }
    introduce::say_of_plan(global, &plan);
    if profile.is_none() && !plan.profile.is_empty() && !global.quiet {
        message::note(&format!(
            "profile `{}` is laid over the file, because the master was started with it; --no-profile leaves it out",
            plan.profile
        ));
    }
    Ok(plan)
}

/// The mistakes of a file are shown as `validate` shows them.
pub(super) fn refused(error: &ClientError) -> ExitStatus {
    match error {
        ClientError::Refused { code: ErrorCode::InvalidArgument, message } => {
            message::plain(message);
            ExitStatus::Usage
        }
        _ => report(error),
    }
}
