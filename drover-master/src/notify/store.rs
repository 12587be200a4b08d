//! Descriptors that a worker has left with the master, for the next worker of its slot (`FDSTORE=1`).

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::stat::{SFlag, fstat};

use crate::ids::SlotIndex;
use crate::keeper::{Hold, Holds};
use crate::sys::is_same_file;

/// How many descriptors are kept for a slot: what one message of the kernel can carry (SCM_MAX_FD), which systemd counts by too.
pub(crate) const MOST_KEPT: usize = 253;

/// What is kept for a slot, in the order it came.
#[derive(Debug, Default)]
pub(crate) struct FdStore {
    kept: Vec<StoredFd>,
    holds: Holds,
    /// What they are held by: this, a number that goes up, a mark, and the name.
    held_name: String,
    last: u64,
}

#[derive(Debug)]
struct StoredFd {
    name: String,
    fd: Arc<OwnedFd>,
    about: Option<About>,
    /// Whether it is let go of when nobody is at its other end any more.
    is_polled: bool,
    _hold: Hold,
}

/// What a descriptor's file is, as far as `fstat(2)` tells, and can never become another. Files that differ here differ, and most
/// do: with it the question of `kcmp(2)` is put to few of 253.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct About {
    device: u64,
    inode: u64,
    kind: SFlag,
    /// To be read, to be written, or both: the two ends of a pipe are one inode.
    access: i32,
}

impl About {
    fn of(fd: &OwnedFd) -> Option<Self> {
        let (found, flags) = (fstat(fd).ok()?, fcntl(fd, FcntlArg::F_GETFL).ok()?);
        let kind = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT;
        Some(Self { device: found.st_dev, inode: found.st_ino, kind, access: flags & libc::O_ACCMODE })
    }

    /// Whether nothing but one open file is likely to look like this. A device may be another at every opening, and whatever has no
    /// file at all (an eventfd, a timerfd) shares one inode with the rest of its kind.
    fn is_telling(self) -> bool {
        [SFlag::S_IFSOCK, SFlag::S_IFIFO, SFlag::S_IFREG].contains(&self.kind)
    }
}

/// The mark of one that is let go of when nobody is at its other end any more, and of any other.
const POLLED: &str = "polled";
const LASTING: &str = "lasting";

impl FdStore {
    /// Nothing is kept yet.
    pub(crate) fn new(holds: &Holds, app: &str, slot: SlotIndex) -> Self {
        let held_name = format!("{}{slot}/", held_names(app));
        Self { holds: holds.clone(), held_name, ..Self::default() }
    }

    /// What the master before had kept for each slot of an app.
    pub(crate) fn resume(holds: &Holds, app: &str) -> HashMap<SlotIndex, Self> {
        let mut left: Vec<([String; 2], [u64; 2], OwnedFd)> = Vec::new();
        for (held, fd) in holds.take_all(&held_names(app)) {
            // The name comes last: it may have any character.
            let mut parts = held.splitn(4, '/');
            let mut next = || parts.next().unwrap_or_default();
            let (slot, number) = (next().parse(), next().parse());
            let words = [next(), next()].map(str::to_owned);
            if let (Ok(slot), Ok(number)) = (slot, number) {
                left.push((words, [slot, number], fd));
            }
        }
        // In the order they came.
        left.sort_by_key(|(_, numbers, _)| *numbers);
        let mut stores = HashMap::new();
        for ([mark, name], [slot, number], fd) in left {
            let slot = SlotIndex(slot as u32);
            let store = stores.entry(slot).or_insert_with(|| Self::new(holds, app, slot));
            let about = About::of(&fd);
            store.last = number.saturating_sub(1);
            store.push(name, fd, about, mark == POLLED);
        }
        stores
    }

    fn push(&mut self, name: String, fd: OwnedFd, about: Option<About>, is_polled: bool) {
        self.last += 1;
        let mark = if is_polled { POLLED } else { LASTING };
        let hold = self.holds.hold(format!("{}{}/{mark}/{name}", self.held_name, self.last), fd.as_fd());
        self.kept.push(StoredFd { name, fd: Arc::new(fd), about, is_polled, _hold: hold });
    }

    /// Keeps descriptors under a name. What is kept already, by any name, is not kept twice: a worker may store all it has at every
    /// start. The answer is how many there was no room for; they are closed.
    pub(crate) fn keep(&mut self, name: &str, is_polled: bool, fds: Vec<OwnedFd>) -> usize {
        let mut refused = 0;
        for fd in fds {
            let about = About::of(&fd);
            if self.kept.iter().any(|kept| kept.is_same(&fd, about, is_same_file)) {
                continue;
            }
            if self.kept.len() >= MOST_KEPT {
                refused += 1;
                continue;
            }
            self.push(name.to_owned(), fd, about, is_polled);
        }
        refused
    }

    /// Lets go of all of this name.
    pub(crate) fn remove(&mut self, name: &str) {
        self.kept.retain(|kept| kept.name != name);
    }

    /// What the next worker gets. What has been hung up meanwhile is let go of, unless its worker has said otherwise. All else stays
    /// kept: the worker that gets it may crash before it has stored it again.
    pub(crate) fn hand_over(&mut self) -> Vec<(String, Arc<OwnedFd>)> {
        self.kept.retain(|kept| !(kept.is_polled && is_hung_up(&kept.fd)));
        self.kept.iter().map(|kept| (kept.name.clone(), Arc::clone(&kept.fd))).collect()
    }
}

