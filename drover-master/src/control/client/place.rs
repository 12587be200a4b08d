//! Where a client has reached a master, and whether another one has followed that there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use drover_proto::latest::StatusReply;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

use super::error::ClientError;
use super::link::Link;

/// How long another master may take until it answers: far longer than the tens of milliseconds that it takes.
const WITHIN: Duration = Duration::from_secs(5);

/// How soon a process is looked for again that was not there.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How a keeper is called (`/proc/PID/comm`).
const KEEPER: &str = "drover-keeper";

#[derive(Debug)]
pub(super) struct MasterPlace {
    path: PathBuf,
    /// When the master was reached, since the machine was started.
    since: Duration,
}

impl MasterPlace {
    pub(super) fn new(path: &Path) -> Self {
        let since = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default();
        Self { path: path.to_owned(), since }
    }

    /// The pid of the master that serves there now, if it goes on in the place of the one that was reached: if its keeper is older than
    /// the connection was, that was the other's keeper as well.
    pub(super) async fn successor(self) -> Option<u32> {
        let asked = async {
            loop {
                match self.status().await {
                    Ok(status) => {
                        let (pid, since) = (status.master?.pid, self.since);
                        let looked = tokio::task::spawn_blocking(move || is_kept_since(pid, since));
                        match looked.await.ok()? {
                            Some(is_kept) => return Some(pid).filter(|_| is_kept),
                            // That one may be gone by now as well.
                            None => tokio::time::sleep(LOOK_AGAIN).await,
                        }
                    }
                    Err(ClientError::Closed | ClientError::Connection(_)) => {}
                    Err(_) => return None,
                }
            }
        };
        tokio::time::timeout(WITHIN, asked).await.ok()?
    }
}

impl MasterPlace {
    async fn status(&self) -> Result<StatusReply, ClientError> {
        let (link, _) = Link::connect(&self.path, WITHIN).await?;
        link.without_place().status(&[]).await
    }
}

/// Whether a process has a keeper that was there at that moment; none for a process that can't be seen.
fn is_kept_since(pid: u32, moment: Duration) -> Option<bool> {
    let Parent { is_keeper, stat, .. } = Parent::of(pid)?;
    let hertz = sysconf(SysconfVar::CLK_TCK).ok()??;
    let began: u64 = field(&stat, 22)?;
    Some(is_keeper && Duration::from_millis(began * 1000 / u64::try_from(hertz).ok()?) <= moment)
}

/// The keeper of the master with this pid, if it has one and can be seen. Reads /proc.
pub(super) fn keeper_of(pid: u32) -> Option<u32> {
    Parent::of(pid).filter(|parent| parent.is_keeper).map(|parent| parent.pid)
}

struct Parent {
    pid: u32,
    is_keeper: bool,
    /// `/proc/PID/stat` of it.
    stat: String,
}

impl Parent {
    fn of(pid: u32) -> Option<Self> {
        let pid = field(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, 4)?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let is_keeper = stat.contains(&format!("({KEEPER})"));
        Some(Self { pid, is_keeper, stat })
    }
}

/// A field of `/proc/PID/stat` after the second, by its number in proc_pid_stat(5). The name before may hold any character.
fn field<T: std::str::FromStr>(stat: &str, number: usize) -> Option<T> {
    stat.rsplit_once(") ")?.1.split(' ').nth(number - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_name_whatever_that_is() {
        let stat = "812 (a) b (c) S 7 812 812 0 -1 4194304 120 0 0 0 1 2 0 0 20 0 1 0 9876 100";
        assert_eq!((field(stat, 4), field(stat, 22)), (Some(7), Some(9876)));
        assert_eq!(field::<u32>("812 (drover", 4), None);
    }

    #[test]
    fn a_process_whose_parent_is_no_keeper_has_none() {
        assert_eq!(is_kept_since(std::process::id(), Duration::MAX), Some(false));
        assert_eq!(is_kept_since(u32::MAX, Duration::MAX), None);
    }
}
