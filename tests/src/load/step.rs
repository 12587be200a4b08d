//! What is asked of a master under load.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::notes::{Life, Version};
use super::now;
use super::service::Service;
use crate::harness::{PATIENCE, eventually, signal};

/// What is done with the service, and what it may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// This many workers.
    Scale(u32),
    /// This many workers, of a version that can't be had: nothing changes.
    ScaleInVain(u32, Version),
    /// The worker in a slot is replaced; it leaves first.
    Restart(u32),
    /// The worker in a slot is replaced; its successor serves first.
    Renew(u32),
    /// All workers are replaced; they leave first.
    RestartAll,
    /// All workers are replaced by a reload.
    Reload(Pace),
    /// A reload to a version that can't serve: everything becomes as it was.
    ReloadInVain(Pace, Version),
    /// The worker in a slot is stopped, and started again.
    StopAndStart(u32),
    /// The worker in a slot takes no work, and stays.
    Suspend(u32),
    /// The worker that rests in a slot serves again: the same process.
    Resume(u32),
    /// One of those that serve is killed from outside; the number chooses which.
    Kill(usize),
    /// The successor of the worker in a slot crashes again and again before it serves, until a better version is there.
    CrashLoop(u32),
    /// The master is killed, and another one goes on.
    KillMaster,
    /// The master is killed in the middle of an operation, and so is the next one; the third brings it to its end. The moments are given in
    /// milliseconds, the first from where the operation was accepted, the second from where the next master answered.
    KillMastersDuring(Operation, [u16; 2]),
    /// The master is killed in a reload, as soon as a worker of the new generation serves; the next one brings it to its end.
    KillMasterInReload(Pace),
    /// Another program goes on in the place of the master.
    Upgrade,
}

/// What goes on while masters are killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// All workers are replaced by a reload.
    Reload(Pace),
    /// This many workers.
    Scale(u32),
    /// The worker in a slot is replaced; it leaves first.
    Restart(u32),
    /// The worker in a slot is replaced; its successor serves first.
    Renew(u32),
}

/// How many workers a reload replaces at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// One after the other, the new one first.
    OneByOne,
    /// All, the new ones first.
    AllAtOnce,
    /// One after the other, the old one first.
    OneMissing,
}

/// What the service is to be like between two steps.
#[derive(Debug)]
pub struct Wanted {
    /// How many workers there are.
    workers: u32,
    /// Which of them take no work: the process in each slot.
    resting: BTreeMap<u32, u32>,
}

/// How often a worker crashes in [`Step::CrashLoop`].
const CRASHES: u32 = 3;

/// The exit code of a reload that was taken back.
const ROLLED_BACK: i32 = 8;

/// How long a new worker of a bad version has to live: longer than one that crashes.
const SOAK: &str = "300ms";

impl Wanted {
    /// This many workers that all serve.
    pub const fn serving(workers: u32) -> Self {
        Self { workers, resting: BTreeMap::new() }
    }

    fn floor(&self) -> u32 {
        self.workers - u32::try_from(self.resting.len()).expect("no more rest than there are")
    }
}

