//! `drover upgrade`: another version of drover goes on in the place of the master.

use std::path::{Path, PathBuf};
use std::time::Duration;

use drover_master::control::{ClientError, ControlClient};
use serde::Serialize;

use super::{find, refusal::report};
use crate::args::{Global, UpgradeArgs};
use crate::exit_status::ExitStatus;
use crate::output::message;

/// How soon the control socket is asked again, should the other program not be there yet.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// What it came to.
#[derive(Debug, Serialize)]
struct UpgradeReport<'a> {
    /// `checked`, `upgraded` or `fell_back`.
    result: &'a str,
    from: MasterSide,
    to: MasterSide,
}

/// A master.
#[derive(Debug, Clone, Serialize)]
struct MasterSide {
    pid: u32,
    version: String,
}

pub(super) async fn run(global: &Global, args: &UpgradeArgs) -> ExitStatus {
    let binary = match args.binary.as_deref().map(whole).transpose() {
        Ok(binary) => binary.unwrap_or_default(),
        Err(told) => {
            message::error_text(&told);
            return ExitStatus::Usage;
        }
    };
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let from = match client.status(&[]).await {
        Ok(status) => side(status.master.unwrap_or_default()),
        Err(error) => return report(&error),
    };
    let to = match client.upgrade(binary, args.check).await {
        Ok(reply) => MasterSide { pid: reply.pid, version: reply.version },
        Err(error) => {
            let told = report(&error);
            return match error {
                // The master goes on as before: 8 where the program can't go on, 3 without a keeper.
                ClientError::Refused { code, .. } => ExitStatus::of_refusal(code),
                _ => told,
            };
        }
    };
    drop(client);
    if args.check {
        return tell(args, &UpgradeReport { result: "checked", from, to });
    }
    let Ok(now) = tokio::time::timeout(args.timeout, next_master(global, from.pid)).await else {
        message::error_text(&format!(
            "the master made way for pid {} (version {}), which has not answered within {:?}; see its log, and `drover status`",
            to.pid, to.version, args.timeout
        ));
        return ExitStatus::TimedOut;
    };
    if now.pid == to.pid {
        return tell(args, &UpgradeReport { result: "upgraded", from, to });
    }
    tell(args, &UpgradeReport { result: "fell_back", from, to: now });
    ExitStatus::RolledBack
}

/// Whoever answers once the master of this pid is gone. The socket is held meanwhile: a question waits there, or is cut off by the end of
/// the old one.
async fn next_master(global: &Global, old: u32) -> MasterSide {
    loop {
        if let Some(now) = master_now(global).await
            && now.pid != old
        {
            return now;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

async fn master_now(global: &Global) -> Option<MasterSide> {
    let path = find::locate(global).await.ok()?;
    let mut client = ControlClient::connect(&path).await.ok()?;
    client.status(&[]).await.ok()?.master.map(side)
}

fn side(master: drover_proto::latest::MasterStatus) -> MasterSide {
    MasterSide { pid: master.pid, version: master.version }
}

fn tell(args: &UpgradeArgs, report: &UpgradeReport<'_>) -> ExitStatus {
    let UpgradeReport { result, from, to } = report;
    if args.json {
        return message::whole_result(&serde_json::to_string(report).unwrap_or_default());
    }
    let text = match *result {
        "checked" => format!(
            "version {} could go on in the place of version {} (pid {})",
            to.version, from.version, from.pid
        ),
        "upgraded" => format!(
            "version {} (pid {}) has gone on in the place of version {} (pid {})",
            to.version, to.pid, from.version, from.pid
        ),
        _ => format!(
            "the other program ended at once, so version {} (pid {}) goes on; the reason is in the master's log",
            to.version, to.pid
        ),
    };
    message::whole_result(&text)
}

/// A path as it is wherever it is read.
fn whole(path: &Path) -> Result<String, String> {
    let whole: PathBuf = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole
        .into_os_string()
        .into_string()
        .map_err(|path| format!("`{}` is not UTF-8, which a path here has to be", path.to_string_lossy()))
}
