//! An app that runs by a schedule: one slot, in which there is a worker while a run is under way.
//!
//! ```text
//!             due, or asked for                 process is made                  it ends
//!  Scheduled ───────────────────► Queued ───────────────────────► Occupied ───────────────► Scheduled
//!      ▲                            ▲                                 │                          │ one waits (queue)
//!      │ resumed                    └───────── it is gone ◄───────────┤ replaced                 ▼
//!     Held ◄──────── stopped or suspended, with the end of the run ◄──┘                        Queued
//! ```
//!
//! The restart policy has no say: a run that fails is over. What is due is found by a [`Timetable`], which there is while the
//! schedule is on: while the app runs, and its slot is neither stopped nor suspended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::operation::SlotsGoal;
use super::run::{CronStatus, Run, RunFate, SkipReason};
use super::slot::AfterExit;
use super::{EventKind, Fleet, Release, SlotState, StartFailure, Verdict};
use crate::config::{Kind, Overlap};
use crate::ids::{SlotIndex, TicketId, WorkerId};
use crate::machine::exit::Exit;
use crate::machine::gate::{Doing, SlotRequest};
use crate::machine::timetable::{DueRun, Timetable};
use crate::machine::worker::WorkerInput;

/// How many runs are remembered, with those that were skipped. A day of hourly ones; at some 400 bytes each it costs little.
const HISTORY: usize = 24;

/// A run that begins later than this after it was due makes up for one that was missed: the finest schedule has a minute.
const LATE: Duration = Duration::from_secs(60);

/// Clocks are set all the time by less; nobody has to be told.
const STEP: Duration = Duration::from_secs(1);

/// The one place of such an app.
const SLOT: SlotIndex = SlotIndex(0);

/// Who asks for the end of a run that is replaced.
const REPLACED: &str = "its schedule (overlap = \"replace\")";

/// Why a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum RunCause {
    /// It was due then, so long ago.
    Due {
        #[serde(with = "crate::written")]
        at: SystemTime,
        late: Duration,
    },
    /// Somebody asked for it.
    Asked,
}

/// What an app knows that runs by a schedule.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Agenda {
    /// What the wall clock showed when it was last looked at.
    #[serde(default, with = "crate::written")]
    clock: Option<(Instant, SystemTime)>,
    timetable: Option<Timetable>,
    /// Why the run begins that waits for its process.
    cause: Option<RunCause>,
    /// When the run was due that waits for the end of the one under way.
    #[serde(default, with = "crate::written")]
    waiting: Option<SystemTime>,
    runs: u64,
    failed: u64,
    skipped: u64,
    history: VecDeque<Run>,
}

impl Agenda {
    fn wall(&self, now: Instant) -> Option<SystemTime> {
        let (then, wall) = self.clock?;
        wall.checked_add(now.saturating_duration_since(then))
    }

    fn remember(&mut self, run: Run) {
        // What is skipped again and again for one reason is one line.
        let reason_of = |run: &Run| match run.fate {
            RunFate::Skipped { reason, .. } => Some(reason),
            RunFate::UnderWay { .. } | RunFate::Ended { .. } => None,
        };
        if let (Some(last), RunFate::Skipped { reason, count }) = (self.history.back_mut(), &run.fate)
            && reason_of(last) == Some(*reason)
            && let RunFate::Skipped { count: before, .. } = &mut last.fate
        {
            (*before, last.due) = (*before + count, run.due);
            return;
        }
        if self.history.len() == HISTORY {
            // The one under way stays.
            let is_over = |run: &Run| !matches!(run.fate, RunFate::UnderWay { .. });
            let oldest = self.history.iter().position(is_over).unwrap_or(0);
            self.history.remove(oldest);
        }
        self.history.push_back(run);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timetable.as_ref()?.deadline()
    }
}

impl Fleet {
    /// Whether it runs by a schedule, so that it has to be told what the wall clock shows.
    pub fn is_cron(&self) -> bool {
        self.current.spec.kind == Kind::Cron
    }

    /// When it has to be told again, by the wall clock; and whenever that is set.
    pub fn wall_deadline(&self) -> Option<SystemTime> {
        self.agenda.timetable.as_ref()?.wall_deadline()
    }

