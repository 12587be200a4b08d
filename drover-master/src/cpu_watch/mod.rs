//! Sees that the number of CPUs to use may have changed while the master runs: a container is resized in place, say.
//!
//! A limit is a file of the cgroup, and whoever changes it writes to that file. By inotify(7) the kernel tells so, also across
//! the mounts and namespaces of a container: it is the same inode in each. So nobody has to look from time to time, and a master costs
//! no wakeup for it. What no file tells (`taskset -p`) is seen when somebody asks for the number.

mod files;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::unix::AsyncFd;

use crate::sys::{SharedFd, watch_readable};

/// How long writes may follow each other and are one change: in version 1 quota and period are two files.
const SETTLE: Duration = Duration::from_millis(100);

/// Watches until it is dropped.
#[derive(Debug)]
pub(crate) struct CpuWatch {
    writes: Arc<Inotify>,
    ready: AsyncFd<SharedFd<Inotify>>,
}

impl CpuWatch {
    /// Begins; none where nothing limits the CPUs that could be changed. Call it where a runtime is; what may wait is done on a thread of
    /// its own.
    pub(crate) async fn begin() -> io::Result<Option<Self>> {
        let inotify = tokio::task::spawn_blocking(inotify).await.map_err(io::Error::other)??;
        inotify.map(Self::of).transpose()
    }

    fn of(inotify: Inotify) -> io::Result<Self> {
        let writes = Arc::new(inotify);
        Ok(Self { ready: watch_readable(Arc::clone(&writes))?, writes })
    }

    /// Waits until something was written.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped while it waits.
    pub(crate) async fn changed(&mut self) -> io::Result<()> {
        self.ready.readable().await?.retain_ready();
        tokio::time::sleep(SETTLE).await;
        loop {
            let mut ready = self.ready.readable().await?;
            match self.writes.read_events() {
                Ok(_) => {}
                Err(Errno::EAGAIN) => {
                    ready.clear_ready();
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn inotify() -> io::Result<Option<Inotify>> {
    let read = |path| std::fs::read_to_string(path);
    let found = files::of(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?);
    watch(found.iter().map(AsRef::as_ref))
}

/// What is not there is not watched: not every cgroup has each of them, and the outermost one has none. Users have few instances of
/// inotify (`fs.inotify.max_user_instances`), so one that has nothing to watch is not kept.
fn watch<'p>(files: impl IntoIterator<Item = &'p Path>) -> io::Result<Option<Inotify>> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    let mut is_watching = false;
    for file in files {
        match inotify.add_watch(file, AddWatchFlags::IN_MODIFY) {
            Ok(_) => is_watching = true,
            Err(Errno::ENOENT | Errno::EACCES | Errno::ENOTDIR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(is_watching.then_some(inotify))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn writes_that_follow_each_other_are_one_change() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["cpu.cfs_quota_us", "cpu.cfs_period_us", "not.there"];
        let paths = names.map(|name| dir.path().join(name));
        for path in &paths[..2] {
            std::fs::write(path, "-1\n").unwrap();
        }
        assert!(watch([paths[2].as_ref()]).unwrap().is_none());
        let inotify = watch(paths.iter().map(AsRef::as_ref)).unwrap().unwrap();
        let mut cpus = CpuWatch::of(inotify).unwrap();
        for path in &paths[..2] {
            std::fs::write(path, "100000\n").unwrap();
        }
        tokio::time::timeout(Duration::from_secs(60), cpus.changed()).await.unwrap().unwrap();
        // Nothing is left to be told.
        assert!(tokio::time::timeout(SETTLE * 2, cpus.changed()).await.is_err());
        std::fs::write(&paths[0], "200000\n").unwrap();
        tokio::time::timeout(Duration::from_secs(60), cpus.changed()).await.unwrap().unwrap();
    }
}