fn held_names(app: &str) -> String {
    format!("stored/{app}/")
}

impl StoredFd {
    /// Whether this is the file that is kept already; `compare` asks the kernel, which may not tell.
    fn is_same(
        &self,
        fd: &OwnedFd,
        about: Option<About>,
        compare: impl FnOnce(BorrowedFd<'_>, BorrowedFd<'_>) -> Option<bool>,
    ) -> bool {
        let Some(about) = about.filter(|about| self.about == Some(*about)) else { return false };
        compare(self.fd.as_fd(), fd.as_fd()).unwrap_or_else(|| about.is_telling())
    }
}

fn is_hung_up(fd: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(fd.as_fd(), PollFlags::empty())];
    let answered = nix::poll::poll(&mut asked, PollTimeout::ZERO).is_ok();
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR;
    answered && asked[0].revents().is_some_and(|found| found.intersects(gone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::TestKeeper;

    fn names(store: &mut FdStore) -> Vec<String> {
        store.hand_over().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn what_is_kept_is_handed_over_again_and_again_until_it_is_removed() {
        let mut store = FdStore::default();
        let file = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let first = file();
        let same = first.try_clone().unwrap();
        assert_eq!(store.keep("a", true, vec![first, file()]), 0);
        assert_eq!(store.keep("b", true, vec![same, file()]), 0);
        for _ in 0..2 {
            assert_eq!(names(&mut store), ["a", "a", "b"], "the same file once");
        }
        store.remove("a");
        assert_eq!(names(&mut store), ["b"]);
    }

    #[test]
    fn what_is_kept_is_kept_by_the_next_master_in_its_order_and_its_slot() {
        let (mut keeper, holds) = TestKeeper::new();
        let pipe = || nix::unistd::pipe().unwrap();
        let mut stores: HashMap<SlotIndex, FdStore> =
            [1, 10].map(|slot| (SlotIndex(slot), FdStore::new(&holds, "web", SlotIndex(slot)))).into();
        let (hung, gone) = pipe();
        let others: Vec<_> = (0..12).map(|_| pipe()).collect();
        for (slot, kept) in &mut stores {
            kept.keep("hung/up", slot.0 == 1, vec![hung.try_clone().unwrap()]);
            for (at, (reader, _)) in others.iter().enumerate() {
                kept.keep(&format!("{at}/of {slot}"), true, vec![reader.try_clone().unwrap()]);
            }
            kept.remove(&format!("3/of {slot}"));
        }
        let _app_of_like_name = FdStore::new(&holds, "web2", SlotIndex(1)).keep("x", true, vec![gone]);
        let next = keeper.crash(&holds, stores);
        drop(hung);
        let mut stores = FdStore::resume(&next, "web");
        assert_eq!(stores.len(), 2);
        for slot in [1, 10] {
            let store = stores.get_mut(&SlotIndex(slot)).unwrap();
            let kept = (0..12).filter(|at| *at != 3).map(|at| format!("{at}/of {slot}"));
            let hung = (slot == 10).then(|| "hung/up".to_owned());
            assert_eq!(names(store), hung.into_iter().chain(kept).collect::<Vec<_>>());
            // Numbers go on, and what is kept is known.
            store.keep("again", true, vec![others[0].0.try_clone().unwrap()]);
            store.keep("new", true, vec![pipe().0]);
        }
        assert_eq!(names(stores.get_mut(&SlotIndex(10)).unwrap()).len(), 12);
        drop(stores);
        assert_eq!(keeper.held(), [""; 0]);
    }

    #[test]
    fn what_has_been_hung_up_is_let_go_of_unless_it_is_not_to_be_looked_at() {
        let mut store = FdStore::default();
        for (name, is_polled) in [("looked at", true), ("left alone", false)] {
            let (reader, writer) = nix::unistd::pipe().unwrap();
            store.keep(name, is_polled, vec![reader]);
            drop(writer);
        }
        assert_eq!(names(&mut store), ["left alone"]);
    }

    #[test]
    fn what_is_kept_already_is_told_even_where_the_kernel_does_not_compare() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let (socket, other) = std::os::unix::net::UnixStream::pair().unwrap();
        let [socket, other] = [socket, other].map(OwnedFd::from);
        let device = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let fds = [reader, writer, socket, other, device(), device()];
        for (at, fd) in fds.iter().enumerate() {
            let (about, fd) = (About::of(fd), Arc::new(fd.try_clone().unwrap()));
            let kept = StoredFd { name: String::new(), fd, about, is_polled: true, _hold: Hold::default() };
            let same =
                |other: &OwnedFd| kept.is_same(&other.try_clone().unwrap(), About::of(other), |_, _| None);
            let found: Vec<usize> = (0..fds.len()).filter(|other| same(&fds[*other])).collect();
            // Of a device nothing is known, so it is kept again rather than lost.
            assert_eq!(found, if at < 4 { vec![at] } else { vec![] });
        }
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let mut store = FdStore::default();
        let files = (0..MOST_KEPT + 2).map(|_| std::fs::File::open("/dev/null").unwrap().into()).collect();
        assert_eq!(store.keep("x", true, files), 2);
        assert_eq!(store.hand_over().len(), MOST_KEPT);
    }
}