    /// How it stands, if it runs by a schedule.
    pub(super) fn cron_status(&self) -> Option<CronStatus> {
        let agenda = &self.agenda;
        let next = || {
            let (now, wall) = agenda.clock?;
            agenda.timetable.as_ref()?.next(now, wall)
        };
        let cron = &self.current.spec.cron;
        self.is_cron().then(|| CronStatus {
            schedule: cron.schedule.as_ref().map(ToString::to_string).unwrap_or_default(),
            timezone: cron.timezone.name().to_owned(),
            next: next(),
            waiting: agenda.waiting,
            runs: agenda.runs,
            failed: agenda.failed,
            skipped: agenda.skipped,
            history: agenda.history.iter().cloned().collect(),
        })
    }

    /// Whether its schedule is on, or a run is under way: it is in order then, though nothing may be there.
    pub(super) fn is_on_schedule(&self) -> bool {
        let is_in_order =
            |state| matches!(state, SlotState::Scheduled | SlotState::Queued | SlotState::Occupied(_));
        self.doing == Doing::Started && self.slots.first().is_some_and(|slot| is_in_order(slot.state))
    }

    pub(super) fn clock_read(&mut self, now: Instant, wall: SystemTime) {
        let expected = self.agenda.wall(now);
        self.agenda.clock = Some((now, wall));
        if let Some(by) = expected.and_then(|expected| expected.duration_since(wall).ok())
            && by > STEP
            && self.agenda.timetable.is_some()
        {
            self.publish_app(EventKind::ClockSetBack { by });
        }
    }

    /// Begins what is due; after each input.
    pub(super) fn keep_schedule(&mut self, now: Instant) {
        let is_on = self.is_cron() && self.is_on_schedule() && !self.slots[0].suspended;
        let Some(wall) = self.agenda.wall(now).filter(|_| is_on) else {
            (self.agenda.timetable, self.agenda.waiting) = (None, None);
            return;
        };
        let spec = Arc::clone(&self.current.spec);
        let kept = self.agenda.timetable.take().filter(|timetable| timetable.is_by(&spec.cron));
        let mut timetable = kept.unwrap_or_else(|| Timetable::new(&spec.cron, now, wall));
        let due = timetable.look(now, wall);
        self.agenda.timetable = Some(timetable);
        if let Some(due) = due {
            self.run_due(now, due);
        }
    }

    fn run_due(&mut self, now: Instant, DueRun { at, late, missed }: DueRun) {
        let cron = &self.current.spec.cron;
        let (overlap, is_too_late) = (cron.overlap, late > LATE && !cron.catch_up);
        let missed = missed + u64::from(is_too_late);
        if missed > 0 {
            self.skip(at, SkipReason::Missed, missed);
        }
        if is_too_late {
            return;
        }
        let slot = &self.slots[0];
        match (slot.state, slot.after_exit, overlap) {
            (SlotState::Scheduled, ..) => self.begin_run(RunCause::Due { at, late }),
            (SlotState::Occupied(_), Some(AfterExit::Refill), Overlap::Skip | Overlap::Replace) => {
                self.skip(at, SkipReason::Stopping, 1);
            }
            (SlotState::Occupied(id), None, Overlap::Replace) => {
                self.agenda.cause = Some(RunCause::Due { at, late });
                self.slot_mut(SLOT).after_exit = Some(AfterExit::Refill);
                self.worker_input(now, id, WorkerInput::ShutdownAsked { by: REPLACED.into() });
            }
            (_, _, Overlap::Queue) if self.agenda.waiting.is_none() => self.agenda.waiting = Some(at),
            (_, _, Overlap::Queue) => self.skip(at, SkipReason::Waiting, 1),
            (_, _, Overlap::Skip | Overlap::Replace) => self.skip(at, SkipReason::UnderWay, 1),
        }
    }

    fn skip(&mut self, due: SystemTime, reason: SkipReason, count: u64) {
        self.agenda.skipped += count;
        self.agenda.remember(Run { due: Some(due), fate: RunFate::Skipped { reason, count } });
        let due = self.shown_time(due);
        self.publish_app(EventKind::RunSkipped { due, reason, count });
    }

