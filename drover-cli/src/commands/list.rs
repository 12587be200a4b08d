//! `drover list`: every master of this user; for root, of all users.

use std::path::{Path, PathBuf};
use std::time::Duration;

use drover_master::control::{ControlClient, ControlPath};
use drover_proto::latest::StatusReply;
use serde_json::json;

use super::introduce::file_of;
use super::socket_name::name_of_socket;
use crate::args::{Global, ListArgs};
use crate::exit_status::ExitStatus;
use crate::output::json::keeper;
use crate::output::{clock, message, table};

/// How long one may take to answer before it is shown as one that does not. Asked are all at once.
const ANSWER: Duration = Duration::from_secs(3);

pub(super) async fn run(global: &Global, args: &ListArgs) -> ExitStatus {
    let paths: Vec<PathBuf> = ControlPath::live().into_iter().chain(ControlPath::live_of_others()).collect();
    let masters: Vec<_> = paths.iter().map(PathBuf::as_path).zip(ask_all(&paths).await).collect();
    if args.json {
        return message::whole_result(&as_json(&masters));
    }
    if masters.is_empty() {
        if !global.quiet {
            message::note("no master is running");
        }
        return ExitStatus::Done;
    }
    if global.quiet {
        let names: Vec<String> = paths.iter().map(|path| name_of_socket(path)).collect();
        return message::whole_result(&names.join("\n"));
    }
    message::whole_result(&table::masters(&masters.iter().map(row).collect::<Vec<_>>()))
}

/// How masters stand, in this order; none for one that does not answer.
pub(super) async fn ask_all(paths: &[PathBuf]) -> Vec<Option<StatusReply>> {
    let asked: Vec<_> = paths.iter().map(|path| tokio::spawn(ask(path.clone()))).collect();
    let mut replies = Vec::new();
    for asked in asked {
        replies.push(asked.await.ok().flatten());
    }
    replies
}

async fn ask(path: PathBuf) -> Option<StatusReply> {
    let ask = async { ControlClient::connect(&path).await.ok()?.status(&[]).await.ok() };
    tokio::time::timeout(ANSWER, ask).await.ok().flatten()
}

fn row((path, status): &(&Path, Option<StatusReply>)) -> [String; 8] {
    let (name, socket) = (name_of_socket(path), path.display().to_string());
    let dash = || "-".to_owned();
    let Some(status) = status else {
        return [name, dash(), dash(), dash(), "does not answer".to_owned(), dash(), dash(), socket];
    };
    let file = Some(file_of(status)).filter(|file| !file.is_empty()).map_or_else(dash, str::to_owned);
    let master = status.master.clone().unwrap_or_default();
    let (ready, desired) = totals(status);
    [
        name,
        master.pid.to_string(),
        match (master.keeper, master.is_protected) {
            (0, _) => dash(),
            (keeper, true) => keeper.to_string(),
            (_, false) => "gone".to_owned(),
        },
        status.apps.len().to_string(),
        format!("{ready} of {desired}"),
        clock::uptime(master.uptime_ms),
        file,
        socket,
    ]
}

fn totals(status: &StatusReply) -> (u32, u32) {
    status.apps.iter().fold((0, 0), |(ready, desired), app| (ready + app.ready, desired + app.desired))
}

fn as_json(masters: &[(&Path, Option<StatusReply>)]) -> String {
    let one = |(path, status): &(&Path, Option<StatusReply>)| {
        let master = status.as_ref().and_then(|status| status.master.clone());
        json!({
            "name": name_of_socket(path),
            "file": status.as_ref().map(file_of).filter(|file| !file.is_empty()),
            "socket": path.display().to_string(),
            "answers": status.is_some(),
            "pid": master.as_ref().map(|master| master.pid),
            "keeper": master.as_ref().and_then(keeper),
            "version": master.as_ref().map(|master| master.version.clone()),
            "uptime_ms": master.as_ref().map(|master| master.uptime_ms),
            "apps": status.as_ref().map(|status| status.apps.iter().map(|app| app.name.clone()).collect::<Vec<_>>()),
            "ready": status.as_ref().map(|status| totals(status).0),
            "desired": status.as_ref().map(|status| totals(status).1),
        })
    };
    json!(masters.iter().map(one).collect::<Vec<_>>()).to_string()
}
