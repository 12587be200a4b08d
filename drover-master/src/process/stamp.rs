//! By what a descendant of a worker is known that has left its group and its session: a daemon.
//!
//! Its environment does not tell, since a program that shows a title (nginx, Redis) writes that over it. Limits are inherited by every
//! child, are kept by every exec and change of user, and anybody may read them. One of them limits nothing: that of file locks,
//! which Linux 2.4 had for a while (`getrlimit(2)`, RLIMIT_LOCKS). Its soft value is the stamp.

use std::fs;
use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit};

/// Every stamp has this bit, and no higher one: far from what anybody would limit, and not "unlimited".
const BIT: u64 = 1 << 62;

/// Of one process that was made here, and of all that descend from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stamp(u64);

impl Stamp {
    /// One that no other process has. None where the master's own limit leaves no room for it.
    pub(crate) fn draw() -> Option<Self> {
        (hard()? > BIT * 2).then(|| Self(BIT | fastrand::u64(..BIT)))
    }

    /// As a number, to be written down.
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// The one that was written down as this number.
    pub(crate) const fn numbered(number: u64) -> Self {
        Self(number)
    }

    /// The limit, soft and hard.
    pub(super) fn limit(self) -> Option<(u64, u64)> {
        Some((self.0, hard()?))
    }
}

/// The stamp of a process, if it lives and has one.
pub(super) fn stamp_of(pid: i32) -> Option<Stamp> {
    stamp(&fs::read_to_string(format!("/proc/{pid}/limits")).ok()?)
}

/// Of `proc_pid_limits(5)`, a limit a line: its name, the soft value, the hard one.
fn stamp(limits: &str) -> Option<Stamp> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max file locks"))?;
    let soft = line.split_whitespace().next()?.parse().ok()?;
    (soft & BIT != 0 && soft < BIT * 2).then_some(Stamp(soft))
}

/// The master's own, which the hard one stays at.
fn hard() -> Option<u64> {
    static HARD: OnceLock<Option<u64>> = OnceLock::new();
    *HARD.get_or_init(|| getrlimit(Resource::RLIMIT_LOCKS).ok().map(|(_, hard)| hard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_and_no_limit_that_somebody_has_set_is_one() {
        for (soft, stamp_is_there) in [
            ((BIT | 5).to_string(), true),
            ((BIT * 2).to_string(), false),
            ("1024".to_owned(), false),
            ("unlimited".to_owned(), false),
        ] {
            let limits = format!(
                "Limit    Soft Limit   Hard Limit    Units\nMax open files  7  9  files\nMax file locks  {soft}  unlimited  locks\n"
            );
            assert_eq!(stamp(&limits), stamp_is_there.then_some(Stamp(BIT | 5)), "{soft}");
        }
        assert_eq!(stamp(""), None);
    }

    #[test]
    fn each_stamp_is_another() {
        let Some(one) = Stamp::draw() else { return };
        assert_ne!(Some(one), Stamp::draw());
    }
}
