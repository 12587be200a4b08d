//! Everything that there is at one moment.

use std::collections::BTreeSet;

/// A worker as the records know it: its place in them. A worker that replaces another has an id of its own.
pub(super) type Id = usize;
/// A process of a worker: its place among all that were ever born. Of a real pid it has what counts here: nobody has it before
/// that process is reaped.
pub(super) type Pid = usize;
/// A master, by order of birth.
pub(super) type MasterAt = usize;
/// With what a worker exited.
pub(super) type Code = u8;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) keeper: Keeper,
    pub(super) masters: Vec<Master>,
    pub(super) processes: Vec<Process>,
    /// The memory that keeper and masters share. It outlives each of the masters.
    pub(super) records: Vec<Entry>,
    pub(super) client: Client,
    /// Of the last upgrade: whether the old master went on, and whether the new one began.
    pub(super) thawed: bool,
    pub(super) committed: bool,
    pub(super) left: Bounds,
}

/// How often each thing may yet happen, so that there is an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Bounds {
    pub(super) crashes: u8,
    pub(super) exits: u8,
    pub(super) spawns: u8,
    pub(super) upgrades: u8,
    pub(super) requests: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Keeper {
    pub(super) phase: Phase,
    /// The read ends of pipes that it holds, by worker.
    pub(super) held: BTreeSet<Id>,
    /// The ends of workers that the master of now was told.
    pub(super) told: BTreeSet<Pid>,
}

/// Which masters there are, to the keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Watching {
        master: MasterAt,
    },
    /// The new one reads what there is, beside the old one, which works.
    Checking {
        old: MasterAt,
        new: MasterAt,
    },
    /// The old one was told to freeze.
    Freezing {
        old: MasterAt,
        new: MasterAt,
    },
    /// The old one was told to leave: there is no way back to it.
    Leaving {
        old: MasterAt,
        new: MasterAt,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Master {
    pub(super) phase: MasterPhase,
    /// The workers that it takes care of.
    pub(super) table: BTreeSet<(Id, Pid)>,
    pub(super) doing: Doing,
    /// The read ends that it has.
    pub(super) pipes: BTreeSet<Id>,
    /// What the keeper has sent, and it has not read.
    pub(super) inbox: Vec<ToMaster>,
    /// What it has sent, and the keeper has not read.
    pub(super) outbox: Vec<ToKeeper>,
    /// Whether the keeper knows that it is gone.
    pub(super) is_missed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum MasterPhase {
    /// It has nothing yet. `ready`: it said that it could take over.
    Loading {
        ready: bool,
    },
    Running,
    Frozen,
    Gone,
}

/// What stands between two inputs of a master: it may die there, but does not freeze there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Doing {
    Nothing,
    Spawning { id: Id, next: SpawnStep },
    Ending { id: Id, pid: Pid, next: EndStep },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum SpawnStep {
    Intend,
    Hold,
    Clone,
    /// Only where the kernel does not write the pid.
    WritePid(Pid),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum EndStep {
    Record,
    Reap,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum ToMaster {
    /// All of it is yours. The keeper's children, and how those have ended that are zombies.
    Begin(Vec<(Pid, Option<Code>)>),
    /// For this new master.
    Freeze(MasterAt),
    Thaw,
    Leave,
    Ended(Pid, Code),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ToKeeper {
    Hold(Id),
    Drop(Id),
    Ready,
    /// For this new master: an answer that comes late is not one to a later try.
    Frozen(MasterAt),
    Reap(Pid),
}

/// What the records say of one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Entry {
    pub(super) is_intended: bool,
    pub(super) pid: Option<Pid>,
    pub(super) ended: Option<Code>,
    /// Was never born.
    pub(super) is_void: bool,
    /// How often people were told of its end.
    pub(super) told: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Process {
    /// Stands in its environment, where it can be read until it has ended.
    pub(super) id: Id,
    pub(super) life: Life,
    pub(super) parent: Parent,
    pub(super) link: Link,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Life {
    Running,
    Zombie(Code),
    Reaped(Code),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Parent {
    Keeper,
    Master(MasterAt),
}

/// A connection, seen by whoever made it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Link {
    /// In the queue of a socket, which the keeper keeps open.
    Queued,
    /// Who has it; nobody: it has broken.
    Held(BTreeSet<Holder>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Holder {
    Master(MasterAt),
    /// The keeper, or the queue of messages to it: what a frozen master passes on to this new one.
    Passed(MasterAt),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Client {
    Idle,
    Waiting(Link),
    /// So often.
    Answered(u8),
    Broken,
}

impl World {
    /// One master, which runs and has nobody yet.
    pub(super) fn new(left: Bounds) -> Self {
        let mut master = Master::loading();
        master.phase = MasterPhase::Running;
        Self {
            keeper: Keeper {
                phase: Phase::Watching { master: 0 },
                held: BTreeSet::new(),
                told: BTreeSet::new(),
            },
            masters: vec![master],
            processes: Vec::new(),
            records: Vec::new(),
            client: Client::Idle,
            thawed: false,
            committed: false,
            left,
        }
    }

    /// Ends a master: the kernel closes what it had, and its children get another parent.
    pub(super) fn dies(&mut self, at: MasterAt) {
        let master = &mut self.masters[at];
        master.phase = MasterPhase::Gone;
        master.doing = Doing::Nothing;
        master.table.clear();
        master.pipes.clear();
        master.inbox.clear();
        let gone = Parent::Master(at);
        for process in self.processes.iter_mut().filter(|process| process.parent == gone) {
            process.parent = Parent::Keeper;
        }
        for holders in self.links() {
            holders.remove(&Holder::Master(at));
        }
    }

    /// Who has each connection that somebody has.
    pub(super) fn links(&mut self) -> impl Iterator<Item = &mut BTreeSet<Holder>> {
        let client = match &mut self.client {
            Client::Waiting(link) => Some(link),
            _ => None,
        };
        let links = self.processes.iter_mut().map(|process| &mut process.link).chain(client);
        links.filter_map(|link| match link {
            Link::Queued => None,
            Link::Held(holders) => Some(holders),
        })
    }

    /// Those that are not reaped.
    pub(super) fn unreaped(&self) -> impl Iterator<Item = (Pid, &Process)> {
        self.processes.iter().enumerate().filter(|(_, process)| !matches!(process.life, Life::Reaped(_)))
    }
}

impl Master {
    pub(super) fn loading() -> Self {
        Self {
            phase: MasterPhase::Loading { ready: false },
            table: BTreeSet::new(),
            doing: Doing::Nothing,
            pipes: BTreeSet::new(),
            inbox: Vec::new(),
            outbox: Vec::new(),
            is_missed: false,
        }
    }
}

impl Life {
    pub(super) const fn code(self) -> Option<Code> {
        match self {
            Self::Running => None,
            Self::Zombie(code) | Self::Reaped(code) => Some(code),
        }
    }
}
