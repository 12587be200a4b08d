//! Whether a worker still lives, and whether it can take work: asked from outside, try by try.
//!
//! Each of the two questions on its own:
//!
//! ```text
//!         wanted              due              answered: counted, in a row
//!  Off ─────────► Waiting ─────────► Asking ───────────────────────────────► Waiting
//!   ▲                │                  │
//!   └────────────────┴──────────────────┘ not wanted any more
//! ```
//!
//! What enough answers in a row do to the worker:
//!
//! ```text
//!            ready by its own word         readiness passes               readiness fails
//!  Starting ──────────────────────► Checking ────────────────► Started ──────────────────► Started, unready
//!                                                                 │  ▲                            │
//!                                         liveness fails (either) │  └────────────────────────────┘
//!                                                                 ▼         readiness passes
//!                                                        ShuttingDown(Terminated)
//! ```
//!
//! Liveness is wanted of a worker that is started, readiness from the check before it on. Whoever drains, is suspended or leaves is
//! not judged: those have deadlines of their own. Every answer comes within the time of one try, and none is asked before the
//! one before it is answered. A master that was away meanwhile does not know how long an answer took, so its failure counts
//! for nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{DeadlineKind, LinkState, RECONNECT_WITHIN, Worker, WorkerAction, WorkerState};
use crate::config::{HealthCheck, Kind, Protocol};
use crate::machine::deadlines::after;
use crate::machine::exit::KillCause;

/// The pause between two tries of a worker that is about to be ready, if its interval is longer: somebody waits for it.
const WHILE_STARTING: Duration = Duration::from_secs(1);

/// How much an interval may be longer or shorter, so that workers that were started together are not asked together for ever.
const JITTER: f64 = 0.1;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Question {
    /// Does it still live?
    Liveness,
    /// Can it take work?
    Readiness,
}

impl Question {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Liveness, Self::Readiness];
}

/// What is known of a worker by asking.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Health {
    liveness: Tries,
    readiness: Tries,
    last_try: u64,
    /// Why it is unready, though it is started.
    unready: Option<Arc<str>>,
    #[serde(with = "crate::written")]
    chance: fastrand::Rng,
}

/// The tries of one question.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Tries {
    step: CheckStep,
    /// In a row.
    passed: u32,
    /// In a row.
    failed: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
enum CheckStep {
    #[default]
    Off,
    Waiting {
        #[serde(with = "crate::written")]
        until: Instant,
    },
    Asking {
        number: u64,
        /// The master was away since.
        is_void: bool,
    },
}

impl Health {
    pub(super) fn new(chance: fastrand::Rng) -> Self {
        let (liveness, readiness) = (Tries::default(), Tries::default());
        Self { liveness, readiness, last_try: 0, unready: None, chance }
    }

    const fn tries(&mut self, question: Question) -> &mut Tries {
        match question {
            Question::Liveness => &mut self.liveness,
            Question::Readiness => &mut self.readiness,
        }
    }

    pub(super) fn move_by(&mut self, by: Duration) {
        for tries in [&mut self.liveness, &mut self.readiness] {
            match &mut tries.step {
                CheckStep::Off => {}
                CheckStep::Waiting { until } => *until = after(*until, by),
                CheckStep::Asking { is_void, .. } => *is_void = true,
            }
        }
    }

    /// The questions that are not answered yet, and their numbers.
    pub(super) fn under_way(&self) -> Vec<(Question, u64)> {
        let number = |tries: &Tries| match tries.step {
            CheckStep::Asking { number, .. } => Some(number),
            CheckStep::Off | CheckStep::Waiting { .. } => None,
        };
        let [liveness, readiness] = [&self.liveness, &self.readiness].map(number);
        let asked = [(Question::Liveness, liveness), (Question::Readiness, readiness)];
        asked.into_iter().filter_map(|(question, number)| Some((question, number?))).collect()
    }

