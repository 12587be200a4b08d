//! What a master that was killed has left, ended before the next one of its line starts anything.
//!
//! Workers of the protocol drain and leave on their own, the first process of others is killed by the kernel with its master
//! (`PR_SET_PDEATHSIG`); what those have started lives on, answers the probes of the next master and holds its ports. So every
//! worker bears a mark in its environment, which its children inherit: the line of its master, and which process that was.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::sys::{pidfd_open, pidfd_signal};

/// Where the mark is. A master that is put into the background has to let go of one that it has inherited.
pub(crate) const MARK: &str = "DROVER_MASTER";

/// How often to look for what was started meanwhile; the end of one that is known is seen at once.
const LOOK_AGAIN_MS: u8 = 200;

/// How long what was killed may take to be gone; longer takes only what hangs in the kernel.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// What the workers of this process bear if it is a master of this line: `LINE:NAMESPACE:PID:START`. The pid alone does not tell
/// a process from a later one, nor from one of a container.
///
/// Under a keeper it is that one's, which is there as long as its masters follow each other.
pub(crate) fn mark(line: &str, is_kept: bool) -> io::Result<Arc<str>> {
    let pid = if is_kept { std::os::unix::process::parent_id() } else { std::process::id() };
    let start = stat_of(pid.cast_signed()).ok_or(io::ErrorKind::Unsupported)?.start;
    Ok(format!("{line}:{}:{pid}:{start}", namespace()?).into())
}

/// Ends what masters of this line that are dead have left, the parents first: they may know how to end their children. What is
/// left after the time given is killed. Blocks its thread.
pub(crate) fn end_remnants(line: &str, time: Duration) -> io::Result<()> {
    let mut search = Search::of(line)?;
    let mut held: HashMap<i32, EndingProcess> = HashMap::new();
    let began = now();
    loop {
        let found = search.remnants()?;
        held.retain(|pid, _| found.contains_key(pid));
        if found.is_empty() {
            return Ok(());
        }
        let (is_over, is_hopeless) = (began.elapsed() >= time, began.elapsed() >= time + GONE_WITHIN);
        if is_hopeless {
            let pids: Vec<i32> = found.keys().copied().collect();
            tracing::error!(target: "drover::predecessor", ?pids, "processes of a master that was killed do not end; going on beside them");
            return Ok(());
        }
        for (pid, process) in &found {
            let has_parent = found.contains_key(&process.parent);
            if is_over || !has_parent {
                let signal = if is_over { libc::SIGKILL } else { libc::SIGTERM };
                search.tell(&mut held, *pid, process, signal);
            }
        }
        await_an_end(&held);
    }
}

/// A process that was told to end.
#[derive(Debug)]
struct EndingProcess {
    pidfd: OwnedFd,
    told: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stat {
    name: String,
    is_living: bool,
    parent: i32,
    session: i32,
    start: u64,
}

#[derive(Debug)]
struct Search<'l> {
    line: &'l str,
    namespace: u64,
    /// This process and those above it, which started what looks here.
    own: HashSet<i32>,
    own_session: i32,
    /// Sessions in which a marked process was found, and when that session's first process was started, if it lived. Whoever is in
    /// one is found even when the marked ones are gone: a program may clear its environment.
    sessions: HashMap<i32, Option<u64>>,
}

impl<'l> Search<'l> {
    fn of(line: &'l str) -> io::Result<Self> {
        let mut own = HashSet::new();
        let mut pid = std::process::id().cast_signed();
        let own_session = stat_of(pid).ok_or(io::ErrorKind::Unsupported)?.session;
        while own.insert(pid) {
            match stat_of(pid) {
                Some(stat) if stat.parent > 0 => pid = stat.parent,
                _ => break,
            }
        }
        Ok(Self { line, namespace: namespace()?, own, own_session, sessions: HashMap::new() })
    }

