//! What `drover wait` waits for, judged by a status.

use std::time::Duration;

use drover_master::control::Name;
use drover_proto::latest::{AppStatus, Phase, StatusReply, WorkerRole, WorkerStatus};

use crate::args::Goal;
use crate::output::word;

/// Names, and what is to become of them.
#[derive(Debug)]
pub(super) struct Aim<'n> {
    goal: Goal,
    names: &'n [Name],
    /// The workers that ran when the waiting began: app, slot, number.
    first: Vec<(String, u32, u64)>,
}

/// How it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Holds,
    NotYet,
    /// It can't come to be unless somebody does something, and why.
    Never(String),
}

impl<'n> Aim<'n> {
    /// Begins to wait, at this status.
    pub(super) fn new(goal: Goal, names: &'n [Name], reply: &StatusReply) -> Self {
        let mut aim = Self { goal, names, first: Vec::new() };
        let workers = reply.apps.iter().flat_map(|app| app.workers.iter().map(move |worker| (app, worker)));
        let running = workers.filter(|(app, worker)| worker.pid != 0 && aim.means(app, worker));
        aim.first = running.map(|(app, worker)| (app.name.clone(), worker.slot, worker.id)).collect();
        aim
    }

    /// Judges all that is meant together.
    pub(super) fn judge(&self, reply: &StatusReply) -> Verdict {
        if self.goal == Goal::Exited {
            let is_there = |(app, slot, id): &(String, u32, u64)| {
                let app = reply.apps.iter().find(|status| status.name == *app);
                app.is_some_and(|app| {
                    app.workers
                        .iter()
                        .any(|worker| (worker.slot, worker.id) == (*slot, *id) && worker.pid != 0)
                })
            };
            return if self.first.iter().any(is_there) { Verdict::NotYet } else { Verdict::Holds };
        }
        let mut together = Verdict::Holds;
        for app in &reply.apps {
            if self.names.iter().any(|name| name.is_of_apps() && name.matches_app(&app.name)) {
                together = and(together, self.judge_app(app));
            }
            for worker in app.workers.iter().filter(|worker| self.waits_for(app, worker)) {
                together = and(together, self.judge_worker(app, worker));
            }
        }
        and(together, self.judge_lost(reply))
    }

    /// Whoever was named by a number, and no longer exists, never becomes ready.
    fn judge_lost(&self, reply: &StatusReply) -> Verdict {
        let is_there = |name: &Name| {
            let mut workers =
                reply.apps.iter().flat_map(|app| app.workers.iter().map(move |worker| (app, worker)));
            name.is_of_apps() || workers.any(|(app, worker)| matches(name, app, worker))
        };
        match self.names.iter().find(|name| !is_there(name)) {
            Some(name) if matches!(self.goal, Goal::Ready | Goal::Suspended) => {
                Verdict::Never(format!("{name} no longer exists"))
            }
            _ => Verdict::Holds,
        }
    }

    fn judge_app(&self, app: &AppStatus) -> Verdict {
        match (self.goal, app.phase()) {
            (Goal::Ready, Phase::Started) => judge_started(app),
            (Goal::Ready, Phase::ShutDown) if has_completed(app) => Verdict::Holds,
            (Goal::Ready, Phase::ShutDown | Phase::Failed | Phase::Stopped) if app.operation.is_empty() => {
                let word = word::of_app(app);
                let how = if app.outcome.is_empty() { word } else { &app.outcome };
                Verdict::Never(format!("{} is not running: {how}", app.name))
            }
            (Goal::Stopped, phase) if is_over(app, phase) => Verdict::Holds,
            (Goal::Suspended, Phase::Started) => match word::of_app(app) {
                word::SUSPENDED => Verdict::Holds,
                _ => Verdict::NotYet,
            },
            (Goal::Suspended, Phase::ShutDown | Phase::Failed) if app.operation.is_empty() => {
                Verdict::Never(format!("{} is not running, so it can't be suspended", app.name))
            }
            _ => Verdict::NotYet,
        }
    }

    fn judge_worker(&self, app: &AppStatus, worker: &WorkerStatus) -> Verdict {
        match (self.goal, worker.phase()) {
            (Goal::Ready, _) if worker.role() == WorkerRole::Incoming => Verdict::NotYet,
            (Goal::Ready, _) if worker.role() == WorkerRole::Leaving => {
                Verdict::Never(format!("{}@{} was replaced and is quitting", app.name, worker.id))
            }
            (Goal::Ready, Phase::Started) if worker.unready.is_empty() => Verdict::Holds,
            (Goal::Ready, Phase::ShutDown) if has_succeeded(worker) => Verdict::Holds,
            (Goal::Ready, Phase::Failed | Phase::Stopped | Phase::ShutDown) if is_settled(app, worker) => {
                Verdict::Never(not_running(app, worker))
            }
            (Goal::Stopped, phase) if worker.pid == 0 && is_over(app, phase) => Verdict::Holds,
            (Goal::Suspended, _) if word::is_suspended(worker) => Verdict::Holds,
            (Goal::Suspended, Phase::Failed | Phase::Stopped | Phase::ShutDown)
                if is_settled(app, worker) =>
            {
                let slot = worker.slot;
                Verdict::Never(format!("{}/{slot} is not running, so it can't be suspended", app.name))
            }
            _ => Verdict::NotYet,
        }
    }