    fn shown_time(&self, time: SystemTime) -> Arc<str> {
        self.current.spec.cron.timezone.shown(time).into()
    }

    fn begin_run(&mut self, cause: RunCause) {
        self.agenda.cause = Some(cause);
        self.leave_queue(SLOT);
        self.enqueue(SLOT);
    }

    /// Its schedule is on, and nothing is under way.
    pub(super) fn schedule(&mut self, slot: SlotIndex) {
        self.leave_queue(slot);
        self.slot_mut(slot).state = SlotState::Scheduled;
        self.counts.scheduled += 1;
    }

    /// A run has a worker, whose process is being made.
    pub(super) fn run_began(&mut self, now: Instant, id: WorkerId) {
        let Some(began) = self.agenda.wall(now) else { return };
        self.agenda.runs += 1;
        let (number, cause) = (self.agenda.runs, self.agenda.cause.take().unwrap_or(RunCause::Asked));
        let (due, late) = match cause {
            RunCause::Due { at, late } => (Some(at), late),
            RunCause::Asked => (None, Duration::ZERO),
        };
        self.agenda.remember(Run { due, fate: RunFate::UnderWay { number, began } });
        let due = due.map(|due| self.shown_time(due));
        let late = Some(late).filter(|late| *late > LATE);
        let phase = self.phase_of(id);
        self.publish_worker(id, phase, EventKind::RunStarted { number, due, late });
    }

    /// Writes down how the run ended.
    pub(super) fn run_ended(&mut self, now: Instant, exit: &Arc<Exit>, as_wished: bool) {
        let wall = self.agenda.wall(now);
        let under_way = |run: &&mut Run| matches!(run.fate, RunFate::UnderWay { .. });
        let Some(run) = self.agenda.history.iter_mut().rev().find(under_way) else { return };
        let RunFate::UnderWay { number, began } = run.fate else { return };
        let ended = wall.map_or(began, |wall| wall.max(began));
        run.fate = RunFate::Ended { number, began, ended, exit: Arc::clone(exit), as_wished };
        self.agenda.failed += u64::from(!as_wished);
    }

    /// What follows a run that ended by itself.
    pub(super) fn after_run(&mut self, failure: &StartFailure, as_wished: bool) {
        match self.agenda.waiting.take() {
            Some(at) => {
                let late = self.agenda.clock.and_then(|(_, wall)| wall.duration_since(at).ok());
                self.begin_run(RunCause::Due { at, late: late.unwrap_or_default() });
            }
            None => self.schedule(SLOT),
        }
        if as_wished {
            self.slot_filled(SLOT);
        } else {
            self.slot_failed(failure);
        }
    }

    /// Its schedule is held; the run under way goes on to its end.
    pub(super) fn suspend_schedule(&mut self, by: &Arc<str>) {
        self.slot_mut(SLOT).suspended = true;
        if !matches!(self.slots[0].state, SlotState::Occupied(_)) {
            self.leave_queue(SLOT);
            self.hold(SLOT);
        }
        self.publish_app(EventKind::Suspended { by: Arc::clone(by) });
        self.slot_suspended(SLOT);
    }

    /// It is on again, and no run begins before it is due; whoever waits for that has it.
    pub(super) fn resume_schedule(&mut self, by: &Arc<str>) {
        self.interrupt_suspension(SLOT, by);
        if !matches!(self.slots[0].state, SlotState::Occupied(_)) {
            self.schedule(SLOT);
        }
        self.publish_app(EventKind::Resumed { by: Arc::clone(by) });
        let wants_it = [SlotRequest::Resume, SlotRequest::Start].map(SlotsGoal::Slots);
        self.slot_done(SLOT, |wanted| wants_it.contains(wanted));
    }

    /// The next run is by another description; the one under way goes on by its own.
    pub(super) fn take_description(&mut self, ticket: TicketId, release: Release, by: &Arc<str>) {
        let (from, to) = (self.current.generation, release.generation);
        self.publish_app(EventKind::ReloadStarted { from, to, by: Arc::clone(by) });
        self.current = release;
        self.slot_mut(SLOT).release = self.current.clone();
        self.publish_app(EventKind::Committed { generation: to });
        self.answer(ticket, Verdict::Done);
    }
}
