//! What a file says beside what its master runs: for verbs that run nothing anew, and would let somebody believe that they did.

use drover_master::control::ClientError;
use drover_master::supervisor;
use drover_proto::latest::{AppStatus, DiffRequest, ErrorCode, Phase, Plan, WorkerStatus};

use super::description::NOT_KEPT;
use super::file_lock::Running;
use super::{find, introduce, reach, refusal::report};
use crate::args::{Global, UpArgs};
use crate::exit_status::ExitStatus;
use crate::output::{message, plan};

/// `up -d` where the master runs already: that is well if it runs what the file says.
pub(super) async fn up(global: &Global, args: &UpArgs, running: &Running) -> ExitStatus {
    let Some(socket) = global.socket.clone().or_else(|| running.socket.clone()) else {
        message::error_text(&running.sentence());
        return ExitStatus::Failed;
    };
    let mut client = match reach::connect(global, &socket).await {
        Ok(client) => client,
        Err(error @ (ClientError::Busy { .. } | ClientError::Silent { .. })) => {
            return find::unreached(global, &error);
        }
        Err(_) => {
            message::error_text(&running.sentence());
            return ExitStatus::Failed;
        }
    };
    let status = match client.status(&[]).await {
        Ok(status) => status,
        Err(error) => return report(&error),
    };
    let runs = introduce::file_of(&status);
    if !runs.is_empty() && !introduce::is_same_file(runs.as_ref(), &args.file) {
        message::error_text(&running.sentence());
        return ExitStatus::Failed;
    }
    let master = status.master.clone().unwrap_or_default();
    // What whoever started it knows, and what holds the file.
    let pid = if master.keeper == 0 { master.pid } else { master.keeper };
    if running.pid.is_some_and(|holder| holder != pid && holder != master.pid) {
        message::error_text(&running.sentence());
        return ExitStatus::Failed;
    }
    let (file, color) = (args.file.display().to_string(), message::is_stderr_coloured());
    // Without a profile the file as it is would be run.
    let request = DiffRequest { file, color, profile: Some(args.profile.clone().unwrap_or_default()) };
    let found = match client.diff(request).await {
        Ok(found) => found,
        Err(error) => return super::diff::refused(&error),
    };
    if !found.changes.is_empty() {
        message::error_text(&format!(
            "a master of `{}` is already running (pid {pid}), but the file differs from what it runs; `drover apply` applies the file",
            args.file.display()
        ));
        message::plain(&plan::text(&found));
        return ExitStatus::Failed;
    }
    if !global.quiet {
        let what = if master.keeper == 0 { "master" } else { "keeper" };
        message::note(&format!("{what} pid {pid} already runs what {} says", args.file.display()));
    }
    if args.no_wait || status.apps.iter().all(is_there) {
        return ExitStatus::Done;
    }
    message::error_text("not every app is ready; `drover status` shows how they stand");
    ExitStatus::NotReady
}

fn is_there(app: &AppStatus) -> bool {
    let is_fine = |phase| matches!(phase, Phase::Started | Phase::ShutDown);
    let is_well = |worker: &WorkerStatus| is_fine(worker.phase()) && worker.unready.is_empty();
    let own = |worker: &&WorkerStatus| worker.role().is_occupant();
    is_fine(app.phase()) && app.workers.iter().filter(own).all(is_well)
}

/// Says so if the file of a master differs from what runs, in what concerns these apps: what is replaced gets the old settings.
pub(super) async fn tell_difference(global: &Global, concerns: impl Fn(&str) -> bool) {
    if global.quiet {
        return;
    }
    let Ok(mut client) = find::connect(global).await else { return };
    let request = DiffRequest { color: message::is_stderr_coloured(), ..Default::default() };
    match client.diff(request).await {
        Ok(found) => {
            if let Some(told) = difference(&found, concerns) {
                message::note(&told);
            }
        }
        Err(ClientError::Refused { message, .. }) if message.contains(NOT_KEPT) => {}
        Err(ClientError::Refused { code: ErrorCode::InvalidArgument, .. }) => message::note(
            "drover.toml has mistakes now and is ignored: the new workers get the current settings; `drover diff` shows \
             the mistakes",
        ),
        // Without a file there is nothing to compare with.
        Err(_) => {}
    }
}

fn difference(found: &Plan, concerns: impl Fn(&str) -> bool) -> Option<String> {
    let concerned = found.changes.iter().filter(|change| concerns(&change.app));
    supervisor::difference(&found.file, concerned.map(|change| change.key.as_str()))
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::Change;

    use super::*;

    #[test]
    fn a_difference_is_told_only_where_it_concerns() {
        let change = |app: &str, key: &str| Change { app: app.into(), key: key.into(), ..Default::default() };
        let of = |changes: Vec<Change>| Plan { file: "/x/drover.toml".into(), changes, ..Default::default() };
        let told = |changes| difference(&of(changes), |app| app == "web");
        assert_eq!(told(vec![]), None);
        assert_eq!(told(vec![change("mail", "app.mail.command")]), None);
        let both = vec![change("mail", "app.mail.command"), change("web", "app.web.command")];
        assert!(told(both).unwrap().contains(" in app.web.command;"));
    }
}