    /// What it waits for, in words.
    pub(super) fn text(&self) -> String {
        let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        let verb = match (self.goal, names.len()) {
            (Goal::Ready, 1) => "is ready",
            (Goal::Ready, _) => "are ready",
            (Goal::Stopped, 1) => "is stopped",
            (Goal::Stopped, _) => "are stopped",
            (Goal::Suspended, 1) => "is suspended",
            (Goal::Suspended, _) => "are suspended",
            (Goal::Exited, 1) => "has ended",
            (Goal::Exited, _) => "have ended",
        };
        format!("{} {verb}", names.join(", "))
    }

    /// What came of it, a line for each that was named; of ends, for each worker.
    pub(super) fn results(&self, reply: &StatusReply) -> Vec<String> {
        let is = match self.goal {
            Goal::Ready => "is ready",
            Goal::Stopped => "is stopped",
            Goal::Suspended => "is suspended",
            Goal::Exited => return self.first.iter().map(|first| end_of(first, reply)).collect(),
        };
        self.names.iter().map(|name| format!("{name} {is}")).collect()
    }

    /// Whether this worker has to be as it is wished. Of those in a slot only its own is to be ready, and to be stopped all.
    fn waits_for(&self, app: &AppStatus, worker: &WorkerStatus) -> bool {
        let by_number = |name: &Name| name.is_by_number() && matches(name, app, worker);
        let is_concerned = worker.role().is_occupant()
            || !matches!(self.goal, Goal::Ready | Goal::Suspended)
            || self.names.iter().any(by_number);
        is_concerned && self.names_worker(app, worker)
    }

    /// Whether a name means this worker on its own; waiting for an app does not include its stopped workers.
    fn names_worker(&self, app: &AppStatus, worker: &WorkerStatus) -> bool {
        let mut names = self.names.iter().filter(|name| self.goal == Goal::Stopped || !name.is_of_apps());
        names.any(|name| matches(name, app, worker))
    }

    fn means(&self, app: &AppStatus, worker: &WorkerStatus) -> bool {
        self.names.iter().any(|name| matches(name, app, worker))
    }
}

/// That the time is over.
pub(super) fn not_within(goal: Goal, names: &[Name], limit: Duration) -> String {
    let state = match goal {
        Goal::Ready => "ready",
        Goal::Stopped => "stopped",
        Goal::Suspended => "suspended",
        Goal::Exited => "ended",
    };
    let shown: Vec<String> = names.iter().map(ToString::to_string).collect();
    let (is, shown) = (if goal == Goal::Exited { "has" } else { "is" }, shown.join(", "));
    match names {
        [name] if !name.is_pattern() => {
            format!("{shown} {is} not {state} within {limit:?}; `drover status` shows how it stands")
        }
        _ => format!(
            "not all of {shown} {} {state} within {limit:?}; `drover status` shows how they stand",
            if is == "is" { "are" } else { "have" }
        ),
    }
}

fn matches(name: &Name, app: &AppStatus, worker: &WorkerStatus) -> bool {
    name.matches_worker(&app.name, worker.slot, Some(worker.id).filter(|id| *id != 0))
}

/// An app that runs is ready when all its workers are, but those that were stopped by hand.
fn judge_started(app: &AppStatus) -> Verdict {
    let is_given_up = |worker: &&WorkerStatus| {
        worker.phase() == Phase::Failed && is_settled(app, worker) && worker.role().is_occupant()
    };
    match app.workers.iter().find(is_given_up) {
        Some(worker) => Verdict::Never(not_running(app, worker)),
        None if app.desired == 0 => Verdict::Never(format!("every worker of {} is stopped", app.name)),
        None if app.ready >= app.desired => Verdict::Holds,
        None => Verdict::NotYet,
    }
}

/// Whether nothing is under way that could bring a worker back.
fn is_settled(app: &AppStatus, worker: &WorkerStatus) -> bool {
    app.operation.is_empty() && worker.pid == 0
}

fn not_running(app: &AppStatus, worker: &WorkerStatus) -> String {
    let exit = worker.last_exit.as_ref();
    let how = exit.map_or(word::of_worker(worker), |exit| &exit.text);
    format!("{}/{} is not running: {how}", app.name, worker.slot)
}

