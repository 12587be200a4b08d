//! Deadlines of any number of things, and the one that falls due next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::written::{Plain, Written};

/// A pause that outlives every master; far enough below what an `Instant` holds to be added to.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The time `pause` after `now`. A pause that is meant as "for ever", such as `Duration::MAX`, becomes a hundred years:
/// added as it is, it would overflow.
pub fn after(now: Instant, pause: Duration) -> Instant {
    now + pause.min(FOR_EVER)
}

/// At most one deadline for each key; changing one costs the logarithm of how many there are.
#[derive(Debug)]
pub struct Deadlines<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: BTreeMap<K, Instant>,
}

impl<K: Copy + Ord> Deadlines<K> {
    /// No deadlines.
    pub fn new() -> Self {
        Self { by_time: BTreeSet::new(), by_key: BTreeMap::new() }
    }

    /// Sets, moves or (with `None`) clears the deadline of `key`.
    pub fn set(&mut self, key: K, at: Option<Instant>) {
        if self.by_key.get(&key).copied() == at {
            return;
        }
        if let Some(old) = self.by_key.remove(&key) {
            self.by_time.remove(&(old, key));
        }
        if let Some(at) = at {
            self.by_key.insert(key, at);
            self.by_time.insert((at, key));
        }
    }

    /// Takes out one deadline that is due at `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let &(at, key) = self.by_time.first()?;
        if at > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_key.remove(&key);
        Some(key)
    }

    /// Moves the deadlines of these keys.
    pub fn postpone(&mut self, is_meant: impl Fn(&K) -> bool, by: Duration) {
        let meant: Vec<(K, Instant)> =
            self.by_key.iter().filter(|(key, _)| is_meant(key)).map(|(key, at)| (*key, *at)).collect();
        for (key, at) in meant {
            self.set(key, Some(after(at, by)));
        }
    }

    /// When the next deadline falls due.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

impl<K: Copy + Ord> Default for Deadlines<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Copy + Ord + Plain> Written for Deadlines<K> {
    type Form = Vec<(K, i64)>;

    fn form(&self) -> Self::Form {
        self.by_key.iter().map(|(key, at)| (*key, at.form())).collect()
    }

    fn of_form(form: Self::Form) -> Result<Self, String> {
        let mut new = Self::new();
        for (key, at) in form {
            new.set(key, Some(Instant::of_form(at)?));
        }
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the origin of a simulated clock")]
    fn deadlines_fall_due_in_order_and_can_be_moved_and_cleared() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut deadlines = Deadlines::new();
        deadlines.set('a', Some(at(30)));
        deadlines.set('b', Some(at(10)));
        deadlines.set('c', Some(at(20)));
        deadlines.set('b', Some(at(40)));
        deadlines.set('c', None);
        assert_eq!(deadlines.next(), Some(at(30)));
        deadlines.postpone(|key| *key == 'b', Duration::from_millis(5));
        assert_eq!(deadlines.pop_due(at(29)), None);
        assert_eq!(deadlines.pop_due(at(29)), None);
        assert_eq!(deadlines.pop_due(at(50)), Some('a'));
        assert_eq!(deadlines.pop_due(at(50)), Some('b'));
        assert_eq!(deadlines.pop_due(at(50)), None);
        assert_eq!(deadlines.next(), None);
    }
}