    /// Every process that bears the mark of a dead master of the line, and who is or was in a session with one.
    #[expect(clippy::disallowed_methods, reason = "on a thread of its own")]
    fn remnants(&mut self) -> io::Result<HashMap<i32, Stat>> {
        let mut living = HashMap::new();
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if let Some(stat) = stat_of(pid).filter(|stat| stat.is_living && !self.own.contains(&pid)) {
                living.insert(pid, stat);
            }
        }
        let marked: HashSet<i32> = living.keys().copied().filter(|pid| self.is_marked(*pid)).collect();
        for session in marked.iter().map(|pid| living[pid].session) {
            if session > 0 && session != self.own_session {
                self.sessions.entry(session).or_insert_with(|| living.get(&session).map(|first| first.start));
            }
        }
        // One whose first process is another than it was has gone, and its number was given anew.
        self.sessions.retain(|session, start| {
            living.get(session).is_none_or(|first| start.is_some_and(|start| start == first.start))
        });
        living.retain(|pid, stat| marked.contains(pid) || self.sessions.contains_key(&stat.session));
        Ok(living)
    }

    /// Whether it bears the mark of a dead master of the line. Who may not read that may not signal it either.
    fn is_marked(&self, pid: i32) -> bool {
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
        let mut variables = environment.split(|byte| *byte == 0);
        let value = variables.find_map(|variable| variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="));
        value.is_some_and(|value| self.is_of_a_dead_master(value))
    }

    fn is_of_a_dead_master(&self, mark: &[u8]) -> bool {
        let Some((namespace, pid, start)) = parse(mark, self.line) else { return false };
        let is_alive = || stat_of(pid).is_some_and(|stat| stat.is_living && stat.start == start);
        namespace == self.namespace && !is_alive()
    }

    /// Signals a process once, named so that no later one of its number is meant.
    fn tell(&self, held: &mut HashMap<i32, EndingProcess>, pid: i32, process: &Stat, signal: i32) {
        let is_new = !held.contains_key(&pid);
        if is_new {
            let Ok(pidfd) = pidfd_open(pid) else { return };
            // The descriptor is of the process that was found, if that lives still.
            if stat_of(pid).is_none_or(|stat| stat.start != process.start) {
                return;
            }
            held.insert(pid, EndingProcess { pidfd, told: 0 });
            tracing::warn!(
                target: "drover::predecessor",
                "ending `{}` (pid {pid}), which a master of {} that was killed has left",
                process.name,
                self.line,
            );
        }
        let Some(held) = held.get_mut(&pid).filter(|held| held.told != signal) else { return };
        held.told = signal;
        if let Err(error) = pidfd_signal(held.pidfd.as_fd(), signal) {
            tracing::warn!(target: "drover::predecessor", pid, %error, "can't be told to end");
        }
        // One that is stopped takes nothing but SIGKILL.
        let _ = pidfd_signal(held.pidfd.as_fd(), libc::SIGCONT);
    }
}

/// A pidfd is readable once its process has ended (`pidfd_open(2)`).
fn await_an_end(held: &HashMap<i32, EndingProcess>) {
    let mut ends: Vec<PollFd<'_>> =
        held.values().map(|held| PollFd::new(held.pidfd.as_fd(), PollFlags::POLLIN)).collect();
    // Interrupted: looked again a moment sooner.
    let _ = poll(&mut ends, PollTimeout::from(LOOK_AGAIN_MS));
}

#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own waits for real processes, which no simulated clock concerns"
)]
fn now() -> Instant {
    Instant::now()
}

/// The namespace of pids that this process is in; another one numbers its processes anew (`pid_namespaces(7)`).
fn namespace() -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(fs::metadata("/proc/self/ns/pid")?.ino())
}

