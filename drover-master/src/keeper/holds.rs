//! What a master has its keeper hold, by name, so that it is there for the next master.
//!
//! Whoever opens something asks first whether an earlier master had it: [`take`](Holds::take), or else open; then [`hold`](Holds::hold).

use std::collections::HashMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::cells::Cells;
use super::link::KeeperLink;
use super::message::{KeeperRequest, MAX_NAME};
use super::surroundings::monotonic;
use super::tallies::Tallies;
use crate::sys::PidCell;

/// What is held for this master. The default has no keeper: it holds nothing and has nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holds(Option<Arc<HeldShared>>);

#[derive(Debug)]
struct HeldShared {
    keeper: Arc<KeeperLink>,
    /// What an earlier master had, and this one has not taken yet.
    left: Mutex<HashMap<String, OwnedFd>>,
    /// What is let go of from now on stays held: another master goes on with it.
    stays: AtomicBool,
    /// How many have not taken yet what is theirs.
    takers: AtomicUsize,
    cells: Mutex<Cells>,
    tallies: OnceLock<Tallies>,
    /// The newest hold of each name, by its number: what is held anew is not let go of with what was held before.
    newest: Mutex<(u64, HashMap<String, u64>)>,
    /// When the master before this one died, by the monotonic clock.
    died: Option<Duration>,
}