/// Whether it has done its work, and nobody ended it.
fn has_succeeded(worker: &WorkerStatus) -> bool {
    word::has_completed(worker)
}

fn and(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Never(reason), _) | (_, Verdict::Never(reason)) => Verdict::Never(reason),
        (Verdict::Holds, Verdict::Holds) => Verdict::Holds,
        _ => Verdict::NotYet,
    }
}

/// Whether it is without a process for good. What has not been started yet will be, unless its app has come to an end.
fn is_over(app: &AppStatus, phase: Phase) -> bool {
    match phase {
        Phase::Initialized => !app.outcome.is_empty(),
        phase => matches!(phase, Phase::Stopped | Phase::ShutDown | Phase::Failed),
    }
}

fn has_completed(app: &AppStatus) -> bool {
    app.phase() == Phase::ShutDown && app.outcome == "completed"
}

fn end_of((app, slot, _): &(String, u32, u64), reply: &StatusReply) -> String {
    let workers = reply.apps.iter().filter(|status| status.name == *app).flat_map(|app| &app.workers);
    let exit = workers.filter(|worker| worker.slot == *slot).find_map(|worker| worker.last_exit.as_ref());
    let how = exit.map_or("has ended", |exit| &exit.text);
    format!("{app}/{slot} {how}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(slot: u32, id: u64, pid: u32, phase: Phase) -> WorkerStatus {
        WorkerStatus { slot, id, pid, phase: phase.into(), ..Default::default() }
    }

    fn web(phase: Phase, operation: &str, outcome: &str, workers: Vec<WorkerStatus>) -> StatusReply {
        let count = |phase: Phase| {
            workers.iter().filter(|worker| phase == Phase::Unspecified || worker.phase() == phase).count()
                as u32
        };
        let app = AppStatus {
            name: "web".into(),
            desired: count(Phase::Unspecified) - count(Phase::ShutDown),
            ready: workers
                .iter()
                .filter(|worker| worker.phase() == Phase::Started && worker.unready.is_empty())
                .count() as u32,
            phase: phase.into(),
            operation: operation.into(),
            outcome: outcome.into(),
            workers,
            ..Default::default()
        };
        StatusReply { apps: vec![app], ..Default::default() }
    }

    fn judged(goal: Goal, name: &str, then: &StatusReply) -> Verdict {
        let running = web(Phase::Started, "", "", vec![worker(0, 7, 70, Phase::Started)]);
        Aim::new(goal, &[name.parse().unwrap()], &running).judge(then)
    }

    #[test]
    fn a_worker_that_is_started_and_unready_is_not_ready_yet() {
        let unready =
            WorkerStatus { unready: "GET / answered 503".into(), ..worker(0, 7, 70, Phase::Started) };
        let reply = web(Phase::Started, "", "", vec![unready]);
        for name in ["web", "web/0", "web@7"] {
            assert_eq!(judged(Goal::Ready, name, &reply), Verdict::NotYet, "{name}");
        }
    }

    #[test]
    fn an_app_is_ready_when_it_and_its_workers_are() {
        use Phase::{BackingOff, Failed, ShutDown, Started, Starting};
        let never = |text: &str| Verdict::Never(text.into());
        for (reply, expected) in [
            (web(Started, "", "", vec![worker(0, 7, 70, Started)]), Verdict::Holds),
            (web(Started, "", "", vec![worker(0, 0, 0, BackingOff)]), Verdict::NotYet),
            (web(Starting, "start", "", vec![worker(0, 7, 70, Starting)]), Verdict::NotYet),
            (web(Started, "", "", vec![worker(0, 7, 0, Failed)]), never("web/0 is not running: failed")),
            (web(Started, "restart", "", vec![worker(0, 7, 0, Failed)]), Verdict::NotYet),
            (web(ShutDown, "", "completed", vec![worker(0, 7, 0, ShutDown)]), Verdict::Holds),
            (
                web(ShutDown, "", "shut down, asked by x", vec![]),
                never("web is not running: shut down, asked by x"),
            ),
            (web(Failed, "", "", vec![]), never("web is not running: failed")),
            (
                web(Started, "", "", vec![worker(0, 7, 70, Started), worker(1, 8, 0, ShutDown)]),
                Verdict::Holds,
            ),
            (web(Started, "", "", vec![worker(0, 7, 0, ShutDown)]), never("every worker of web is stopped")),
        ] {
            assert_eq!(judged(Goal::Ready, "web", &reply), expected, "{reply:?}");
        }
        let replaced = web(Started, "", "", vec![worker(0, 8, 80, Started)]);
        assert_eq!(judged(Goal::Ready, "web@7", &replaced), never("web@7 no longer exists"));
        assert_eq!(judged(Goal::Ready, "web/0", &replaced), Verdict::Holds);
    }

    #[test]
    fn while_workers_are_replaced_a_slot_is_ready_by_its_own_and_stopped_without_any() {
        let of = |role: WorkerRole, id, phase| WorkerStatus { role: role.into(), ..worker(0, id, 70, phase) };
        let old = of(WorkerRole::Occupant, 7, Phase::Started);
        let starting = of(WorkerRole::Incoming, 8, Phase::Starting);
        let status = web(Phase::Started, "reload", "", vec![old, starting]);
        assert_eq!(judged(Goal::Ready, "web/0", &status), Verdict::Holds);
        assert_eq!(judged(Goal::Ready, "web@8", &status), Verdict::NotYet);
        let leaving = of(WorkerRole::Leaving, 7, Phase::ShuttingDown);
        let taken =
            web(Phase::Started, "", "", vec![of(WorkerRole::Occupant, 8, Phase::Started), leaving.clone()]);
        assert_eq!(judged(Goal::Ready, "web/0", &taken), Verdict::Holds);
        assert_eq!(
            judged(Goal::Ready, "web@7", &taken),
            Verdict::Never("web@7 was replaced and is quitting".into())
        );
        let stopped = web(Phase::Started, "", "", vec![worker(0, 0, 0, Phase::Stopped), leaving]);
        assert_eq!(judged(Goal::Stopped, "web/0", &stopped), Verdict::NotYet);
    }

    #[test]
    fn stopped_is_what_has_no_process_and_gets_none_by_itself() {
        use Phase::{BackingOff, Initialized, ShutDown, ShuttingDown, Started, Stopped};
        for (phase, slot, expected) in [
            (ShutDown, worker(0, 7, 0, ShutDown), Verdict::Holds),
            (ShuttingDown, worker(0, 7, 0, ShutDown), Verdict::NotYet),
            (Started, worker(0, 7, 0, Stopped), Verdict::NotYet),
            (Started, worker(0, 7, 0, BackingOff), Verdict::NotYet),
            (Initialized, worker(0, 0, 0, Initialized), Verdict::NotYet),
        ] {
            assert_eq!(
                judged(Goal::Stopped, "web", &web(phase, "", "", vec![slot.clone()])),
                expected,
                "{slot:?}"
            );
        }
        let stopped = web(Started, "", "", vec![worker(0, 7, 0, Stopped)]);
        assert_eq!(judged(Goal::Stopped, "web/0", &stopped), Verdict::Holds);
        let replaced = web(Started, "", "", vec![worker(0, 8, 80, Started)]);
        assert_eq!(judged(Goal::Stopped, "web@7", &replaced), Verdict::Holds);
    }

    #[test]
    fn suspended_is_what_rests_as_a_process() {
        use Phase::{ShutDown, Started, Stopped};
        let never = |who: &str| Verdict::Never(format!("{who} is not running, so it can't be suspended"));
        let (rests, serves) = (worker(0, 7, 70, Stopped), worker(1, 8, 80, Started));
        let stopped = worker(0, 7, 0, Stopped);
        for (reply, app, slot) in [
            (web(Started, "", "", vec![rests.clone()]), Verdict::Holds, Verdict::Holds),
            (web(Started, "", "", vec![rests.clone(), serves]), Verdict::NotYet, Verdict::Holds),
            (web(Started, "", "", vec![stopped]), Verdict::NotYet, never("web/0")),
            (web(ShutDown, "", "", vec![worker(0, 7, 0, ShutDown)]), never("web"), never("web/0")),
        ] {
            assert_eq!(judged(Goal::Suspended, "web", &reply), app, "{reply:?}");
            assert_eq!(judged(Goal::Suspended, "web/0", &reply), slot, "{reply:?}");
        }
        let suspended = web(Started, "", "", vec![rests]);
        assert_eq!(judged(Goal::Stopped, "web", &suspended), Verdict::NotYet);
    }

    #[test]
    fn exited_is_about_the_processes_that_ran_at_first() {
        let is_it = web(Phase::Started, "", "", vec![worker(0, 7, 70, Phase::Started)]);
        let another = web(Phase::Started, "", "", vec![worker(0, 8, 80, Phase::Started)]);
        let gone = web(Phase::Started, "", "", vec![worker(0, 7, 0, Phase::BackingOff)]);
        for name in ["web", "web/0", "web@7"] {
            assert_eq!(judged(Goal::Exited, name, &is_it), Verdict::NotYet);
            assert_eq!(judged(Goal::Exited, name, &another), Verdict::Holds);
            assert_eq!(judged(Goal::Exited, name, &gone), Verdict::Holds);
        }
    }
}
