//! The words that people read for where an app or a worker stands. The phases of the protocol stay in the JSON: to it, a worker that
//! was suspended has stopped, and one that was stopped is shut down.

use drover_proto::latest::{AppStatus, Phase, WorkerStatus};

/// Where an app stands.
pub(crate) fn of_app(app: &AppStatus) -> &'static str {
    let mut own = app.workers.iter().filter(|worker| worker.role().is_occupant()).peekable();
    match app.phase() {
        Phase::ShutDown if app.outcome == "completed" => "COMPLETED",
        Phase::Started if own.peek().is_some() && own.all(is_suspended) => "SUSPENDED",
        Phase::Stopped => "SUSPENDED",
        phase => of_phase(phase),
    }
}

/// Where a worker stands.
pub(crate) fn of_worker(worker: &WorkerStatus) -> &'static str {
    match worker.phase() {
        Phase::Stopped if is_suspended(worker) => "SUSPENDED",
        Phase::ShutDown if has_completed(worker) => "COMPLETED",
        phase => of_phase(phase),
    }
}

/// How a worker ended that is not there any more, without what would read as a failure of one that has done its work.
pub(crate) fn of_last_exit(worker: &WorkerStatus) -> Option<&str> {
    let text = worker.last_exit.as_ref()?.text.as_str();
    let is_all = worker.phase() == Phase::ShutDown && has_completed(worker);
    Some(if is_all { text.strip_suffix(" while starting").unwrap_or(text) } else { text })
}

const fn of_phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Unspecified => "UNKNOWN",
        Phase::Initialized => "INITIALIZED",
        Phase::Starting => "STARTING",
        Phase::Started => "STARTED",
        Phase::Stopping => "STOPPING",
        Phase::Stopped | Phase::ShutDown => "STOPPED",
        Phase::ShuttingDown => "SHUTTING_DOWN",
        Phase::Failed => "FAILED",
        Phase::BackingOff => "BACKING_OFF",
    }
}

/// Whether it rests, as a process that is there.
pub(crate) fn is_suspended(worker: &WorkerStatus) -> bool {
    worker.phase() == Phase::Stopped && worker.pid != 0
}

/// Whether it has done its work, and nobody ended it.
pub(crate) fn has_completed(worker: &WorkerStatus) -> bool {
    worker.last_exit.as_ref().is_some_and(|exit| exit.asked_by.is_empty())
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::Exit;

    use super::*;

    #[test]
    fn people_read_suspended_stopped_and_completed() {
        let ended = |asked_by: &str| {
            let text = "exited with code 0 while starting".to_owned();
            Some(Exit { asked_by: asked_by.into(), text, ..Default::default() })
        };
        let worker = |phase: Phase, pid, last_exit| WorkerStatus {
            phase: phase.into(),
            pid,
            last_exit,
            ..Default::default()
        };
        for (worker, word, exit) in [
            (worker(Phase::Stopped, 7, None), "SUSPENDED", None),
            (worker(Phase::Stopped, 0, ended("x")), "STOPPED", Some("exited with code 0 while starting")),
            (worker(Phase::ShutDown, 0, ended("x")), "STOPPED", Some("exited with code 0 while starting")),
            (worker(Phase::ShutDown, 0, None), "STOPPED", None),
            (worker(Phase::ShutDown, 0, ended("")), "COMPLETED", Some("exited with code 0")),
            (worker(Phase::Failed, 0, ended("")), "FAILED", Some("exited with code 0 while starting")),
        ] {
            assert_eq!((of_worker(&worker), of_last_exit(&worker)), (word, exit), "{worker:?}");
        }
        let app = |phase: Phase, outcome: &str, workers| AppStatus {
            phase: phase.into(),
            outcome: outcome.into(),
            workers,
            ..Default::default()
        };
        let rests = worker(Phase::Stopped, 7, None);
        for (app, word) in [
            (app(Phase::ShutDown, "completed", vec![]), "COMPLETED"),
            (app(Phase::ShutDown, "shut down, asked by x", vec![]), "STOPPED"),
            (app(Phase::Started, "", vec![rests.clone(), rests.clone()]), "SUSPENDED"),
            (app(Phase::Started, "", vec![rests, worker(Phase::Started, 8, None)]), "STARTED"),
            (app(Phase::Started, "", vec![]), "STARTED"),
        ] {
            assert_eq!(of_app(&app), word, "{app:?}");
        }
    }
}