    pub(super) fn is_asking(&self) -> bool {
        [&self.liveness, &self.readiness].iter().any(|tries| matches!(tries.step, CheckStep::Asking { .. }))
    }

    /// Anywhere within an interval.
    fn within(&mut self, interval: Duration) -> Duration {
        interval.mul_f64(self.chance.f64())
    }

    /// An interval, a little longer or shorter.
    fn about(&mut self, interval: Duration) -> Duration {
        // For ever is for ever; more would overflow.
        let interval = interval.min(Duration::from_secs(u64::from(u32::MAX)));
        interval.mul_f64(1.0 + JITTER * (2.0 * self.chance.f64() - 1.0))
    }
}

impl Worker {
    /// When it has to be told that a try is due.
    pub fn next_try(&self) -> Option<Instant> {
        let until = |tries: &Tries| match tries.step {
            CheckStep::Waiting { until } => Some(until),
            CheckStep::Off | CheckStep::Asking { .. } => None,
        };
        until(&self.health.liveness).into_iter().chain(until(&self.health.readiness)).min()
    }

    /// The number of the try that is asked now, if one is.
    #[cfg(test)]
    pub(in crate::machine) fn try_under_way(&self, question: Question) -> Option<u64> {
        let tries = match question {
            Question::Liveness => &self.health.liveness,
            Question::Readiness => &self.health.readiness,
        };
        match tries.step {
            CheckStep::Asking { number, .. } => Some(number),
            CheckStep::Off | CheckStep::Waiting { .. } => None,
        }
    }

    /// Whether it is started, and has not failed its readiness since.
    pub fn is_ready(&self) -> bool {
        self.state == WorkerState::Started && self.health.unready.is_none()
    }

    /// Why it takes no work though it is started, or what keeps it from that, as far as is known.
    pub fn unready(&self) -> Option<&Arc<str>> {
        match self.state {
            WorkerState::Starting | WorkerState::Checking => self.unready.as_ref(),
            _ => self.health.unready.as_ref(),
        }
    }

    /// It would be ready, if nobody asked.
    pub(super) fn come_up(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        if self.check(Question::Readiness).is_none() {
            return self.become_started(now, out);
        }
        self.enter(WorkerState::Checking, out);
        if !matches!(self.deadline, Some((DeadlineKind::Start, _))) {
            // Its uptime was no limit but the aim, so the limit begins here.
            self.set_deadline(DeadlineKind::Start, after(now, self.spec.start.timeout));
        }
    }

    /// Begins what is to be asked in this state, and ends what is not.
    pub(super) fn follow_health(&mut self, now: Instant) {
        if self.state != WorkerState::Started {
            self.health.unready = None;
        }
        for question in Question::ALL {
            let wanted = match question {
                Question::Liveness => self.state == WorkerState::Started,
                Question::Readiness => matches!(self.state, WorkerState::Started | WorkerState::Checking),
            };
            let check = self.check(question).filter(|_| wanted && !self.is_dead);
            match (
                check.map(|check| (check.initial_delay, check.probe.interval)),
                self.health.tries(question).step,
            ) {
                (Some((delay, interval)), CheckStep::Off) => {
                    let offset = match self.state {
                        WorkerState::Checking => Duration::ZERO,
                        _ => self.health.within(interval),
                    };
                    let until = after(after(now, delay), offset);
                    self.health.tries(question).step = CheckStep::Waiting { until };
                }
                (None, CheckStep::Waiting { .. } | CheckStep::Asking { .. }) => {
                    *self.health.tries(question) = Tries::default();
                }
                (Some(_), CheckStep::Waiting { .. } | CheckStep::Asking { .. }) | (None, CheckStep::Off) => {}
            }
        }
    }

    pub(super) fn try_due(&mut self, now: Instant, out: &mut Vec<WorkerAction>) {
        for question in Question::ALL {
            let number = self.health.last_try + 1;
            let tries = self.health.tries(question);
            if matches!(tries.step, CheckStep::Waiting { until } if until <= now) {
                tries.step = CheckStep::Asking { number, is_void: false };
                self.health.last_try = number;
                out.push(WorkerAction::Ask { question, number });
            }
        }
    }