impl Step {
    /// Carries it out to its verdict. `wanted` is what the service is to be like, before and after.
    ///
    /// # Panics
    ///
    /// If the verdict is another one than it has to be.
    pub async fn carry_out(self, service: &Service, wanted: &mut Wanted) {
        service.note(Life::Floor(self.floor(wanted.floor())));
        match self {
            Self::Scale(count) => {
                self.run(service, &["scale", &format!("{{app}}={count}")], 0).await;
                wanted.workers = count;
            }
            Self::ScaleInVain(count, version) => {
                set_version(service, version, 0);
                self.run(service, &["scale", &format!("{{app}}={count}")], 1).await;
                set_version(service, Version::Good, 0);
            }
            Self::Restart(slot) => self.run(service, &["restart", &worker(slot)], 0).await,
            Self::Renew(slot) => self.run(service, &["restart", "--surge", &worker(slot)], 0).await,
            Self::RestartAll => self.run(service, &["restart", "{app}"], 0).await,
            Self::Reload(pace) => {
                self.run(service, &[&["reload", "{app}"], pace.options()].concat(), 0).await;
                service.until_serving(wanted.floor()).await;
            }
            Self::ReloadInVain(pace, version) => {
                let reload = [&["reload", "{app}", "--soak", SOAK], pace.options()].concat();
                // A rollback may start workers of the old generation, which have to be good.
                set_version(service, version, service.observed().generation + 1);
                self.run(service, &reload, ROLLED_BACK).await;
                // The verdict comes when those that are started again are on their way.
                service.until_serving(wanted.floor()).await;
                set_version(service, Version::Good, 0);
            }
            Self::StopAndStart(slot) => {
                self.run(service, &["stop", &worker(slot)], 0).await;
                self.run(service, &["start", &worker(slot)], 0).await;
            }
            Self::Suspend(slot) => {
                let pid = serving_in(service, slot).expect("a worker serves in the slot");
                self.run(service, &["suspend", &worker(slot)], 0).await;
                assert_eq!(serving_in(service, slot), None, "{self:?}");
                wanted.resting.insert(slot, pid);
            }
            Self::Resume(slot) => {
                self.run(service, &["resume", &worker(slot)], 0).await;
                assert_eq!(serving_in(service, slot), wanted.resting.remove(&slot), "{self:?}");
            }
            Self::Kill(number) => {
                let serving: Vec<u32> = service.observed().serving.into_keys().collect();
                service.kill(serving[number % serving.len()]);
                service.until_serving(wanted.floor()).await;
            }
            Self::CrashLoop(slot) => {
                let before = service.observed().crashes;
                set_version(service, Version::Crashes, 0);
                self.run(service, &["restart", &worker(slot)], 0).await;
                let crashed = || (service.observed().crashes >= before + CRASHES).then_some(());
                eventually("crashes", crashed).await;
                set_version(service, Version::Good, 0);
                service.until_serving(wanted.floor()).await;
            }
            Self::KillMastersDuring(operation, moments) => {
                let before = service.observed();
                let args = operation.args();
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                self.run(service, &args, 0).await;
                for moment in moments {
                    tokio::time::sleep(Duration::from_millis(moment.into())).await;
                    kill_master(service).await;
                }
                if let Operation::Scale(count) = operation {
                    wanted.workers = count;
                }
                self.until_settled(service, wanted.floor()).await;
                let after = service.observed();
                let is_done = match operation {
                    Operation::Reload(_) => {
                        after.generation == before.generation + 1
                            && after.renewed.len() == after.serving.len()
                    }
                    Operation::Scale(_) => true,
                    Operation::Restart(slot) | Operation::Renew(slot) => {
                        let in_slot = |(_, of): &(&u32, &u32)| **of == slot;
                        before.serving.iter().find(in_slot) != after.serving.iter().find(in_slot)
                    }
                };
                assert!(is_done, "{self:?}: {before:?} became {after:?}\n{}", service.log());
            }
            Self::KillMasterInReload(pace) => {
                let next = service.observed().generation + 1;
                let reload = [&["reload", "{app}", "--no-wait"], pace.options()].concat();
                self.run(service, &reload, 0).await;
                let begun = || (service.observed().generation == next).then_some(());
                eventually("a worker of the new generation", begun).await;
                kill_master(service).await;
                self.until_settled(service, wanted.floor()).await;
                let seen = service.observed();
                let is_done = seen.generation == next && seen.renewed.len() == seen.serving.len();
                assert!(is_done, "{self:?}: {seen:?}\n{}", service.log());
            }
            Self::KillMaster => {
                let before = service.observed().serving;
                kill_master(service).await;
                assert_eq!(service.observed().serving, before, "{self:?}\n{}", service.log());
            }
            Self::Upgrade => {
                let (master, before) = (service.master().await, service.observed().serving);
                self.run(service, &["upgrade"], 0).await;
                assert_ne!(service.master().await, master, "{self:?}");
                assert_eq!(service.observed().serving, before, "{self:?}\n{}", service.log());
            }
        }
        service.note(Life::Floor(wanted.floor()));
    }

