//! The master's own types as messages.

use std::time::{Instant, SystemTime};

use drover_proto::latest as wire;
use prost::Message as _;

use super::cron;
use super::exit::{exit, milliseconds, phase, whole_exit};
use crate::config::{Change, ChangeClass};
use crate::handle::{Event, Snapshot};
use crate::machine::fleet::{EventKind, Role, WorkerStatus};

/// How many of a dead worker's last lines go into its row. A row is an overview, and every worker of a large app may have
/// crashed; the event of the exit has them all.
const ROW_LINES: usize = 2;

/// How much of each such line, in characters.
const ROW_LINE_LEN: usize = 200;

/// How many bytes of rows make an answer full: a quarter of the frame limit, which is room for the row that fills it and for
/// what encloses the rows.
const PART: usize = 1024 * 1024;

/// Apps with their workers, divided over as many answers as they need. An app that does not fit goes on in the next one: the
/// same app again, with further workers.
#[derive(Debug)]
pub(super) struct StatusParts {
    snapshots: Vec<Snapshot>,
    /// What apps wait for, by the names of both.
    waits: Vec<(String, Vec<String>)>,
    now: Instant,
    app: usize,
    worker: usize,
}

impl StatusParts {
    pub(super) const fn new(
        snapshots: Vec<Snapshot>,
        waits: Vec<(String, Vec<String>)>,
        now: Instant,
    ) -> Self {
        Self { snapshots, waits, now, app: 0, worker: 0 }
    }

    /// The next answer, and whether more follow. The first may be empty.
    pub(super) fn next_part(&mut self) -> (Vec<wire::AppStatus>, bool) {
        let mut part = Vec::new();
        let mut size = 0;
        while size < PART
            && let Some(snapshot) = self.snapshots.get(self.app)
        {
            let mut app = app_status(snapshot);
            if let Some((_, on)) = self.waits.iter().find(|(waiting, _)| *waiting == app.name) {
                app.waits_for.clone_from(on);
            }
            if self.worker > 0 {
                app.listeners.clear();
            }
            size += app.encoded_len();
            while size < PART
                && let Some(worker) = snapshot.workers.get(self.worker)
            {
                let row = worker_status(worker, self.now);
                size += row.encoded_len();
                app.workers.push(row);
                self.worker += 1;
            }
            part.push(app);
            if self.worker == snapshot.workers.len() {
                (self.app, self.worker) = (self.app + 1, 0);
            }
        }
        (part, self.app < self.snapshots.len())
    }
}

/// The app without its workers.
pub(super) fn app_status(snapshot: &Snapshot) -> wire::AppStatus {
    wire::AppStatus {
        name: snapshot.app.to_string(),
        phase: phase(snapshot.status.phase).into(),
        desired: snapshot.status.desired,
        ready: snapshot.status.ready,
        generation: snapshot.status.generation.0,
        operation: snapshot.status.operation.unwrap_or_default().to_owned(),
        workers: Vec::new(),
        waits_for: Vec::new(),
        listeners: snapshot.listeners.iter().map(|(name, addr)| format!("{name}={addr}")).collect(),
        outcome: snapshot.status.outcome.clone().unwrap_or_default(),
        queued: snapshot.status.queued.clone().unwrap_or_default(),
        cron: snapshot.status.cron.as_ref().map(cron::status),
    }
}

pub(super) fn worker_status(worker: &WorkerStatus, now: Instant) -> wire::WorkerStatus {
    wire::WorkerStatus {
        id: worker.id.map_or(0, |id| id.0),
        slot: worker.slot.0,
        generation: worker.generation.0,
        pid: worker.pid.unwrap_or(0),
        phase: phase(worker.phase).into(),
        uptime_ms: worker.since.map_or(0, |since| milliseconds(now.saturating_duration_since(since))),
        restarts: worker.restarts,
        next_try_ms: worker.next_try.map(|at| milliseconds(at.saturating_duration_since(now))),
        last_exit: worker.last_exit.as_deref().map(|ended| exit(ended, row_lines(&ended.stderr_tail))),
        status_text: worker.status_text.clone(),
        in_flight: worker.in_flight,
        gauges: worker
            .gauges
            .kept()
            .map(|(name, value)| wire::Gauge { name: name.to_owned(), value })
            .collect(),
        gauges_refused: worker.gauges.refused(),
        role: role(worker.role).into(),
        unready: worker.unready.as_deref().unwrap_or_default().to_owned(),
        left_ms: worker.waited_for_until.map(|at| milliseconds(at.saturating_duration_since(now))),
    }
}

const fn role(role: Role) -> wire::WorkerRole {
    match role {
        Role::Occupant => wire::WorkerRole::Occupant,
        Role::Incoming => wire::WorkerRole::Incoming,
        Role::Leaving => wire::WorkerRole::Leaving,
    }
}

fn row_lines(tail: &[String]) -> Vec<String> {
    tail[tail.len().saturating_sub(ROW_LINES)..]
        .iter()
        .map(|line| match line.char_indices().nth(ROW_LINE_LEN) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line.clone(),
        })
        .collect()
}

pub(crate) fn event(event: &Event) -> wire::Event {
    wire::Event {
        seq: event.seq,
        time_ms: event.time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, milliseconds),
        app: event.app.to_string(),
        slot: event.worker.map(|worker| worker.slot.0),
        generation: event.worker.map_or(0, |worker| worker.generation.0),
        worker: event.worker.and_then(|worker| worker.id).map_or(0, |id| id.0),
        pid: event.worker.and_then(|worker| worker.pid).unwrap_or(0),
        name: event.name().to_owned(),
        phase: phase(event.phase).into(),
        exit: match &event.kind {
            EventKind::Exited { exit: ended } => Some(whole_exit(ended)),
            _ => None,
        },
        detail: event.kind.detail(),
        next_try_ms: match &event.kind {
            EventKind::RestartScheduled { after, .. } => Some(milliseconds(*after)),
            _ => None,
        },
        replaced_pid: match &event.kind {
            EventKind::Replaced { old: Some((_, pid)) } => *pid,
            _ => 0,
        },
    }
}

