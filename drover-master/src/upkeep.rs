//! Paths that have to be there as long as their owner lives, and are made again when a cleaner, or the end of a login, has swept
//! them away.
//!
//! ```text
//!  owner ──keep()──► list ◄── thread "drover-upkeep" ◄── inotify: somebody has touched one of the files
//!    ▲                                │                  (a timer, while one can't be made again or without inotify)
//!    └──── is it there? if not, make it again ◄──┘
//! ```
//!
//! A thread, because looking and making read and write a file system. It sleeps until a file is unlinked, moved or unmounted, so it
//! costs no wakeup while all is well.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::machine::fleet::SocketRenewal;

/// How often what can't be made again is tried, and all is looked at where there is no inotify, in milliseconds. Shorter wakes
/// the master up for what somebody has to mend first; longer leaves a master that long where nobody can ask it. Tests do not wait for it.
const EVERY_MS: u16 = if cfg!(test) { 50 } else { 10_000 };

/// The thread makes a few system calls, and strings of paths.
const STACK_BYTES: usize = 128 * 1024;

/// What happens to a file that is taken away, or out of a directory. What is unlinked is not deleted while a socket has it, but it has
/// a link less.
const TAKEN: AddWatchFlags = AddWatchFlags::IN_ATTRIB
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_DONT_FOLLOW);

/// Something that its owner keeps at a path. Both are called on a thread that may wait for the file system.
pub(crate) trait Lasting: fmt::Debug + Send + Sync {
    /// The files that have to be there, or their directory.
    fn files(&self) -> Vec<PathBuf>;

    /// Makes again what is not there, and tells whoever is to know. Whether all is there now.
    fn restore(&self) -> bool;
}

/// What an owner is told.
#[derive(Debug)]
pub(crate) enum UpkeepNews {
    /// A socket was lost, and what became of it.
    Renewed(SocketRenewal),
    /// Another socket is in a listener's place.
    ListenerReplaced,
}

/// Tells an owner, and whether it could be told. It must not wait: the owner may wait for the thread meanwhile.
#[derive(Clone)]
pub(crate) struct Teller(pub Arc<dyn Fn(UpkeepNews) -> bool + Send + Sync>);

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Teller")
    }
}

/// Looks after something until it is dropped. From then on nobody else holds it.
#[derive(Debug)]
pub(crate) struct Upkeep {
    id: u64,
    /// The list holds it only while it is looked at.
    _kept: Arc<dyn Lasting>,
}

