//! What something that takes long waits for, in a few lines.

use drover_proto::latest::{AppStatus, Phase, StatusReply, WorkerStatus};

use super::clock::uptime;
use super::word;
use super::word::is_under_way;

/// More workers than this are only counted.
const SHOWN: usize = 4;

/// What the apps that are meant wait for; each with the time that is left, if it is limited. Empty: nothing is known.
pub(crate) fn waits(reply: &StatusReply, is_meant: impl Fn(&AppStatus) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    for app in reply.apps.iter().filter(|app| is_meant(app)) {
        if !app.waits_for.is_empty() {
            let stands = |name: &String| match reply.apps.iter().find(|other| other.name == *name) {
                Some(other) => format!("{name}, which is {}", word::of_app(other)),
                None => name.clone(),
            };
            let others: Vec<String> = app.waits_for.iter().map(stands).collect();
            lines.push(format!("{} waits for {}", app.name, others.join("; and for ")));
        }
        if !app.queued.is_empty() {
            lines.push(format!("{}: {}", app.name, app.queued));
        }
        let under_way: Vec<String> = app.workers.iter().filter_map(|worker| under_way(app, worker)).collect();
        let more = under_way.len().saturating_sub(SHOWN);
        lines.extend(under_way.into_iter().take(SHOWN));
        if more > 0 {
            lines.push(format!("and {more} more workers of {}", app.name));
        }
    }
    lines
}

/// The same for a verb that waits for a state. Workers that run and are not ready count too; and where nothing is under
/// way, the state of the apps.
pub(crate) fn waits_or_stands(reply: &StatusReply, is_meant: impl Fn(&AppStatus) -> bool) -> Vec<String> {
    let mut lines = waits(reply, &is_meant);
    for app in reply.apps.iter().filter(|app| is_meant(app)) {
        let is_unready =
            |worker: &&WorkerStatus| worker.phase() == Phase::Started && !worker.unready.is_empty();
        let unready = app.workers.iter().filter(is_unready);
        lines.extend(unready.take(SHOWN).map(|worker| {
            format!("{}/{}, pid {}, is not ready: {}", app.name, worker.slot, worker.pid, worker.unready)
        }));
    }
    if lines.is_empty() {
        let stands = |app: &AppStatus| format!("{} is {}", app.name, word::of_app(app));
        lines.extend(reply.apps.iter().filter(|app| is_meant(app)).take(SHOWN).map(stands));
    }
    lines
}

fn under_way(app: &AppStatus, worker: &WorkerStatus) -> Option<String> {
    let who = match worker.pid {
        0 => format!("{}/{}", app.name, worker.slot),
        pid => format!("{}/{}, pid {pid},", app.name, worker.slot),
    };
    let left = worker.left_ms.map_or_else(String::new, |left| format!(", {} left", uptime(left)));
    match worker.phase() {
        Phase::BackingOff => {
            let why = word::of_last_exit(worker).unwrap_or("it ended");
            let next =
                worker.next_try_ms.map_or_else(String::new, |left| format!(", next try in {}", uptime(left)));
            Some(format!("{who} is backing off: {why}{next}"))
        }
        // It waits with its app.
        Phase::Initialized if worker.id == 0 && !app.waits_for.is_empty() => None,
        phase if is_under_way(phase) => {
            let why = match worker.unready.as_str() {
                "" => String::new(),
                why => format!(": {why}"),
            };
            let does = match phase {
                Phase::Initialized if worker.id == 0 => "waits for its turn to start",
                Phase::Initialized => "is being created",
                Phase::Starting => "is not ready yet",
                Phase::Stopping => "is draining",
                _ => "is quitting",
            };
            Some(format!("{who} {does}{why}{left}"))
        }
        _ => None,
    }
}

/// The same without the times, which always change.
pub(crate) fn without_times(lines: &[String]) -> Vec<String> {
    lines
        .iter()
        .map(|line| line.split(", next try in ").next().unwrap_or(line))
        .map(|line| {
            let cut =
                line.strip_suffix(" left").and_then(|rest| rest.rsplit_once(", ")).map(|(rest, _)| rest);
            cut.unwrap_or(line).to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_app_waits_for_is_told_with_its_process_and_the_time_left() {
        let worker = |slot, pid, phase: Phase, left_ms| WorkerStatus {
            id: 9,
            slot,
            pid,
            phase: phase.into(),
            left_ms,
            ..WorkerStatus::default()
        };
        let stopped =
            WorkerStatus { unready: "it stands still".into(), ..worker(0, 70, Phase::Starting, Some(9_000)) };
        let retried = WorkerStatus { next_try_ms: Some(3_000), ..worker(1, 0, Phase::BackingOff, None) };
        let web = AppStatus {
            name: "web".into(),
            queued: "a reload waits".into(),
            workers: vec![
                stopped,
                retried,
                worker(2, 71, Phase::Started, Some(1)),
                worker(3, 72, Phase::ShuttingDown, Some(17_000)),
            ],
            ..AppStatus::default()
        };
        let waits = WorkerStatus { phase: Phase::Initialized.into(), ..WorkerStatus::default() };
        let api = AppStatus {
            name: "api".into(),
            waits_for: vec!["db".into()],
            workers: vec![waits],
            ..AppStatus::default()
        };
        let many = (0..7).map(|slot| worker(slot, 100 + slot, Phase::Stopping, None)).collect();
        let db = AppStatus {
            name: "db".into(),
            phase: Phase::Started.into(),
            workers: many,
            ..AppStatus::default()
        };
        let reply = StatusReply { apps: vec![web, api, db], ..StatusReply::default() };
        let told = super::waits(&reply, |app| app.name != "db");
        assert_eq!(
            told,
            [
                "web: a reload waits",
                "web/0, pid 70, is not ready yet: it stands still, 9.0 s left",
                "web/1 is backing off: it ended, next try in 3.0 s",
                "web/3, pid 72, is quitting, 17 s left",
                "api waits for db, which is running",
            ]
        );
        assert_eq!(
            without_times(&told)[1..4],
            [
                "web/0, pid 70, is not ready yet: it stands still",
                "web/1 is backing off: it ended",
                "web/3, pid 72, is quitting"
            ]
        );
        // A verb that has asked for nothing shows the state.
        let ails =
            WorkerStatus { unready: "GET / answered 503".into(), ..worker(0, 80, Phase::Started, None) };
        let well = WorkerStatus { unready: String::new(), ..ails.clone() };
        let of = |worker: WorkerStatus| {
            let (name, phase, workers) = ("mail".into(), Phase::Started.into(), vec![worker]);
            let apps = vec![AppStatus { name, phase, workers, ..AppStatus::default() }];
            waits_or_stands(&StatusReply { apps, ..StatusReply::default() }, |_| true)
        };
        assert_eq!(of(ails), ["mail/0, pid 80, is not ready: GET / answered 503"]);
        assert_eq!(of(well), ["mail is running"]);
        assert_eq!(waits_or_stands(&reply, |app| app.name != "db"), told);
        let told = super::waits(&reply, |app| app.name == "db");
        assert_eq!(
            (told.len(), told[0].as_str(), told[4].as_str()),
            (5, "db/0, pid 100, is draining", "and 3 more workers of db")
        );
    }
}
