//! Who lives of the trees whose main process is gone. No event tells that a tree is empty, so /proc is read: one walk for all
//! who ask, off the runtime's thread, and none while nobody asks.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// After a walk, so many times as long as it took passes before the next one: however many processes there are, it takes a
/// fifth of one CPU at most.
const REST_AFTER_WALK: u32 = 4;

/// The walk may be lost with the runtime of another master in this program; more often is no accident.
const TRIES: usize = 3;

/// A living process of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub pid: i32,
    pub group: i32,
}

/// The living processes of a tree: of the group that the leader led, and of the session, where a shell with job control has
/// made groups of its own. Zombies only wait for their parents. The number of the tree has to be held, by its leader or by a member.
/// As long as one that is `known` lives, it is the whole answer.
///
/// # Errors
///
/// /proc can't be read.
pub(super) async fn members(leader: i32, known: Option<i32>) -> io::Result<Vec<Member>> {
    for _ in 0..TRIES {
        let (answer, answered) = oneshot::channel();
        {
            let mut desk = desk();
            desk.asked.push(Question { leader, known, answer });
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
struct Question {
    leader: i32,
    known: Option<i32>,
    answer: oneshot::Sender<io::Result<Vec<Member>>>,
}

/// One question for each worker whose process has just ended, at most.
#[derive(Debug)]
struct Desk {
    asked: Vec<Question>,
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
                match question.known.and_then(|pid| living(pid, &HashSet::from([question.leader]))) {
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
            // Who has asked meanwhile shares the walk.
            open.append(&mut desk().asked);
            let began = Instant::now();
            let found = walk(&open.iter().map(|question| question.leader).collect());
            let now = Instant::now();
            desk().next_walk = Some(
                now + (now.saturating_duration_since(began) * REST_AFTER_WALK).max(Duration::from_millis(1)),
            );
            for Question { leader, answer, .. } in open {
                let answered = match &found {
                    Ok(found) => Ok(found.get(&leader).cloned().unwrap_or_default()),
                    Err(error) => Err(error.kind().into()),
                };
                let _ = answer.send(answered);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "on the thread of the walk")]
pub(super) fn walk(leaders: &HashSet<i32>) -> io::Result<HashMap<i32, Vec<Member>>> {
    let mut found: HashMap<i32, Vec<Member>> = HashMap::new();
    for process in std::fs::read_dir("/proc")? {
        let Some(pid) = process?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some((leader, member)) = living(pid, leaders) {
            found.entry(leader).or_default().push(member);
        }
    }
    Ok(found)
}

/// The process, if it lives and belongs to the tree of one of these.
fn living(pid: i32, leaders: &HashSet<i32>) -> Option<(i32, Member)> {
    let (is_living, group, session) = placed(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    let leader = [group, session].into_iter().find(|number| leaders.contains(number))?;
    is_living.then_some((leader, Member { pid, group }))
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
