//! What a driver writes down, so that another master can go on where it was: its fleet, every input since, and what it holds of each worker.
//!
//! The order is what makes it safe (`docs/design/keeper.md`): an input is written before it changes the fleet, and so before anything is done
//! for it; that a worker is to be born, before it is; how it ended, before it is reaped.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::ids::{Generation, WorkerId};
use crate::keeper::{Holds, Journal, JournalRecord};
use crate::link::Token;
use crate::machine::exit::{ExitStatus, Usage};
use crate::machine::fleet::{Fleet, FleetAction, FleetInput, Release};
use crate::machine::worker::Identity;
use crate::process::Stamp;
use crate::state::{Encoded, Specs, StateError, decode, encode};
use crate::sys::PidCell;

/// The kinds of its records. A number is never given twice.
mod kind {
    /// A description, by its number.
    pub(super) const SPEC: u8 = 1;
    /// The fleet as it is.
    pub(super) const FLEET: u8 = 2;
    /// What the fleet was told next, and when.
    pub(super) const INPUT: u8 = 3;
    /// What the fleet wanted done up to here is done.
    pub(super) const DONE: u8 = 4;
    pub(super) const EDITION: u8 = 5;
    pub(super) const WORKER: u8 = 6;
    pub(super) const FORGOTTEN: u8 = 7;
    /// The last number that somebody waits by.
    pub(super) const TICKET: u8 = 8;
}

/// What is written of a generation.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EditionMemory {
    pub(super) release: Release,
    pub(super) follows: bool,
    /// Whether its workers speak with the master.
    pub(super) speaks: bool,
}

/// What is written of a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct WorkerMemory {
    pub(super) identity: Identity,
    token: Option<String>,
    /// Where the kernel writes its pid; 0: nowhere.
    cell: u32,
    stamp: Option<u64>,
    /// How its process ended.
    pub(super) death: Option<(ExitStatus, Usage)>,
    /// The process that it has named as its main one.
    /// With when it began, by which it is told from others of its number.
    pub(super) main: Option<(u32, u64)>,
}

impl WorkerMemory {
    pub(super) fn new(
        identity: Identity,
        token: Option<&Token>,
        cell: Option<PidCell>,
        stamp: Option<Stamp>,
    ) -> Self {
        Self {
            identity,
            token: token.map(|token| token.as_str().to_owned()),
            cell: cell.map_or(0, PidCell::number),
            stamp: stamp.map(Stamp::number),
            death: None,
            main: None,
        }
    }

    pub(super) fn token(&self) -> Option<Token> {
        self.token.as_deref().map(Token::from)
    }

    pub(super) fn cell(&self) -> Option<PidCell> {
        PidCell::numbered(self.cell)
    }

    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.stamp.map(Stamp::numbered)
    }
}

/// What was read.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) fleet: Fleet,
    pub(super) editions: Vec<EditionMemory>,
    /// What the fleet wanted done when the old master died, and may not have been.
    pub(super) undone: Vec<FleetAction>,
    /// No ticket that was given has a higher number.
    pub(super) last_ticket: u64,
}

/// What is written down by now.
#[derive(Debug)]
pub(super) struct DriverMemory {
    journal: Journal,
    specs: Specs,
    workers: BTreeMap<WorkerId, WorkerMemory>,
}

impl DriverMemory {
    /// Begins to write down what there is; None without a keeper.
    pub(super) fn begin(holds: &Holds, app: &str) -> Option<Self> {
        match Journal::begin(holds, &name(app)) {
            Ok(journal) => {
                Some(Self { journal: journal?, specs: Specs::default(), workers: BTreeMap::new() })
            }
            Err(error) => {
                tracing::error!(target: "drover::keeper", app, %error, "what runs can't be written down for another master");
                None
            }
        }
    }

    /// Reads what an earlier master has written of this app, if it has.
    pub(super) fn resume(holds: &Holds, app: &str) -> Result<Option<(Self, Remembered)>, ReadError> {
        let Some((journal, records)) = Journal::resume(holds, &name(app))? else { return Ok(None) };
        let mut memory = Self { journal, specs: Specs::default(), workers: BTreeMap::new() };
        Ok(memory.read(records)?.map(|read| (memory, read)))
    }

    /// The cells that are in use.
    pub(super) fn cells(&self) -> impl Iterator<Item = PidCell> {
        self.workers.values().filter_map(WorkerMemory::cell)
    }

