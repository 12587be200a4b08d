//! `drover doctor`: what is wrong, or will be, and what to do about it.
//!
//! ```text
//!  gather ──► facts ──► judge ──► findings
//! ```
//!
//! The judgement is pure; what is asked of the machine and the master is in `gather` and `opening`.

mod deadlines;
mod facts;
mod finding;
mod gather;
mod judge;
mod opening;
mod protection;
mod rights;

use super::{find, list};
use crate::args::{DoctorArgs, Global};
use crate::exit_status::ExitStatus;
use crate::output::message;
use crate::path::{file_here, whole};
use facts::{Answer, Keeper, Master};
use finding::{Level, as_json, as_text};

/// How long it may take to look around: a name server, a dead disk or systemd may not answer.
const LOOK: std::time::Duration = std::time::Duration::from_secs(20);

pub(super) async fn run(global: &Global, args: &DoctorArgs) -> ExitStatus {
    let file = global.file.as_deref().map(whole).or_else(file_here);
    let master = ask(global).await;
    let looked = tokio::task::spawn_blocking(move || gather::facts(file, master));
    let Ok(Ok(facts)) = tokio::time::timeout(LOOK, looked).await else {
        message::error_text(&format!(
            "this machine could not be looked at within {LOOK:?}: a disk, a name server or systemd does not answer"
        ));
        return ExitStatus::Failed;
    };
    let found = judge::findings(&facts);
    let text = if args.json { as_json(&facts, &found) } else { as_text(&facts, &found, global.quiet) };
    match message::whole_result(&text) {
        ExitStatus::Done if found.iter().any(|finding| finding.level == Level::Error) => ExitStatus::Failed,
        status => status,
    }
}

/// How the master stands that a verb would look at, if there is one.
async fn ask(global: &Global) -> Option<Master> {
    let own = drover_master::control::ControlPath::live();
    let socket = find::meant_silently(global, &own)?;
    let status = list::ask_all(std::slice::from_ref(&socket)).await.pop().flatten();
    let answer = status.map(|status| {
        let listeners = status.apps.iter().flat_map(|app| app.listeners.clone()).collect();
        let master = status.master.unwrap_or_default();
        let keeper = (master.keeper != 0).then_some(Keeper {
            pid: master.keeper,
            is_gone: !master.is_protected,
            oom_scores: None,
        });
        Answer { pid: master.pid, version: master.version, file: master.file, listeners, unit: None, keeper }
    });
    Some(Master { socket, answer })
}

#[cfg(test)]
mod tests;
