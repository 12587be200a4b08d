//! What a supervisor writes down, so that another master can go on where it was: its apps, and every input of the composite since.
//!
//! What is written of one app is its driver's.

use std::io;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::change::ChangeMemory;
use crate::config::{AppSpec, Description};
use crate::keeper::{Holds, Journal, JournalRecord, SUPERVISOR};
use crate::machine::composite::{AppIndex, Composite, CompositeAction, CompositeInput};
use crate::state::{StateError, decode, encode};

/// The kinds of its records. A number is never given twice.
mod kind {
    /// All there is.
    pub(super) const WHOLE: u8 = 1;
    /// What the composite was told next, and when.
    pub(super) const INPUT: u8 = 2;
    /// What the composite wanted done up to here is done.
    pub(super) const DONE: u8 = 3;
}

/// One app of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AppMemory {
    pub(crate) index: AppIndex,
    pub(crate) spec: AppSpec,
    /// Its earlier descriptions, oldest first.
    #[serde(default)]
    pub(crate) past: Vec<AppSpec>,
}

/// All there is, but the composite.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SupervisorState {
    pub(crate) apps: Vec<AppMemory>,
    /// What holds for all of them.
    pub(crate) settings: Description,
    pub(crate) last_index: AppIndex,
    /// Whether the start was asked for.
    pub(crate) has_begun: bool,
    /// The change under way.
    #[serde(default)]
    pub(crate) change: Option<ChangeMemory>,
    /// How many signals have asked for the end.
    #[serde(default)]
    pub(crate) signals: u32,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct SupervisorRemembered {
    pub(crate) whole: SupervisorState,
    pub(crate) composite: Composite,
    /// What the composite wanted done, and perhaps was not.
    pub(crate) undone: Vec<CompositeAction>,
}

/// What is written down by now.
#[derive(Debug)]
pub(crate) struct SupervisorMemory(Journal);

impl SupervisorMemory {
    /// Begins to write; None without a keeper.
    pub(crate) fn begin(holds: &Holds) -> Option<Self> {
        match Journal::begin(holds, SUPERVISOR) {
            Ok(journal) => Some(Self(journal?)),
            Err(error) => {
                tracing::error!(target: "drover::keeper", %error, "what runs can't be written down for another master");
                None
            }
        }
    }

    /// Reads what an earlier master has written, if it has come so far.
    ///
    /// # Errors
    ///
    /// It can't be read.
    pub(crate) fn resume(holds: &Holds) -> io::Result<Option<(Self, SupervisorRemembered)>> {
        let Some((journal, records)) = Journal::resume(holds, SUPERVISOR)? else { return Ok(None) };
        let read = read(records).map_err(io::Error::other)?;
        Ok(read.map(|read| (Self(journal), read)))
    }

    pub(super) fn told(&mut self, at: Instant, input: &CompositeInput) -> io::Result<()> {
        self.0.add(kind::INPUT, &encode(&CompositeToldRef { at, input }))
    }

    pub(super) fn done(&mut self) -> io::Result<()> {
        self.0.add(kind::DONE, b"")
    }

    pub(super) const fn is_long(&self) -> bool {
        self.0.is_long()
    }

    pub(super) fn renew(&mut self, whole: &SupervisorState, composite: &Composite) -> io::Result<()> {
        self.0.renew(&[(kind::WHOLE, encode(&(whole, composite)))])
    }
}

fn read(records: Vec<JournalRecord>) -> Result<Option<SupervisorRemembered>, StateError> {
    let mut found: Option<(SupervisorState, Composite)> = None;
    let mut undone = Vec::new();
    for (kind, bytes) in records {
        match kind {
            kind::WHOLE => (found, undone) = (Some(decode(&bytes)?), Vec::new()),
            kind::INPUT => {
                let CompositeTold { at, input } = decode(&bytes)?;
                if let Some((_, composite)) = &mut found {
                    undone.extend(composite.handle(at, input));
                }
            }
            kind::DONE => undone.clear(),
            // Of a later version, which has written the rest so that it can be done without.
            _ => {}
        }
    }
    Ok(found.map(|(mut whole, composite)| {
        // It may have been asked for since the whole was written: to ask again would start nothing.
        whole.has_begun |= composite.has_begun();
        SupervisorRemembered { whole, composite, undone }
    }))
}

#[derive(Serialize)]
struct CompositeToldRef<'a> {
    #[serde(with = "crate::written")]
    at: Instant,
    input: &'a CompositeInput,
}

#[derive(Deserialize)]
struct CompositeTold {
    #[serde(with = "crate::written")]
    at: Instant,
    input: CompositeInput,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Command, FixedSettings, Strategy};
    use crate::handle::Master;
    use crate::keeper::TestKeeper;
    use crate::machine::composite::{CompositeRules, Plan, Standing};

    #[test]
    fn a_start_that_was_asked_for_since_the_whole_was_written_is_not_asked_for_again() {
        let builder = Master::builder("web", Command::new("true"));
        let spec = builder.spec();
        let (strategy, shutdown_timeout) = (Strategy::default(), Duration::from_secs(10));
        let rules = CompositeRules { keep_going: false, strategy, shutdown_timeout };
        let composite = Composite::new(Plan::of([spec]).unwrap(), rules);
        let whole = SupervisorState {
            apps: vec![AppMemory { index: 0, spec: spec.clone(), past: Vec::new() }],
            settings: Description {
                apps: Vec::new(),
                strategy,
                shutdown_timeout,
                fixed: FixedSettings::default(),
            },
            last_index: 0,
            has_begun: false,
            change: None,
            signals: 0,
        };
        for is_asked in [false, true] {
            let (mut keeper, holds) = TestKeeper::new();
            let mut memory = SupervisorMemory::begin(&holds).unwrap();
            memory.renew(&whole, &composite).unwrap();
            if is_asked {
                memory.told(tokio::time::Instant::now().into_std(), &CompositeInput::StartRequested).unwrap();
            }
            let holds = keeper.crash(&holds, memory);
            let (_, read) = SupervisorMemory::resume(&holds).unwrap().unwrap();
            assert_eq!(read.whole.has_begun, is_asked);
            let standing = if is_asked { Standing::Starting } else { Standing::Idle };
            assert_eq!(read.composite.standing(0), Some(standing));
        }
    }
}