impl HeldShared {
    fn newest(&self) -> MutexGuard<'_, (u64, HashMap<String, u64>)> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cells(&self) -> MutexGuard<'_, Cells> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holds {
    pub(super) fn new(
        keeper: Arc<KeeperLink>,
        left: HashMap<String, OwnedFd>,
        died: Option<Duration>,
    ) -> Self {
        let (left, stays, cells) = (Mutex::new(left), AtomicBool::new(false), Mutex::default());
        Self(Some(Arc::new(HeldShared {
            keeper,
            left,
            stays,
            cells,
            tallies: OnceLock::new(),
            newest: Mutex::default(),
            takers: AtomicUsize::new(0),
            died,
        })))
    }

    /// What an earlier master had its keeper hold under this name. Of that the keeper has a duplicate still, until this one
    /// [holds](Self::hold) it again and lets go, or [forgets](Self::forget_rest) the rest.
    pub(crate) fn take(&self, name: &str) -> Option<OwnedFd> {
        self.0.as_ref()?.left.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// Whether an earlier master had its keeper hold something under this name, which nobody has taken yet.
    pub(crate) fn has_left(&self, name: &str) -> bool {
        let left = |shared: &Arc<HeldShared>| {
            shared.left.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
        };
        self.0.as_ref().is_some_and(left)
    }

    /// The same of all names that begin like this, with what follows in them.
    pub(crate) fn take_all(&self, prefix: &str) -> Vec<(String, OwnedFd)> {
        let Some(shared) = &self.0 else { return Vec::new() };
        let mut left = shared.left.lock().unwrap_or_else(PoisonError::into_inner);
        let found = left.extract_if(|name, _| name.starts_with(prefix));
        found.map(|(name, fd)| (name[prefix.len()..].to_owned(), fd)).collect()
    }

    /// Has the keeper hold a duplicate until the answer is dropped; a master that is killed drops nothing. What had the name before is
    /// let go of. Never waits.
    pub(crate) fn hold(&self, name: impl Into<String>, fd: BorrowedFd<'_>) -> Hold {
        self.begin(name.into(), |keeper, request| keeper.say(request, Some(fd)))
    }

    /// The same from a thread that may wait, and does until the keeper has it for sure, also if this master dies.
    pub(crate) fn hold_now(&self, name: impl Into<String>, fd: BorrowedFd<'_>) -> Hold {
        self.begin(name.into(), |keeper, request| keeper.say_now(request, Some(fd)))
    }

    fn begin(&self, name: String, say: impl FnOnce(&KeeperLink, &KeeperRequest)) -> Hold {
        let Some(shared) = &self.0 else { return Hold(None) };
        if name.len() > MAX_NAME {
            tracing::error!(target: "drover::keeper", name, "too long a name to be held by");
            return Hold(None);
        }
        let number = {
            let (last, newest) = &mut *shared.newest();
            *last += 1;
            newest.insert(name.clone(), *last);
            *last
        };
        // What an earlier master had under this name is let go of with it, and not once more when the rest is.
        drop(self.take(&name));
        say(&shared.keeper, &KeeperRequest::Hold { name: name.clone() });
        Hold(Some((Arc::clone(shared), name, number)))
    }

    /// The same for as long as there is a master.
    pub(super) fn hold_for_good(&self, name: &str, fd: BorrowedFd<'_>) {
        let Some(shared) = &self.0 else { return };
        drop(self.take(name));
        shared.keeper.say(&KeeperRequest::Hold { name: name.to_owned() }, Some(fd));
    }

    /// What is counted of apps. Without a keeper that lives in this process alone, and each call makes a set of its own.
    pub(crate) fn tallies(&self) -> Tallies {
        let Some(shared) = &self.0 else { return Tallies::default() };
        shared.tallies.get_or_init(|| Tallies::held_by(self)).clone()
    }

    /// Keeps what is left until this is dropped.
    pub(crate) fn taking(&self) -> Taking {
        if let Some(shared) = &self.0 {
            shared.takers.fetch_add(1, Ordering::SeqCst);
        }
        Taking(self.clone())
    }

    /// Lets go of what nobody has taken: what it belonged to is gone.
    fn forget_rest(&self) {
        let Some(shared) = &self.0 else { return };
        let left = std::mem::take(&mut *shared.left.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, fd) in left {
            tracing::debug!(target: "drover::keeper", name, "held for nobody");
            drop(fd);
            shared.keeper.say(&KeeperRequest::Drop { name }, None);
        }
    }

    /// From now on whatever this master lets go of stays held, because another one goes on.
    pub(crate) fn leave_all(&self) {
        if let Some(shared) = &self.0 {
            shared.stays.store(true, Ordering::SeqCst);
        }
    }

    /// Whether another master goes on with whatever this one lets go of: then nothing of it is ended, unlinked or unlocked.
    pub(crate) fn are_left(&self) -> bool {
        self.0.as_ref().is_some_and(|shared| shared.stays.load(Ordering::SeqCst))
    }

    /// How long there was no master before this one.
    pub(crate) fn gap(&self) -> Duration {
        let died = self.0.as_ref().and_then(|shared| shared.died);
        died.map_or(Duration::ZERO, |died| monotonic().saturating_sub(died))
    }

    /// A cell for the pid of one more worker, until it is [given back](Self::give_cell_back). None: all are taken, or there is no keeper.
    pub(crate) fn free_cell(&self) -> Option<PidCell> {
        let shared = self.0.as_ref()?;
        shared.cells().take()
    }

    /// The cell of a worker that an earlier master has made.
    pub(crate) fn keep_cell(&self, cell: PidCell) {
        if let Some(shared) = &self.0 {
            shared.cells().keep(cell);
        }
    }

    /// The worker is forgotten.
    pub(crate) fn give_cell_back(&self, cell: PidCell) {
        if let Some(shared) = &self.0 {
            shared.cells().give_back(cell);
        }
    }

    /// Processes that an earlier master has made and nobody knows of.
    pub(crate) fn strays(&self) -> Vec<i32> {
        self.0.as_ref().map_or_else(Vec::new, |shared| shared.cells().strays())
    }

    /// One of [`strays`](Self::strays) has been dealt with.
    pub(crate) fn clear_stray(&self, pid: i32) {
        if let Some(shared) = &self.0 {
            shared.cells().clear_stray(pid);
        }
    }

    /// Whether there is a keeper, alive when it was last heard of.
    pub(crate) fn are_protected(&self) -> bool {
        self.0.as_ref().is_some_and(|shared| !shared.keeper.is_lost())
    }

    /// The connection with the keeper.
    pub(crate) fn keeper(&self) -> Option<&Arc<KeeperLink>> {
        self.0.as_ref().map(|shared| &shared.keeper)
    }
}

/// Somebody has not taken yet what is held for them. When the last of these is dropped, the rest belongs to nobody.
#[derive(Debug)]
pub(crate) struct Taking(Holds);

impl Drop for Taking {
    fn drop(&mut self) {
        let is_last =
            self.0.0.as_ref().is_some_and(|shared| shared.takers.fetch_sub(1, Ordering::SeqCst) == 1);
        if is_last {
            self.0.forget_rest();
        }
    }
}

/// Something that the keeper holds a duplicate of, until this is dropped.
#[derive(Debug, Default)]
#[must_use = "dropped, the keeper lets go"]
pub(crate) struct Hold(Option<(Arc<HeldShared>, String, u64)>);

impl Hold {
    /// Has the keeper hold this: in the place of what was held before by this name, or from now on.
    pub(crate) fn put(&mut self, holds: &Holds, name: impl Into<String>, fd: BorrowedFd<'_>) {
        match &self.0 {
            Some(_) => self.replace(fd),
            None => *self = holds.hold(name, fd),
        }
    }

    /// Has the keeper hold this one instead, under the same name.
    pub(crate) fn replace(&self, fd: BorrowedFd<'_>) {
        if let Some((shared, name, _)) = &self.0 {
            shared.keeper.say(&KeeperRequest::Hold { name: name.clone() }, Some(fd));
        }
    }

    /// Whether another master goes on with it: then it is not to be ended, unlinked or unlocked.
    pub(crate) fn is_left(&self) -> bool {
        self.0.as_ref().is_some_and(|(shared, ..)| shared.stays.load(Ordering::SeqCst))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Some((shared, name, number)) = self.0.take() else { return };
        let is_newest = {
            let (_, newest) = &mut *shared.newest();
            let is_newest = newest.get(&name) == Some(&number);
            if is_newest {
                newest.remove(&name);
            }
            is_newest
        };
        if is_newest && !shared.stays.load(Ordering::SeqCst) {
            shared.keeper.say(&KeeperRequest::Drop { name }, None);
        }
    }
}
