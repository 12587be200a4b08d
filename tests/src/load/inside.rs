//! Which lost requests were inside a worker that was killed: those whose connection it had taken. Of the others none may be
//! lost, those that wait in the listener's queue among them.

use std::fmt;

use super::notes::Accept;
use super::tally::{Failure, Fault};

/// Lost requests, by where they were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inside<'a> {
    /// On connections that a killed worker had taken.
    pub killed: Vec<&'a Failure>,
    /// On connections that broke and that nobody has noted. A worker that is killed between its `accept4` and its note leaves
    /// one at most.
    pub unknown: Vec<&'a Failure>,
    /// All others: on connections that another worker had taken, or lost in a way that the end of a process does not explain.
    pub elsewhere: Vec<&'a Failure>,
}

impl<'a> Inside<'a> {
    /// Sorts them, by who took which connection and who was killed.
    pub fn of(failures: &'a [Failure], accepts: &[Accept], killed: &[u32]) -> Self {
        let mut inside = Self::default();
        for failure in failures {
            let broke = matches!(failure.fault, Fault::Reset | Fault::Truncated);
            match taker(failure, accepts) {
                Some(pid) if broke && killed.contains(&pid) => inside.killed.push(failure),
                None if broke => inside.unknown.push(failure),
                _ => inside.elsewhere.push(failure),
            }
        }
        inside
    }
}

impl fmt::Display for Inside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { killed, unknown, elsewhere } = self;
        write!(f, "{} inside those that were killed", killed.len())?;
        for (where_, failures) in [("in no worker", unknown), ("elsewhere", elsewhere)] {
            for failure in failures.iter().take(10) {
                write!(f, "\n  {where_}: {failure}")?;
            }
        }
        Ok(())
    }
}

/// Who took the connection on which a request failed. Its port is used again and again: it was the last one before that.
fn taker(failure: &Failure, accepts: &[Accept]) -> Option<u32> {
    let began = failure.when.checked_sub(failure.took)?;
    let of_it =
        accepts.iter().filter(|accept| Some(accept.port) == failure.port && accept.when <= failure.when);
    let last = of_it.max_by_key(|accept| accept.when)?;
    // A kept connection is older than the request on it; then the worker is known from an answer before.
    (last.when >= began || failure.pid == Some(last.pid)).then_some(last.pid)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::load::client::Kind;
    use crate::load::tally::Stage;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn failure(port: u16, from: u64, to: u64, pid: Option<u32>) -> Failure {
        Failure {
            kind: Kind::Once,
            fault: Fault::Reset,
            stage: Stage::Waiting,
            port: Some(port),
            pid,
            when: SystemTime::UNIX_EPOCH + at(to),
            took: at(to - from),
        }
    }

    fn accept(pid: u32, port: u16, when: u64) -> Accept {
        Accept { pid, port, when: SystemTime::UNIX_EPOCH + at(when) }
    }

    #[test]
    fn the_last_who_took_the_connection_before_it_failed_has_it() {
        let accepts = [accept(1, 80, 10), accept(2, 80, 50), accept(3, 80, 90)];
        let [of_one, of_two] = [failure(80, 5, 20, None), failure(80, 45, 60, None)];
        let failures = [of_one.clone(), of_two.clone()];
        let inside = Inside::of(&failures, &accepts, &[2]);
        assert_eq!((inside.killed, inside.elsewhere, inside.unknown), (vec![&of_two], vec![&of_one], vec![]));
    }

    #[test]
    fn a_connection_that_nobody_took_is_unknown_even_if_its_port_was_used_before() {
        let failures = [failure(80, 45, 60, None), failure(81, 45, 60, None)];
        let inside = Inside::of(&failures, &[accept(1, 80, 10)], &[1]);
        assert_eq!((inside.unknown.len(), inside.killed.len()), (2, 0));
    }

    #[test]
    fn a_refusal_is_no_consequence_of_a_kill() {
        let refused = Failure { fault: Fault::Refused, port: None, ..failure(80, 45, 60, None) };
        let timed_out = Failure { fault: Fault::TimedOut, ..failure(80, 5, 60, None) };
        let failures = [refused, timed_out];
        assert_eq!(Inside::of(&failures, &[accept(1, 80, 10)], &[1]).elsewhere.len(), 2);
    }

    #[test]
    fn a_kept_connection_belongs_to_who_answered_on_it_before() {
        let failures = [failure(80, 45, 60, Some(1))];
        assert_eq!(Inside::of(&failures, &[accept(1, 80, 10)], &[1]).killed.len(), 1);
    }
}
