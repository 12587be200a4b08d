//! The words that people read for where an app or a worker stands: the one map from a phase, and how it came about, to a word.
//!
//! The phases of the protocol stay in the JSON: to it, a worker that was suspended has stopped, and one that was stopped is shut down.

use drover_master::Phase as MasterPhase;
use drover_proto::latest::{AppStatus, Phase, WorkerStatus};

/// It has done its work.
pub(crate) const COMPLETED: &str = "completed";
/// It drained, and its process stays.
pub(crate) const SUSPENDED: &str = "suspended";

/// Where an app stands.
pub(crate) fn of_app(app: &AppStatus) -> &'static str {
    let mut own = app.workers.iter().filter(|worker| worker.role().is_occupant()).peekable();
    match app.phase() {
        Phase::ShutDown if app.outcome == "completed" => COMPLETED,
        Phase::Started if own.peek().is_some() && own.all(is_suspended) => SUSPENDED,
        Phase::Stopped => SUSPENDED,
        // How many of its workers are ready is counted beside it.
        Phase::Started => "running",
        Phase::Stopping | Phase::ShuttingDown => "stopping",
        phase => of_phase(phase),
    }
}

/// Where a worker stands.
pub(crate) fn of_worker(worker: &WorkerStatus) -> &'static str {
    match worker.phase() {
        Phase::Started if !worker.unready.is_empty() => "not ready",
        Phase::Stopped if is_suspended(worker) => SUSPENDED,
        Phase::Stopped => "stopped",
        Phase::ShutDown if has_completed(worker) => COMPLETED,
        phase => of_phase(phase),
    }
}

/// Where a worker stands in its app: one that runs by a schedule has its own words for a run, and for none.
pub(crate) fn of_row(app: &AppStatus, worker: &WorkerStatus) -> &'static str {
    match (&app.cron, worker.phase()) {
        (Some(cron), Phase::Initialized) if worker.pid == 0 && cron.next_ms.is_some() => "scheduled",
        (Some(_), Phase::Starting) => "running",
        (Some(_), Phase::ShutDown) if app.phase() == Phase::Started => "held",
        // Its runs are done, but never all of them.
        (Some(_), Phase::ShutDown) => "stopped",
        _ => of_worker(worker),
    }
}

/// Whether the worker has to come to something else, or is ended.
pub(crate) const fn is_under_way(phase: Phase) -> bool {
    matches!(phase, Phase::Initialized | Phase::Starting | Phase::Stopping | Phase::ShuttingDown)
}

/// An event: the word of the phase that was entered, or its name as words.
pub(crate) fn of_event(name: &str) -> String {
    let entered = MasterPhase::ALL.into_iter().find(|phase| phase.name() == name);
    entered.map_or_else(|| name.replace('_', " "), |phase| phase.word().to_owned())
}

/// How a worker ended that no longer exists, without what would read as a failure of one that has done its work.
pub(crate) fn of_last_exit(worker: &WorkerStatus) -> Option<&str> {
    let text = worker.last_exit.as_ref()?.text.as_str();
    let is_all = worker.phase() == Phase::ShutDown && has_completed(worker);
    Some(if is_all { text.strip_suffix(" while starting").unwrap_or(text) } else { text })
}

fn of_phase(phase: Phase) -> &'static str {
    let known = MasterPhase::ALL.into_iter().find(|known| known.name() == phase.name());
    known.map_or("unknown", MasterPhase::word)
}

/// Whether it drained and its process is there.
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

    fn worker(phase: Phase, pid: u32, last_exit: Option<Exit>) -> WorkerStatus {
        WorkerStatus { phase: phase.into(), pid, last_exit, ..Default::default() }
    }

    #[test]
    fn a_worker_has_one_word_for_each_phase_and_outcome() {
        let ended = |asked_by: &str| {
            let text = "exited with code 0 while starting".to_owned();
            Some(Exit { asked_by: asked_by.into(), text, ..Default::default() })
        };
        let whole = Some("exited with code 0 while starting");
        for (worker, word, exit) in [
            (worker(Phase::Unspecified, 0, None), "unknown", None),
            (worker(Phase::Initialized, 0, None), "not started", None),
            (worker(Phase::Starting, 7, None), "starting", None),
            (worker(Phase::Started, 7, None), "ready", None),
            (WorkerStatus { unready: "503".into(), ..worker(Phase::Started, 7, None) }, "not ready", None),
            (worker(Phase::Stopping, 7, None), "draining", None),
            (worker(Phase::Stopped, 7, None), "suspended", None),
            (worker(Phase::Stopped, 0, ended("x")), "stopped", whole),
            (worker(Phase::ShuttingDown, 7, None), "quitting", None),
            (worker(Phase::ShutDown, 0, ended("x")), "stopped", whole),
            (worker(Phase::ShutDown, 0, None), "stopped", None),
            (worker(Phase::ShutDown, 0, ended("")), "completed", Some("exited with code 0")),
            (worker(Phase::Failed, 0, ended("")), "failed", whole),
            (worker(Phase::BackingOff, 0, ended("")), "backing off", whole),
        ] {
            assert_eq!((of_worker(&worker), of_last_exit(&worker)), (word, exit), "{worker:?}");
        }
    }

    #[test]
    fn an_app_has_one_word_for_each_phase_and_outcome() {
        let app = |phase: Phase, outcome: &str, workers| AppStatus {
            phase: phase.into(),
            outcome: outcome.into(),
            workers,
            ..Default::default()
        };
        let (suspended, ready) = (worker(Phase::Stopped, 7, None), worker(Phase::Started, 8, None));
        for (app, word) in [
            (app(Phase::Unspecified, "", vec![]), "unknown"),
            (app(Phase::Initialized, "", vec![]), "not started"),
            (app(Phase::Starting, "", vec![]), "starting"),
            (app(Phase::Started, "", vec![]), "running"),
            (app(Phase::Started, "", vec![suspended.clone(), suspended.clone()]), "suspended"),
            (app(Phase::Started, "", vec![suspended, ready]), "running"),
            (app(Phase::Stopping, "", vec![]), "stopping"),
            (app(Phase::Stopped, "", vec![]), "suspended"),
            (app(Phase::ShuttingDown, "", vec![]), "stopping"),
            (app(Phase::ShutDown, "completed", vec![]), "completed"),
            (app(Phase::ShutDown, "shut down, asked by x", vec![]), "stopped"),
            (app(Phase::Failed, "", vec![]), "failed"),
            (app(Phase::BackingOff, "", vec![]), "backing off"),
        ] {
            assert_eq!(of_app(&app), word, "{app:?}");
        }
    }

    #[test]
    fn an_event_is_told_by_the_word_of_its_phase_or_by_its_name() {
        for (name, words) in [
            ("started", "ready"),
            ("shutting_down", "quitting"),
            ("reload_started", "reload started"),
            ("spawned", "spawned"),
        ] {
            assert_eq!(of_event(name), words);
        }
    }
}
