//! Watches the files of an app for changes, and tells of them once they are over.
//!
//! ```text
//!  FileWatch ◄── what changed, first file and whether there are more ◄── Pause ◄── thread "drover-files" ◄── inotify
//!     next()                                                          (debounce)      WatchTree: a watch for each directory
//! ```
//!
//! A thread, because directories are walked. It sleeps until something changes, so it costs no wakeup while nobody works.

mod pause;
mod rules;
#[cfg(test)]
mod tests;
mod tree;

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::Notify;

pub(crate) use pause::FilesChanged;
use pause::Pause;
use rules::Rules;
use tree::WatchTree;

/// The walk keeps a list of its own; this is for strings of paths.
const STACK_BYTES: usize = 256 * 1024;

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileNews {
    /// Files have changed, and nothing has since for as long as the pause is.
    Changed(FilesChanged),
    /// Something is not watched, and why.
    NotWatched(String),
}

/// Watches until it is dropped.
#[derive(Debug)]
pub(crate) struct FileWatch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    found: Mutex<Found>,
    is_news: Notify,
    /// Wakes the thread up, to end.
    bell: EventFd,
}

/// What nobody has asked for yet. New changes are added to it, so it does not grow.
#[derive(Debug, Default)]
struct Found {
    changed: Option<FilesChanged>,
    trouble: Option<String>,
    is_dropped: bool,
}

impl FileWatch {
    /// Watches these files and directories, and tells of them as seen from `base`.
    ///
    /// # Errors
    ///
    /// Without a descriptor or a thread more.
    pub(crate) fn begin(
        base: PathBuf,
        paths: Vec<PathBuf>,
        ignore: &[String],
        debounce: Duration,
    ) -> io::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let shared = Arc::new(Shared { found: Mutex::default(), is_news: Notify::new(), bell });
        let rules = Rules::new(ignore);
        let told = Arc::clone(&shared);
        let thread = thread::Builder::new().name("drover-files".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(move || match WatchTree::new(base, paths, rules) {
            Ok(tree) => watch(&told, tree, debounce),
            Err(error) => told.tell(|found| {
                let remedy = "raise fs.inotify.max_user_instances";
                found.trouble = Some(format!("files can't be watched: {error}; {remedy}"));
            }),
        })?;
        Ok(Self(shared))
    }

    /// The next news. Changes that came since the last one was asked for are one.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(crate) async fn next(&mut self) -> FileNews {
        loop {
            if let Some(news) = self.0.found().take() {
                return news;
            }
            self.0.is_news.notified().await;
        }
    }
}

impl Drop for FileWatch {
    fn drop(&mut self) {
        self.0.found().is_dropped = true;
        // A counter at its maximum would refuse, and then the thread is awake.
        let _ = self.0.bell.write(1);
    }
}

impl Shared {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, add: impl FnOnce(&mut Found)) {
        add(&mut self.found());
        self.is_news.notify_one();
    }
}

impl Found {
    fn take(&mut self) -> Option<FileNews> {
        let trouble = self.trouble.take().map(FileNews::NotWatched);
        trouble.or_else(|| self.changed.take().map(FileNews::Changed))
    }
}

/// The thread.
fn watch(shared: &Shared, mut tree: WatchTree, debounce: Duration) {
    let mut pause = Pause::new(debounce);
    while !shared.found().is_dropped {
        let changed = tree.read();
        #[expect(clippy::disallowed_methods, reason = "a thread of its own; no machine depends on it")]
        let now = std::time::Instant::now();
        changed.into_iter().for_each(|path| pause.changed(now, path));
        if let Some(trouble) = tree.take_trouble() {
            shared.tell(|found| found.trouble = Some(trouble));
        }
        if let Some(over) = pause.over(now) {
            shared.tell(|found| match &mut found.changed {
                Some(earlier) => earlier.add(over),
                none => *none = Some(over),
            });
        }
        // A millisecond more: to wake up early is to wake up twice.
        let left = pause.left(now).map(|left| left + Duration::from_millis(1));
        let timeout = left.map_or(PollTimeout::NONE, |left| left.try_into().unwrap_or(PollTimeout::MAX));
        let mut asked = [
            PollFd::new(shared.bell.as_fd(), PollFlags::POLLIN),
            PollFd::new(tree.as_fd(), PollFlags::POLLIN),
        ];
        // EINTR: looking once more is never wrong.
        let _ = poll(&mut asked, timeout);
    }
}