pub(super) fn change(change: &Change) -> wire::Change {
    wire::Change {
        app: change.app.clone().unwrap_or_default(),
        key: change.key.clone(),
        class: change_class(change.class).into(),
        from: change.from.clone(),
        to: change.to.clone(),
        why: change.why.unwrap_or_default().to_owned(),
    }
}

pub(super) const fn change_class(class: ChangeClass) -> wire::ChangeClass {
    match class {
        ChangeClass::Live => wire::ChangeClass::Live,
        ChangeClass::Reload => wire::ChangeClass::Reload,
        ChangeClass::Restart => wire::ChangeClass::Restart,
        ChangeClass::Add => wire::ChangeClass::Add,
        ChangeClass::Remove => wire::ChangeClass::Remove,
        ChangeClass::Master => wire::ChangeClass::Master,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use drover_proto::frame::FrameLimit;

    use super::*;
    use crate::ids::{Generation, SlotIndex};
    use crate::machine::exit::{Exit, ExitReason, Usage};
    use crate::machine::fleet::AppStatus;
    use crate::machine::phase::Phase;

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn crashed(app: &str, count: u32) -> Snapshot {
        let exit = Arc::new(Exit {
            reason: ExitReason::AbnormalExit { code: 1 },
            during: Phase::Started,
            at: now(),
            uptime: Duration::from_secs(1),
            usage: Usage::default(),
            // Bytes that are no UTF-8 take three times their place.
            stderr_tail: vec!["\u{fffd}".repeat(400); 20],
            asked_by: None,
            sent: None,
            detail: None,
        });
        let worker = |slot| WorkerStatus {
            role: Role::Occupant,
            id: None,
            slot: SlotIndex(slot),
            generation: Generation(1),
            pid: None,
            phase: Phase::BackingOff,
            since: None,
            restarts: 1,
            next_try: None,
            last_exit: Some(Arc::clone(&exit)),
            status_text: String::new(),
            unready: None,
            in_flight: None,
            gauges: Default::default(),
            waited_for_until: None,
        };
        Snapshot {
            app: app.into(),
            status: AppStatus {
                cron: None,
                phase: Phase::Started,
                desired: count,
                ready: 0,
                generation: Generation(1),
                operation: None,
                queued: None,
                outcome: None,
            },
            workers: (0..count).map(worker).collect(),
            listeners: Vec::new(),
            last_seq: 0,
        }
    }

    #[test]
    fn the_status_of_a_hundred_thousand_crashed_workers_goes_into_frames() {
        let mut parts = StatusParts::new(
            vec![crashed("few", 3), crashed("many", 100_000), crashed("none", 0)],
            Vec::new(),
            now(),
        );
        let mut slots = Vec::new();
        loop {
            let (apps, more) = parts.next_part();
            let reply = wire::StatusReply { apps, ..Default::default() };
            assert!(reply.encoded_len() < FrameLimit::CONTROL.bytes() as usize / 2);
            for app in reply.apps {
                slots.extend(app.workers.iter().map(|worker| (app.name.clone(), worker.slot)));
                if app.workers.is_empty() {
                    slots.push((app.name, 0));
                }
            }
            if !more {
                break;
            }
        }
        let few = (0..3).map(|slot| ("few".to_owned(), slot));
        let many = (0..100_000).map(|slot| ("many".to_owned(), slot));
        let expected: Vec<_> = few.chain(many).chain([("none".to_owned(), 0)]).collect();
        assert!(slots == expected, "{} rows", slots.len());
    }

    #[test]
    fn a_status_without_apps_is_one_answer() {
        assert_eq!(StatusParts::new(Vec::new(), Vec::new(), now()).next_part(), (Vec::new(), false));
    }

    #[test]
    fn a_row_has_the_end_of_the_last_words_and_the_event_has_all() {
        let tail = ["first".to_owned(), "ü".repeat(201), "last".to_owned()];
        assert_eq!(row_lines(&tail), [format!("{}…", "ü".repeat(200)), "last".to_owned()]);
        assert_eq!(row_lines(&tail[..1]), ["first"]);
        let snapshot = crashed("web", 1);
        let ended = snapshot.workers[0].last_exit.clone().unwrap();
        let told = Event {
            seq: 1,
            time: SystemTime::UNIX_EPOCH,
            at: now(),
            app: "web".into(),
            worker: None,
            phase: Phase::Failed,
            kind: EventKind::Exited { exit: Arc::clone(&ended) },
        };
        assert_eq!(event(&told).exit.unwrap().stderr_tail, ended.stderr_tail);
    }

    #[test]
    fn every_class_of_a_change_has_the_same_name_on_the_wire() {
        for ours in ChangeClass::ALL {
            assert_eq!(change_class(ours).name(), ours.name());
        }
    }

    #[test]
    fn every_phase_and_every_role_has_the_same_name_on_the_wire() {
        for ours in Phase::ALL {
            assert_eq!(phase(ours).name(), ours.name());
        }
        for ours in [Role::Occupant, Role::Incoming, Role::Leaving] {
            assert_eq!(role(ours).name(), ours.name());
        }
    }
}
