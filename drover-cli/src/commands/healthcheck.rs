//! `drover healthcheck`: by its exit code whether everything is ready. For `HEALTHCHECK` of Docker and exec probes of
//! Kubernetes, which know only 0 and 1.

use drover_proto::latest::{AppStatus, Phase, StatusReply};

use super::find;
use crate::args::{Global, HealthcheckArgs};
use crate::exit_status::ExitStatus;
use crate::output::{message, word};

/// Says nothing where all is well, and otherwise one line.
pub(super) async fn run(global: &Global, args: &HealthcheckArgs) -> ExitStatus {
    let Ok(mut client) = find::connect(global).await else { return ExitStatus::Failed };
    match client.status(&args.apps).await {
        Ok(reply) => match fault(&reply) {
            None => ExitStatus::Done,
            Some(fault) => {
                message::error_text(&fault);
                ExitStatus::Failed
            }
        },
        Err(error) => {
            message::error(&error);
            ExitStatus::Failed
        }
    }
}

/// The first app that is neither ready nor completed, and why.
fn fault(reply: &StatusReply) -> Option<String> {
    reply.apps.iter().find_map(fault_of)
}

fn fault_of(app: &AppStatus) -> Option<String> {
    let name = &app.name;
    // Stopped by somebody is as little there as failed; only what has completed has done all that it was to do.
    let has_completed = app.phase() == Phase::ShutDown && app.workers.iter().all(word::has_completed);
    let is_ready = app.phase() == Phase::Started && app.ready >= app.desired;
    if has_completed || is_ready {
        return None;
    }
    let what = word::of_app(app);
    let why = match () {
        () if !app.waits_for.is_empty() => format!(": it waits for {}", app.waits_for.join(", ")),
        () if !app.outcome.is_empty() => format!(": {}", app.outcome),
        () => app
            .workers
            .iter()
            .find(|worker| worker.phase() != Phase::Started || !worker.unready.is_empty())
            .map_or_else(String::new, |worker| {
                let last = word::of_last_exit(worker).map(|exit| format!("; its last process {exit}"));
                let unready =
                    Some(&worker.unready).filter(|text| !text.is_empty()).map(|text| format!("; {text}"));
                format!(
                    ": worker {} is {}{}",
                    worker.slot,
                    word::of_worker(worker),
                    unready.or(last).unwrap_or_default()
                )
            }),
    };
    Some(format!("app `{name}` is {what}, {} of {} ready{why}", app.ready, app.desired))
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::{Exit, WorkerStatus};

    use super::*;

    fn app(phase: Phase, ready: u32, worker: WorkerStatus) -> AppStatus {
        let workers = vec![worker];
        AppStatus {
            name: "web".into(),
            phase: phase.into(),
            desired: 1,
            ready,
            workers,
            ..Default::default()
        }
    }

    #[test]
    fn what_is_not_ready_is_told_in_one_line() {
        let worker = |phase: Phase| WorkerStatus { phase: phase.into(), pid: 7, ..Default::default() };
        let exit = Exit { text: "exited with code 3".into(), ..Default::default() };
        let backing_off =
            WorkerStatus { phase: Phase::BackingOff.into(), last_exit: Some(exit), ..Default::default() };
        let unready = WorkerStatus { unready: "its probe failed".into(), ..worker(Phase::Started) };
        let waits =
            AppStatus { waits_for: vec!["db".into()], ..app(Phase::Initialized, 0, WorkerStatus::default()) };
        for (app, words) in [
            (app(Phase::Started, 1, worker(Phase::Started)), None),
            (
                app(Phase::Started, 0, backing_off),
                Some(&["app `web`", "0 of 1", "worker 0", "exited with code 3"][..]),
            ),
            (app(Phase::Started, 0, unready), Some(&["its probe failed"])),
            (app(Phase::Starting, 0, worker(Phase::Starting)), Some(&["starting"])),
            (waits, Some(&["waits for db"])),
        ] {
            let told = fault_of(&app);
            assert_eq!(told.is_some(), words.is_some(), "{told:?}");
            let told = told.unwrap_or_default();
            assert!(words.unwrap_or_default().iter().all(|word| told.contains(word)), "{told}");
            assert!(!told.contains('\n'));
        }
    }
}