    pub(super) fn answered(
        &mut self,
        now: Instant,
        (question, number): (Question, u64),
        fault: Option<Arc<str>>,
        out: &mut Vec<WorkerAction>,
    ) {
        let Some(check) = self.check(question).cloned() else { return };
        let tries = self.health.tries(question);
        let is_void = match tries.step {
            CheckStep::Asking { number: asked, is_void } if asked == number => is_void,
            // Nobody waits for it any more.
            CheckStep::Off | CheckStep::Waiting { .. } | CheckStep::Asking { .. } => return,
        };
        match &fault {
            None => (tries.passed, tries.failed) = (tries.passed.saturating_add(1), 0),
            Some(_) if is_void => (tries.passed, tries.failed) = (0, 0),
            Some(_) => (tries.passed, tries.failed) = (0, tries.failed.saturating_add(1)),
        }
        let interval = match self.state {
            WorkerState::Checking => check.probe.interval.min(WHILE_STARTING),
            _ => check.probe.interval,
        };
        let until = after(now, self.health.about(interval));
        self.health.tries(question).step = CheckStep::Waiting { until };
        match question {
            Question::Liveness => self.judge_liveness(now, &check, fault, out),
            Question::Readiness => self.judge_readiness(now, &check, fault, out),
        }
    }

    fn judge_liveness(
        &mut self,
        now: Instant,
        check: &HealthCheck,
        fault: Option<Arc<str>>,
        out: &mut Vec<WorkerAction>,
    ) {
        if self.health.liveness.failed >= check.failures.get() {
            out.push(WorkerAction::ReportDeadline { missed: "it failed its liveness probe" });
            self.trouble = fault;
            self.blame(KillCause::Unhealthy);
            self.terminate(now, out);
        }
    }

    fn judge_readiness(
        &mut self,
        now: Instant,
        check: &HealthCheck,
        fault: Option<Arc<str>>,
        out: &mut Vec<WorkerAction>,
    ) {
        let passes = self.health.readiness.passed >= check.successes.get();
        let fails = self.health.readiness.failed >= check.failures.get();
        match (&self.state, &self.health.unready, fault) {
            (WorkerState::Checking, _, None) if passes => {
                self.become_started(now, out);
                // From here on it is asked at another time than those that became ready with it.
                let until = after(now, self.health.within(check.probe.interval));
                self.health.readiness.step = CheckStep::Waiting { until };
            }
            // Evidence, should its start deadline pass.
            (WorkerState::Checking, _, Some(reason)) => self.unready = Some(reason),
            (WorkerState::Started, None, Some(reason)) if fails => {
                self.health.unready = Some(Arc::clone(&reason));
                out.push(WorkerAction::ReportUnready { reason });
            }
            (WorkerState::Started, Some(_), Some(reason)) => self.health.unready = Some(reason),
            (WorkerState::Started, Some(_), None) if passes => {
                self.health.unready = None;
                out.push(WorkerAction::ReportReadyAgain);
            }
            _ => {}
        }
    }

    /// It was lost while it was checked, which its start deadline bounded until now.
    pub(super) fn wait_for_reconnect(&mut self, now: Instant) {
        if self.spec.protocol == Protocol::Drover
            && self.link == LinkState::Lost
            && self.state == WorkerState::Started
        {
            self.set_deadline(DeadlineKind::Reconnect, now + RECONNECT_WITHIN);
        }
    }

    /// How it is asked this, if it is.
    fn check(&self, question: Question) -> Option<&HealthCheck> {
        let health = &self.spec.health;
        let check = match question {
            Question::Liveness => &health.liveness,
            Question::Readiness => &health.readiness,
        };
        check.as_ref().filter(|_| self.spec.kind == Kind::Service)
    }
}
