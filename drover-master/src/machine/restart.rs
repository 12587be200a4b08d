//! Whether and when an ended worker is tried again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::backoff;
use super::exit::{Exit, ExitReason};
use crate::config::{FailureLimit, LimitReached, RestartPolicy, RestartWhen};

/// What becomes of a slot whose worker ended without being asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Decision {
    /// Try again after this pause.
    Restart {
        /// The pause; may be zero.
        after: Duration,
    },
    /// Leave the slot empty.
    Leave(LeaveReason),
    /// Shut the app down.
    StopApp(LeaveReason),
    /// Shut the app down, and all others beside it.
    StopAll(LeaveReason),
}

/// Why a slot stays empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum LeaveReason {
    /// The worker ended with a success.
    Completed,
    /// The policy says never.
    Policy,
    /// The exit code says that trying again is useless.
    FatalCode,
    /// Too many failures of workers that had been ready, within the window.
    Limit,
    /// Too many failures of workers that were never ready, within the window.
    StartLimit,
    /// The program's own policy hook said so.
    Hook,
}

impl LeaveReason {
    /// A clause for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Policy => "the restart policy says never",
            Self::FatalCode => "the exit code is one of fatal_codes",
            Self::Limit => "too many failures within the window of restart.limit",
            Self::StartLimit => "too many failed starts within the window of the restart limit",
            Self::Hook => "the policy hook said so",
        }
    }
}

/// The memory of one slot: its recent failures.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct RestartTracker {
    /// Failures after the worker was ready.
    crashes: Budget,
    /// Failures before it was.
    failed_starts: Budget,
    /// Tries since the last healthy time: the exponent of the backoff.
    attempt: u32,
}

/// When recent failures of one kind were: at most `count` of their limit, all within its window.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
struct Budget(#[serde(with = "crate::written")] VecDeque<Instant>);

impl RestartTracker {
    /// What the policy says of this end. `ready_for`: how long the worker had been ready; none if it never was.
    pub fn decide(
        &mut self,
        now: Instant,
        policy: &RestartPolicy,
        exit: &Exit,
        success: bool,
        ready_for: Option<Duration>,
        rng: &mut fastrand::Rng,
    ) -> Decision {
        if ready_for.is_some_and(|time| time >= policy.reset_after) {
            *self = Self::default();
        }
        match policy.when {
            _ if is_fatal(policy, exit.reason) => return Decision::Leave(LeaveReason::FatalCode),
            RestartWhen::OnFailure | RestartWhen::Never if success => {
                return Decision::Leave(LeaveReason::Completed);
            }
            RestartWhen::Never => return Decision::Leave(LeaveReason::Policy),
            RestartWhen::Always | RestartWhen::OnFailure => {}
        }
        let (budget, limit, reason) = match ready_for {
            Some(_) => (&mut self.crashes, &policy.limit, LeaveReason::Limit),
            None => {
                let limit = policy.start_limit.as_ref().unwrap_or(&policy.limit);
                (&mut self.failed_starts, limit, LeaveReason::StartLimit)
            }
        };
        if !success && budget.is_spent(now, limit) {
            return match limit.then {
                LimitReached::GiveUp => Decision::Leave(reason),
                LimitReached::StopApp => Decision::StopApp(reason),
                LimitReached::StopAll => Decision::StopAll(reason),
            };
        }
        let after = backoff::delay(&policy.backoff, self.attempt, rng);
        self.count_try();
        Decision::Restart { after }
    }

    /// Counts a try: one that is not the proposal of [`decide`](Self::decide), which counts its own.
    pub const fn count_try(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
    }

    /// The tries since the last healthy time.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }
}

impl Budget {
    /// Counts a failure, unless there have been as many as may be.
    fn is_spent(&mut self, now: Instant, limit: &FailureLimit) -> bool {
        while self.0.front().is_some_and(|then| now.saturating_duration_since(*then) > limit.within) {
            self.0.pop_front();
        }
        if self.0.len() >= limit.count.get() as usize {
            return true;
        }
        self.0.push_back(now);
        false
    }
}

/// Whether an exit is a success under the policy. Only a code can be one; what a signal ended is none.
pub fn is_success(policy: &RestartPolicy, reason: ExitReason) -> bool {
    match reason {
        ExitReason::NormalExit => policy.success_codes.contains(&0),
        ExitReason::AbnormalExit { code } => policy.success_codes.contains(&code),
        ExitReason::KilledByMaster { .. }
        | ExitReason::ExternalSignal { .. }
        | ExitReason::StatusTaken
        | ExitReason::SpawnFailed { .. } => false,
    }
}

fn is_fatal(policy: &RestartPolicy, reason: ExitReason) -> bool {
    reason.code().is_some_and(|code| policy.fatal_codes.contains(&code))
}

#[cfg(test)]
#[path = "restart_tests.rs"]
mod tests;