/// Namespace, pid and start of the master that a mark tells of, if it is one of this line.
fn parse(mark: &[u8], line: &str) -> Option<(u64, i32, u64)> {
    let rest = mark.strip_prefix(line.as_bytes())?.strip_prefix(b":")?;
    let mut numbers = OsStr::from_bytes(rest).to_str()?.split(':');
    let parsed =
        (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    numbers.next().is_none().then_some(parsed)
}

/// When a process began, in ticks since the boot; none if there is none.
pub(crate) fn started_at(pid: u32) -> Option<u64> {
    stat_of(pid.cast_signed()).map(|stat| stat.start)
}

fn stat_of(pid: i32) -> Option<Stat> {
    stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Of "pid (name) state parent group session …", where the name may hold anything; the start is the 22nd (`proc_pid_stat(5)`).
fn stat(text: &str) -> Option<Stat> {
    let (head, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Stat {
        name: head.split_once('(')?.1.to_owned(),
        is_living: !matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    #[test]
    fn a_mark_tells_of_one_process_of_one_line() {
        let read = |mark: &str| parse(mark.as_bytes(), "/srv/a:b/drover.toml");
        assert_eq!(read("/srv/a:b/drover.toml:40:7:99"), Some((40, 7, 99)));
        for other in [
            "/srv/a:b/drover.toml",
            "/srv/a/drover.toml:40:7:99",
            "/srv/a:b/drover.toml:40:7",
            "/srv/a:b/drover.toml:40:7:9:9",
            "",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let rest = "7 5 4 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123 9 9";
        let read = stat(&format!("7 (a) Z 1 (b)) S {rest}")).unwrap();
        let name = "a) Z 1 (b)".to_owned();
        assert_eq!(read, Stat { name, is_living: true, parent: 7, session: 4, start: 123 });
        assert!(!stat(&format!("7 (sh) Z {rest}")).unwrap().is_living);
        assert_eq!(stat("7 (sh) S 1 5 4"), None);
    }

    /// A process that bears a mark, in a session of its own.
    fn marked(script: &str, mark: &str) -> Child {
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", script]).env(MARK, mark).stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().unwrap()
    }

    #[test]
    fn what_dead_masters_of_the_line_have_left_is_ended_and_nobody_else() {
        use std::io::{BufRead, BufReader, Read};

        let own = mark("line", false).unwrap();
        // This process lives, the one that started a second earlier with its number does not.
        let (head, start) = own.rsplit_once(':').unwrap();
        let dead = format!("{head}:{}", start.parse::<u64>().unwrap() - 1);
        let deaf = "trap '' TERM; echo; exec sleep 600";
        let polite = "echo; exec sleep 600";
        // Its child has no mark, and is still there when it is gone itself.
        let bare = "env -i sh -c 'echo $$; exec sleep 600' & wait";
        let mut left: Vec<Child> =
            [deaf, polite, bare].into_iter().map(|script| marked(script, &dead)).collect();
        let other = dead.replacen("line", "other", 1);
        let mut others: Vec<Child> = [&own, &*other].into_iter().map(|mark| marked(polite, mark)).collect();
        let mut unmarked = String::new();
        let spoken = BufReader::new(left[2].stdout.as_mut().unwrap()).read_line(&mut unmarked);
        assert!(spoken.unwrap() > 1, "its pid");
        for child in left[..2].iter_mut().chain(&mut others) {
            child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        }
        end_remnants("line", Duration::from_millis(300)).unwrap();
        assert_eq!(Search::of("line").unwrap().remnants().unwrap(), HashMap::new());
        let is_left = stat_of(unmarked.trim().parse().unwrap())
            .is_some_and(|stat| stat.name == "sleep" && stat.is_living);
        assert!(!is_left, "the one without a mark");
        for child in &mut others {
            assert_eq!(child.try_wait().unwrap(), None, "another's was ended");
            child.kill().unwrap();
        }
        for mut child in left.into_iter().chain(others) {
            #[expect(clippy::disallowed_methods, reason = "children of this test, which no spawner owns")]
            child.wait().unwrap();
        }
    }
}