/// Looks after something.
pub(crate) fn keep(lasting: Arc<dyn Lasting>) -> Upkeep {
    let mut list = LIST.list();
    list.last_id += 1;
    let id = list.last_id;
    list.entries.insert(id, Arc::downgrade(&lasting));
    list.ring();
    Upkeep { id, _kept: lasting }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        let mut list = LIST.list();
        list.entries.remove(&self.id);
        while list.looked_at == Some(self.id) {
            // A few system calls.
            list = LIST.is_done.wait(list).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// All that is looked after in this program.
static LIST: SharedList = SharedList { list: Mutex::new(List::EMPTY), is_done: Condvar::new() };

struct SharedList {
    list: Mutex<List>,
    /// Told when an entry has been looked at.
    is_done: Condvar,
}

struct List {
    entries: BTreeMap<u64, Weak<dyn Lasting>>,
    last_id: u64,
    looked_at: Option<u64>,
    /// Wakes the thread up; none before there is one.
    bell: Option<Arc<EventFd>>,
}

impl SharedList {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at one entry.
    fn look(&self, id: u64, watch: &impl Fn(&dyn Lasting) -> bool) -> bool {
        let found = {
            let mut list = self.list();
            let found = list.entries.get(&id).and_then(Weak::upgrade);
            list.looked_at = found.as_ref().map(|_| id);
            found
        };
        let Some(lasting) = found else { return true };
        // Watched first: what is taken after the look is told. Then again, as it may be another file.
        watch(&*lasting);
        let is_well = lasting.restore() && watch(&*lasting);
        drop(lasting);
        self.list().looked_at = None;
        self.is_done.notify_all();
        is_well
    }
}

impl List {
    const EMPTY: Self = Self { entries: BTreeMap::new(), last_id: 0, looked_at: None, bell: None };

    /// Has the thread look; the first time, there is none yet. One that can't be started is tried again with the next entry.
    fn ring(&mut self) {
        if let Some(bell) = &self.bell {
            // A counter at its maximum would refuse, and then the thread is awake.
            let _ = bell.write(1);
            return;
        }
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let started = EventFd::from_flags(flags).map_err(std::io::Error::from).and_then(|bell| {
            let bell = Arc::new(bell);
            let rung = Arc::clone(&bell);
            let thread = thread::Builder::new().name("drover-upkeep".to_owned()).stack_size(STACK_BYTES);
            thread.spawn(move || look_after(&rung))?;
            Ok(bell)
        });
        match started {
            Ok(bell) => self.bell = Some(bell),
            Err(error) => {
                tracing::error!(target: "drover::upkeep", %error, "sockets that are swept away are not made again")
            }
        }
    }
}

/// The thread.
fn look_after(bell: &EventFd) {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).inspect_err(|error| {
        tracing::debug!(target: "drover::upkeep", %error, "no inotify: sockets are looked at by the clock");
    });
    let watch = |lasting: &dyn Lasting| {
        let is_watched =
            |file: &PathBuf| inotify.as_ref().is_ok_and(|inotify| inotify.add_watch(file, TAKEN).is_ok());
        // Each is looked at, also after one that is not well.
        let mut is_well = true;
        lasting.files().iter().for_each(|file| is_well &= is_watched(file));
        is_well
    };
    loop {
        let ids: Vec<u64> = LIST.list().entries.keys().copied().collect();
        let mut is_well = true;
        ids.into_iter().for_each(|id| is_well &= LIST.look(id, &watch));
        let timeout = if is_well { PollTimeout::NONE } else { PollTimeout::from(EVERY_MS) };
        let mut asked = vec![PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
        // What can't be made again must not be tried as fast as the tries themselves touch files.
        let touched = inotify.as_ref().ok().filter(|_| is_well);
        asked.extend(touched.map(|inotify| PollFd::new(inotify.as_fd(), PollFlags::POLLIN)));
        // EINTR: looking once more is never wrong.
        let _ = poll(&mut asked, timeout);
        let _ = bell.read();
        if let Ok(inotify) = &inotify {
            // Which file it was is seen by looking.
            while inotify.read_events().is_ok() {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::time::Duration;

    use super::*;

    /// A file that is written again.
    #[derive(Debug)]
    struct Note {
        path: PathBuf,
        restored: SyncSender<bool>,
    }

    impl Lasting for Note {
        fn files(&self) -> Vec<PathBuf> {
            vec![self.path.clone()]
        }

        fn restore(&self) -> bool {
            if self.path.exists() {
                return true;
            }
            let is_there = std::fs::write(&self.path, "").is_ok();
            let _ = self.restored.try_send(is_there);
            is_there
        }
    }

    fn told(restored: &Receiver<bool>) -> bool {
        restored.recv_timeout(Duration::from_secs(60)).expect("it is seen")
    }

    #[test]
    fn what_is_swept_away_is_made_again_and_nobody_looks_after_what_was_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("below").join("note");
        let (tell, restored) = sync_channel(64);
        let note = Arc::new(Note { path: path.clone(), restored: tell });
        let upkeep = keep(Arc::<Note>::clone(&note));
        assert!(!told(&restored), "its directory is not there");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        while !told(&restored) {}
        for _ in 0..3 {
            std::fs::remove_file(&path).unwrap();
            while !told(&restored) {}
            assert!(path.exists());
        }
        drop(upkeep);
        assert_eq!(Arc::strong_count(&note), 1);
        std::fs::remove_file(&path).unwrap();
        // Another entry is looked at after this.
        let (tell, others) = sync_channel(64);
        let _other = keep(Arc::new(Note { path: dir.path().join("other"), restored: tell }));
        assert!(told(&others));
        assert!(!path.exists());
    }
}