    /// None if the master died before it had written anything.
    fn read(&mut self, records: Vec<JournalRecord>) -> Result<Option<Remembered>, StateError> {
        let (mut fleet, mut last_ticket): (Option<Fleet>, u64) = (None, 0);
        let mut editions: BTreeMap<Generation, EditionMemory> = BTreeMap::new();
        for (kind, bytes) in records {
            match kind {
                kind::SPEC => {
                    let (number, spec) = decode(&bytes)?;
                    self.specs.learn(number, spec);
                }
                kind::FLEET => fleet = Some(self.specs.decode(&bytes)?),
                kind::TICKET => last_ticket = decode(&bytes)?,
                kind::INPUT => {
                    // Each request that gets a ticket is told to the fleet once.
                    last_ticket += 1;
                    let FleetTold { at, input } = self.specs.decode(&bytes)?;
                    if let Some(fleet) = &mut fleet {
                        fleet.handle(at, input);
                    }
                }
                kind::DONE => {
                    if let Some(fleet) = &mut fleet {
                        while fleet.poll_action().is_some() {}
                        let _ = fleet.take_changed();
                    }
                }
                kind::EDITION => {
                    let edition: EditionMemory = self.specs.decode(&bytes)?;
                    let generation = edition.release.generation;
                    if let Some(fleet) = &mut fleet {
                        fleet.has_had(generation);
                    }
                    editions.insert(generation, edition);
                }
                kind::WORKER => {
                    let worker: WorkerMemory = decode(&bytes)?;
                    self.workers.insert(worker.identity.id, worker);
                }
                kind::FORGOTTEN => {
                    self.workers.remove(&decode(&bytes)?);
                }
                // Of a later version, which has written the rest so that it can be done without.
                _ => {}
            }
        }
        let Some(mut fleet) = fleet else { return Ok(None) };
        let undone = std::iter::from_fn(|| fleet.poll_action()).collect();
        let editions = editions.into_values().collect();
        Ok(Some(Remembered { fleet, editions, undone, last_ticket }))
    }

    /// What the fleet is about to be told.
    pub(super) fn told(&mut self, at: Instant, input: &FleetInput) -> io::Result<()> {
        self.share(kind::INPUT, &FleetToldRef { at, input })
    }

    pub(super) fn done(&mut self) -> io::Result<()> {
        self.journal.add(kind::DONE, b"")
    }

    pub(super) fn edition(&mut self, edition: &EditionMemory) -> io::Result<()> {
        self.share(kind::EDITION, edition)
    }

    /// A worker that is about to be born, or has changed.
    pub(super) fn worker(&mut self, worker: WorkerMemory) -> io::Result<()> {
        self.journal.add(kind::WORKER, &encode(&worker))?;
        self.workers.insert(worker.identity.id, worker);
        Ok(())
    }

    pub(super) fn forget(&mut self, id: WorkerId) -> io::Result<()> {
        self.workers.remove(&id);
        self.journal.add(kind::FORGOTTEN, &encode(&id))
    }

    pub(super) fn known(&self, id: WorkerId) -> Option<WorkerMemory> {
        self.workers.get(&id).cloned()
    }

    pub(super) fn workers(&self) -> Vec<WorkerMemory> {
        self.workers.values().cloned().collect()
    }

    /// Whether it is time to write all anew.
    pub(super) const fn is_long(&self) -> bool {
        self.journal.is_long()
    }

    /// Writes all anew.
    pub(super) fn renew(
        &mut self,
        fleet: &Fleet,
        editions: &[EditionMemory],
        last_ticket: u64,
    ) -> io::Result<()> {
        self.specs = Specs::default();
        let mut records = Vec::new();
        put(&mut records, kind::FLEET, self.specs.encode(fleet));
        records.push((kind::TICKET, encode(&last_ticket)));
        for edition in editions {
            put(&mut records, kind::EDITION, self.specs.encode(edition));
        }
        records.extend(self.workers.values().map(|worker| (kind::WORKER, encode(worker))));
        self.journal.renew(&records)
    }

    /// Writes something that may name descriptions, and before it those that are new.
    fn share<T: Serialize>(&mut self, kind: u8, value: &T) -> io::Result<()> {
        let mut records = Vec::new();
        put(&mut records, kind, self.specs.encode(value));
        records.iter().try_for_each(|(kind, bytes)| self.journal.add(*kind, bytes))
    }
}

fn put(records: &mut Vec<JournalRecord>, kind: u8, Encoded { new, bytes }: Encoded) {
    records.extend(new.into_iter().map(|(number, spec)| (kind::SPEC, encode(&(number, &*spec)))));
    records.push((kind, bytes));
}

fn name(app: &str) -> String {
    format!("{}app/{app}", crate::keeper::STATE)
}

/// Whether what a master has written of an app can be read.
///
/// # Errors
///
/// It can't.
pub(crate) fn check_state(holds: &Holds, app: &str) -> Result<(), ReadError> {
    DriverMemory::resume(holds, app).map(drop)
}

/// Why what an earlier master has written can't be used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) enum ReadError {
    Io(#[from] io::Error),
    State(#[from] StateError),
}

#[derive(Serialize)]
struct FleetToldRef<'a> {
    #[serde(with = "crate::written")]
    at: Instant,
    input: &'a FleetInput,
}

#[derive(Deserialize)]
struct FleetTold {
    #[serde(with = "crate::written")]
    at: Instant,
    input: FleetInput,
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
