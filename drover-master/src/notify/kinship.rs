//! Whether a process belongs to a worker, and whether it has exited: what decides who may speak for it.
//!
//! A worker's socket lets in its user alone. That is not enough: many workers run as one user. So the kernel says which process
//! sent a datagram, and `/proc` says whose it is. A process is of a worker's tree if it is in its group or session, or one of its
//! forebears is the worker.
//!
//! A sender that has exited meanwhile can't be looked up any more. `systemd-notify` in a script is gone within a millisecond, so
//! it is let through, if its user is the worker's. systemd's `NotifyAccess=all` has the same race, and refuses there; a
//! script that says READY=1 now and then in vain is the worse end. Later versions wait until they have been heard: those are known
//! by their name.

use std::fs;

/// How far up forebears are looked for. Shells in shells come to five; the bound is against a table that changes while it
/// is read.
const GENERATIONS: usize = 64;

/// What `/proc/PID/stat` says of a process (`proc_pid_stat(5)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ProcessStat {
    parent: u32,
    group: u32,
    session: u32,
}

/// Whether a process is of the tree of the worker with this pid; none, if there is no such process any more.
pub(super) fn is_of_tree(pid: u32, worker: u32) -> Option<bool> {
    if pid == worker {
        return Some(true);
    }
    let mut kin = kin(pid)?;
    if kin.group == worker || kin.session == worker {
        return Some(true);
    }
    for _ in 0..GENERATIONS {
        match kin.parent {
            parent if parent == worker => return Some(true),
            0 | 1 => return Some(false),
            parent => match self::kin(parent) {
                Some(next) => kin = next,
                // It ended just now, and its children have another parent.
                None => return Some(false),
            },
        }
    }
    Some(false)
}

/// Whether a process is a `systemd-notify`, or one that has exited and is not reaped yet.
pub(super) fn is_a_word_of_a_script(pid: u32) -> bool {
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    name_and_state(&stat)
        .is_none_or(|(name, state)| name == b"systemd-notify" || matches!(state, b'Z' | b'X'))
}

/// "pid (name) state …".
fn name_and_state(stat: &[u8]) -> Option<(&[u8], u8)> {
    let begin = stat.iter().position(|byte| *byte == b'(')?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    Some((stat.get(begin + 1..end)?, *stat.get(end + 2)?))
}

/// Whether a process is in this group; no, if there is no such process.
pub(crate) fn is_in_group(pid: u32, group: u32) -> bool {
    kin(pid).is_some_and(|kin| kin.group == group)
}

fn kin(pid: u32) -> Option<ProcessStat> {
    parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// "pid (name) state parent group session …", where the name may hold anything.
fn parse(stat: &[u8]) -> Option<ProcessStat> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
    let mut fields = rest.split_whitespace().skip(1).map(|field| field.parse().ok());
    Some(ProcessStat { parent: fields.next()??, group: fields.next()??, session: fields.next()?? })
}

#[cfg(test)]
mod tests {
    use super::super::sleeper::Sleeper;
    use super::*;

    #[test]
    fn a_name_with_anything_in_it_does_not_mislead() {
        let stat = b"7 (a) R 1 2 3) S 10 11 12 34816 7 4194304";
        assert_eq!(parse(stat), Some(ProcessStat { parent: 10, group: 11, session: 12 }));
        assert_eq!(name_and_state(stat), Some((&b"a) R 1 2 3"[..], b'S')));
        assert_eq!(name_and_state(b"7 (systemd-notify) Z 1"), Some((&b"systemd-notify"[..], b'Z')));
        assert_eq!(parse(b"7 (a"), None);
        assert_eq!(parse(b"7 (a) S"), None);
    }

    #[test]
    fn a_process_is_of_the_tree_of_its_forebears_and_of_no_other() {
        let own = std::process::id();
        let parent = std::os::unix::process::parent_id();
        let child = Sleeper::new();
        let pid = child.pid();
        assert_eq!(is_of_tree(own, own), Some(true));
        assert_eq!(is_of_tree(pid, own), Some(true));
        assert_eq!(is_of_tree(pid, parent), Some(true), "a grandchild");
        assert_eq!(is_of_tree(own, pid), Some(false));
        assert_eq!(is_of_tree(parent, pid), Some(false));
        drop(child);
        assert_eq!(is_of_tree(pid, own), None, "it is gone");
    }
}