    /// How many have to serve all the while, of those that serve.
    fn floor(self, serving: u32) -> u32 {
        match self {
            Self::Scale(count) | Self::KillMastersDuring(Operation::Scale(count), _) => serving.min(count),
            Self::Reload(pace)
            | Self::ReloadInVain(pace, _)
            | Self::KillMasterInReload(pace)
            | Self::KillMastersDuring(Operation::Reload(pace), _) => serving - pace.missing(),
            Self::ScaleInVain(..)
            | Self::Renew(_)
            | Self::Resume(_)
            | Self::KillMaster
            | Self::KillMastersDuring(Operation::Renew(_), _)
            | Self::Upgrade => serving,
            Self::Restart(_)
            | Self::KillMastersDuring(Operation::Restart(_), _)
            | Self::StopAndStart(_)
            | Self::Suspend(_)
            | Self::Kill(_)
            | Self::CrashLoop(_) => serving - 1,
            Self::RestartAll => 0,
        }
    }

    /// Waits until nothing is under way, and exactly this many workers serve.
    async fn until_settled(self, service: &Service, count: u32) {
        let begin = now();
        loop {
            let status = service.status().await;
            let workers = status["workers"].as_array().map_or(0, Vec::len);
            let are_alone = workers == count as usize && service.observed().serving.len() == workers;
            if status["operation"].is_null() && status["phase"] == "started" && are_alone {
                return;
            }
            let seen = service.observed();
            assert!(begin.elapsed() < PATIENCE, "{self:?}: {status} {seen:?}\n{}", service.log());
        }
    }

    async fn run(self, service: &Service, args: &[&str], code: i32) {
        let said = service.run(args).await;
        assert_eq!(said.code, Some(code), "{self:?}: {}\n{}", said.stderr, service.log());
    }
}

impl Operation {
    /// As a command that does not wait for its end.
    fn args(self) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        match self {
            Self::Reload(pace) => words(&[&["reload", "{app}", "--no-wait"], pace.options()].concat()),
            Self::Scale(count) => words(&["scale", "--no-wait", &format!("{{app}}={count}")]),
            Self::Restart(slot) => words(&["restart", "--no-wait", &worker(slot)]),
            Self::Renew(slot) => words(&["restart", "--no-wait", "--surge", &worker(slot)]),
        }
    }
}

impl Pace {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::OneByOne, Self::AllAtOnce, Self::OneMissing];

    /// How it is asked for.
    pub const fn options(self) -> &'static [&'static str] {
        match self {
            Self::OneByOne => &[],
            Self::AllAtOnce => &["--max-surge", "100%"],
            Self::OneMissing => &["--max-surge", "0", "--max-unavailable", "1"],
        }
    }

    /// How many may be missing meanwhile.
    const fn missing(self) -> u32 {
        match self {
            Self::OneByOne | Self::AllAtOnce => 0,
            Self::OneMissing => 1,
        }
    }
}

/// Kills it, and waits for the next one.
async fn kill_master(service: &Service) {
    let master = service.master().await;
    signal(master, Signal::SIGKILL);
    // It waits in the queue of the socket until that one answers.
    assert_ne!(service.master().await, master);
}

fn worker(slot: u32) -> String {
    format!("{{app}}/{slot}")
}

/// Who serves in a slot.
fn serving_in(service: &Service, slot: u32) -> Option<u32> {
    let serving = service.observed().serving;
    serving.into_iter().find_map(|(pid, of)| (of == slot).then_some(pid))
}

fn set_version(service: &Service, version: Version, since: u64) {
    service.notes().set_version(version, since).expect("the version can be written");
}
