//! What is asked of a master under load.

use super::notes::{Life, Version};
use super::service::Service;
use crate::harness::eventually;

/// What is done with the service, and what it may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many workers.
    Scale(u32),
    /// So many workers, of a version that can't be had: nothing changes.
    ScaleInVain(u32, Version),
    /// The worker in a slot is replaced; it leaves first.
    Restart(u32),
    /// All workers are replaced; they leave first.
    RestartAll,
    /// The worker in a slot is stopped, and started again.
    StopAndStart(u32),
    /// One of those that serve is killed from outside; the number chooses which.
    Kill(usize),
    /// The successor of the worker in a slot crashes again and again before it serves, until a better version is there.
    CrashLoop(u32),
}

/// How often a worker crashes in [`Step::CrashLoop`].
const CRASHES: u32 = 3;

impl Step {
    /// Carries it out to its verdict. `desired` is how many workers there are to be, before and after.
    ///
    /// # Panics
    ///
    /// If the verdict is another one than it has to be.
    pub async fn carry_out(self, service: &Service, desired: &mut u32) {
        service.note(Life::Floor(self.floor(*desired)));
        match self {
            Self::Scale(count) => {
                self.run(service, &["scale", &format!("{{app}}={count}")], 0).await;
                *desired = count;
            }
            Self::ScaleInVain(count, version) => {
                set_version(service, version);
                self.run(service, &["scale", &format!("{{app}}={count}")], 1).await;
                set_version(service, Version::Good);
            }
            Self::Restart(slot) => self.run(service, &["restart", &worker(slot)], 0).await,
            Self::RestartAll => self.run(service, &["restart", "{app}"], 0).await,
            Self::StopAndStart(slot) => {
                self.run(service, &["stop", &worker(slot)], 0).await;
                self.run(service, &["start", &worker(slot)], 0).await;
            }
            Self::Kill(number) => {
                let serving: Vec<u32> = service.observed().serving.into_keys().collect();
                service.kill(serving[number % serving.len()]);
                service.until_serving(*desired).await;
            }
            Self::CrashLoop(slot) => {
                let before = service.observed().crashes;
                set_version(service, Version::Crashes);
                self.run(service, &["restart", &worker(slot)], 0).await;
                let crashed = || (service.observed().crashes >= before + CRASHES).then_some(());
                eventually("crashes", crashed).await;
                set_version(service, Version::Good);
                service.until_serving(*desired).await;
            }
        }
        service.note(Life::Floor(*desired));
    }

    /// How many have to serve all the while.
    fn floor(self, desired: u32) -> u32 {
        match self {
            Self::Scale(count) => desired.min(count),
            Self::ScaleInVain(..) => desired,
            Self::Restart(_) | Self::StopAndStart(_) | Self::Kill(_) | Self::CrashLoop(_) => desired - 1,
            Self::RestartAll => 0,
        }
    }

    async fn run(self, service: &Service, args: &[&str], code: i32) {
        let said = service.run(args).await;
        assert_eq!(said.code, Some(code), "{self:?}: {}\n{}", said.stderr, service.log());
    }
}

fn worker(slot: u32) -> String {
    format!("{{app}}/{slot}")
}

fn set_version(service: &Service, version: Version) {
    service.notes().set_version(version).expect("the version can be written");
}
