//! The restart policy as tables.

use crate::signal::Signal;
use std::num::NonZeroU32;

use super::*;
use crate::config::{Backoff, FailureLimit};
use crate::machine::exit::{ExitStatus, KillCause, Usage};
use crate::machine::phase::Phase;
use crate::machine::testing::origin;

fn exit(reason: ExitReason) -> Exit {
    Exit {
        reason,
        during: Phase::Started,
        at: tokio::time::Instant::now().into_std(),
        uptime: Duration::ZERO,
        usage: Usage::default(),
        stderr_tail: Vec::new(),
        asked_by: None,
        sent: None,
        detail: None,
    }
}

fn policy(when: RestartWhen) -> RestartPolicy {
    RestartPolicy {
        when,
        backoff: Backoff { jitter: 0.0, ..Backoff::default() },
        limit: FailureLimit { count: NonZeroU32::new(3).unwrap(), ..FailureLimit::default() },
        fatal_codes: vec![78],
        ..RestartPolicy::default()
    }
}

const FIRST: Decision = Decision::Restart { after: Duration::from_millis(200) };

#[test]
fn every_policy_meets_every_kind_of_exit() {
    use RestartWhen::{Always, Never, OnFailure};
    let code = |code| ExitReason::AbnormalExit { code };
    let signal = ExitReason::ExternalSignal { signal: Signal::KILL, core_dumped: false };
    let killed = ExitReason::KilledByMaster { cause: KillCause::StartDeadline, status: ExitStatus::Code(0) };
    let spawn = ExitReason::SpawnFailed { step: crate::machine::exit::SpawnStep::Exec, errno: 2 };
    let completed = Decision::Leave(LeaveReason::Completed);
    let never = Decision::Leave(LeaveReason::Policy);
    let fatal = Decision::Leave(LeaveReason::FatalCode);
    for (reason, always, on_failure, no) in [
        (ExitReason::NormalExit, FIRST, completed, completed),
        (code(1), FIRST, FIRST, never),
        (code(78), fatal, fatal, fatal),
        (signal, FIRST, FIRST, never),
        (killed, FIRST, FIRST, never),
        (spawn, FIRST, FIRST, never),
    ] {
        for (when, expected) in [(Always, always), (OnFailure, on_failure), (Never, no)] {
            let policy = policy(when);
            let decided = RestartTracker::default().decide(
                origin(),
                &policy,
                &exit(reason),
                is_success(&policy, reason),
                Some(Duration::ZERO),
                &mut fastrand::Rng::with_seed(1),
            );
            assert_eq!(decided, expected, "{when:?} {reason:?}");
        }
    }
}

fn fail(
    tracker: &mut RestartTracker,
    now: Instant,
    ready_for: impl Into<Option<Duration>>,
    policy: &RestartPolicy,
) -> Decision {
    let reason = ExitReason::AbnormalExit { code: 1 };
    tracker.decide(now, policy, &exit(reason), false, ready_for.into(), &mut fastrand::Rng::with_seed(1))
}

#[test]
fn the_circuit_breaks_after_the_count_within_the_window_and_not_for_slower_failures() {
    let policy = policy(RestartWhen::OnFailure);
    let (mut tracker, start) = (RestartTracker::default(), origin());
    for _ in 0..3 {
        assert!(matches!(fail(&mut tracker, start, Duration::ZERO, &policy), Decision::Restart { .. }));
    }
    assert_eq!(fail(&mut tracker, start, Duration::ZERO, &policy), Decision::Leave(LeaveReason::Limit));

    let mut tracker = RestartTracker::default();
    for failure in 0..20 {
        let now = start + Duration::from_secs(101) * failure;
        assert!(matches!(fail(&mut tracker, now, Duration::ZERO, &policy), Decision::Restart { .. }));
    }
}

#[test]
fn a_healthy_time_resets_the_pause_and_the_count() {
    let policy = policy(RestartWhen::OnFailure);
    let (mut tracker, start) = (RestartTracker::default(), origin());
    assert_eq!(fail(&mut tracker, start, Duration::ZERO, &policy), FIRST);
    assert_ne!(fail(&mut tracker, start, Duration::ZERO, &policy), FIRST);
    assert_eq!(fail(&mut tracker, start, policy.reset_after, &policy), FIRST);
}

#[test]
fn the_limit_has_three_outcomes() {
    for (then, expected) in [
        (LimitReached::GiveUp, Decision::Leave(LeaveReason::Limit)),
        (LimitReached::StopApp, Decision::StopApp(LeaveReason::Limit)),
        (LimitReached::StopAll, Decision::StopAll(LeaveReason::Limit)),
    ] {
        let mut policy = policy(RestartWhen::Always);
        policy.limit.then = then;
        let (mut tracker, now) = (RestartTracker::default(), origin());
        let last = (0..4).map(|_| fail(&mut tracker, now, Duration::ZERO, &policy)).last();
        assert_eq!(last, Some(expected));
    }
}

#[test]
fn failed_starts_and_crashes_have_budgets_of_their_own() {
    let mut policy = policy(RestartWhen::Always);
    policy.start_limit = Some(FailureLimit {
        count: NonZeroU32::new(1).unwrap(),
        then: LimitReached::StopApp,
        ..policy.limit.clone()
    });
    let (mut tracker, start) = (RestartTracker::default(), origin());
    // Three crashes leave the budget of failed starts as it is, and the other way round.
    for _ in 0..3 {
        assert!(matches!(fail(&mut tracker, start, Duration::ZERO, &policy), Decision::Restart { .. }));
    }
    assert!(matches!(fail(&mut tracker, start, None, &policy), Decision::Restart { .. }));
    assert_eq!(fail(&mut tracker, start, None, &policy), Decision::StopApp(LeaveReason::StartLimit));
    assert_eq!(fail(&mut tracker, start, Duration::ZERO, &policy), Decision::Leave(LeaveReason::Limit));
    // Without a limit of its own, a start has the numbers of the other.
    policy.start_limit = None;
    let mut tracker = RestartTracker::default();
    for _ in 0..3 {
        assert!(matches!(fail(&mut tracker, start, None, &policy), Decision::Restart { .. }));
    }
    assert_eq!(fail(&mut tracker, start, None, &policy), Decision::Leave(LeaveReason::StartLimit));
}
