//! Who lives of what workers have started whose main process is gone. No event tells that a tree is empty, so /proc is read: one walk for all
//! who ask, off the runtime's thread, and none while nobody asks.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::stamp::{Stamp, stamp_of};

/// After a walk, this many times as long as it took passes before the next one: however many processes there are, it takes a
/// fifth of one CPU at most.
const REST_AFTER_WALK: u32 = 4;

/// The walk may be lost with the runtime of another master in this program; more often is not an accident.
const TRIES: usize = 3;

/// A living process of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub pid: i32,
    pub tie: Tie,
}

/// What makes a process one of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tie {
    /// The group that the leader led.
    Group,
    /// The session alone: a shell with job control has made a group of its own.
    Session,
    /// Nothing but what it descends from.
    Stamp,
}

/// Which tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct TreeKey {
    /// The number of its group and session. It has to be held, by its leader or by a member.
    pub leader: Option<i32>,
    /// What those are known by that have left both.
    pub stamp: Option<Stamp>,
}

/// The living processes of a tree. Zombies only wait for their parents. As long as one that is `known` lives, it is the whole answer.
///
/// # Errors
///
/// /proc can't be read.
pub(super) async fn members(kin: TreeKey, known: Option<i32>) -> io::Result<Vec<Member>> {
    for _ in 0..TRIES {
        let (answer, answered) = oneshot::channel();
        {
            let mut desk = desk();
            desk.asked.push(CensusQuestion { kin, known, answer });
            if !desk.is_staffed {
                desk.is_staffed = true;
                tokio::task::spawn_blocking({
                    let shift = Shift { is_over: false };
                    move || shift.work()
                });
            }
        }
        if let Ok(found) = answered.await {
            return found;
        }
    }
    Err(io::ErrorKind::Interrupted.into())
}

#[derive(Debug)]
struct CensusQuestion {
    kin: TreeKey,
    known: Option<i32>,
    answer: oneshot::Sender<io::Result<Vec<Member>>>,
}

/// One question for each worker whose process has just ended, at most.
#[derive(Debug)]
struct Desk {
    asked: Vec<CensusQuestion>,
    is_staffed: bool,
    next_walk: Option<Instant>,
}

static DESK: Mutex<Desk> = Mutex::new(Desk { asked: Vec::new(), is_staffed: false, next_walk: None });

fn desk() -> MutexGuard<'static, Desk> {
    DESK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one thread that answers; it leaves when nobody asks.
struct Shift {
    is_over: bool,
}

impl Drop for Shift {
    fn drop(&mut self) {
        // Its runtime is gone before it began: who waits asks again.
        if !self.is_over {
            let mut desk = desk();
            desk.is_staffed = false;
            desk.asked.clear();
        }
    }
}

impl Shift {
    #[expect(
        clippy::disallowed_methods,
        reason = "a pause of a thread of its own, which no simulated clock concerns"
    )]
    fn work(mut self) {
        loop {
            let asked = {
                let mut desk = desk();
                desk.asked.retain(|question| !question.answer.is_closed());
                if desk.asked.is_empty() {
                    desk.is_staffed = false;
                    self.is_over = true;
                    return;
                }
                std::mem::take(&mut desk.asked)
            };
            let mut open = Vec::new();
            for question in asked {
                match question.known.and_then(|pid| Families::of([&question.kin]).member(pid)) {
                    Some((_, known)) => drop(question.answer.send(Ok(vec![known]))),
                    None => open.push(question),
                }
            }
            if open.is_empty() {
                continue;
            }
            if let Some(at) = desk().next_walk {
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
            }
            // Those who have asked meanwhile share the walk.
            open.append(&mut desk().asked);
            let began = Instant::now();
            let mut found = walk(open.iter().map(|question| &question.kin));
            let now = Instant::now();
            desk().next_walk = Some(
                now + (now.saturating_duration_since(began) * REST_AFTER_WALK).max(Duration::from_millis(1)),
            );
            for (at, CensusQuestion { answer, .. }) in open.into_iter().enumerate() {
                let answered = match &mut found {
                    Ok(found) => Ok(std::mem::take(&mut found[at])),
                    Err(error) => Err(error.kind().into()),
                };
                let _ = answer.send(answered);
            }
        }
    }
}

/// Who lives of each of these.
#[expect(clippy::disallowed_methods, reason = "on the thread of the walk")]
pub(super) fn walk<'k>(kins: impl IntoIterator<Item = &'k TreeKey>) -> io::Result<Vec<Vec<Member>>> {
    let families = Families::of(kins);
    let mut found = vec![Vec::new(); families.count];
    for process in std::fs::read_dir("/proc")? {
        let Some(pid) = process?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some((family, member)) = families.member(pid) {
            found[family].push(member);
        }
    }
    Ok(found)
}

/// Trees by what their members are known by.
#[derive(Debug, Default)]
struct Families {
    leaders: HashMap<i32, usize>,
    stamps: HashMap<Stamp, usize>,
    count: usize,
}

impl Families {
    fn of<'k>(kins: impl IntoIterator<Item = &'k TreeKey>) -> Self {
        let mut families = Self::default();
        for kin in kins {
            families.leaders.extend(kin.leader.map(|leader| (leader, families.count)));
            families.stamps.extend(kin.stamp.map(|stamp| (stamp, families.count)));
            families.count += 1;
        }
        families
    }

    /// The process, if it lives and belongs to one of them.
    fn member(&self, pid: i32) -> Option<(usize, Member)> {
        let (is_living, group, session) =
            placed(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        if !is_living {
            return None;
        }
        let led = |number, tie| Some((*self.leaders.get(&number)?, Member { pid, tie }));
        led(group, Tie::Group).or_else(|| led(session, Tie::Session)).or_else(|| {
            // One more file of each process, which only those ask for whose worker has left on its own.
            let stamp = if self.stamps.is_empty() { None } else { stamp_of(pid) };
            Some((*self.stamps.get(&stamp?)?, Member { pid, tie: Tie::Stamp }))
        })
    }
}

/// Whether a process is of this session, now.
pub(super) fn is_in_session(pid: i32, session: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    placed(&stat).is_some_and(|(_, _, its)| its == session)
}

/// Whether it lives, its group and its session, of "pid (name) state parent group session …", where the name may hold anything
/// (`proc_pid_stat(5)`).
fn placed(stat: &str) -> Option<(bool, i32, i32)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let is_living = !matches!(fields.next()?, "Z" | "X");
    let group = fields.nth(1)?.parse().ok()?;
    Some((is_living, group, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        for (stat, read) in [
            ("7 (sh) S 1 5 4 0", Some((true, 5, 4))),
            ("7 (a) Z 1 (b)) R 1 5 4 0", Some((true, 5, 4))),
            ("7 (sh) Z 1 5 4 0", Some((false, 5, 4))),
            ("7 (sh) S 1 5", None),
            ("", None),
        ] {
            assert_eq!(placed(stat), read, "{stat}");
        }
    }
}
