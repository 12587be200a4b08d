//! The newest events, written down for another master, so that their numbers go on and what happened can still be looked at.

use std::io;
use std::sync::Arc;

use super::event::Event;
use crate::keeper::{Holds, Journal, JournalRecord};
use crate::state::{decode, encode};

/// Where they are held.
const NAME: &str = "events";

/// How many of the newest are kept, at least. More are in the memory of a master; each costs some hundred bytes here as well.
const KEPT: usize = 512;

/// The kinds of records. A number is never given twice.
mod kind {
    pub(super) const EVENT: u8 = 1;
    /// The number of the newest.
    pub(super) const LAST: u8 = 2;
}

#[derive(Debug)]
pub(super) struct EventMemory(Journal);

impl EventMemory {
    /// Begins, or goes on where an earlier master was; with the number of the newest event, and those that are kept.
    pub(super) fn open(holds: &Holds) -> Option<(Self, u64, Vec<Arc<Event>>)> {
        let resumed = Journal::resume(holds, NAME).unwrap_or_else(|error| {
            tracing::error!(target: "drover::keeper", %error, "the events of an earlier master can't be read");
            None
        });
        if let Some((journal, records)) = resumed {
            let (last, events) = read(records);
            return Some((Self(journal), last, events));
        }
        let begun = Journal::begin(holds, NAME).and_then(|journal| {
            let Some(journal) = journal else { return Ok(None) };
            let mut memory = Self(journal);
            // Held from the whole on, which is nothing yet.
            memory.renew(0, std::iter::empty())?;
            Ok(Some(memory))
        });
        match begun {
            Ok(memory) => Some((memory?, 0, Vec::new())),
            Err(error) => {
                tracing::error!(target: "drover::keeper", %error, "events can't be written down for another master");
                None
            }
        }
    }

    pub(super) fn add(&mut self, event: &Event) -> io::Result<()> {
        self.0.add(kind::EVENT, &encode(event))
    }

    pub(super) const fn is_long(&self) -> bool {
        self.0.is_long()
    }

    /// Writes the newest of these anew.
    pub(super) fn renew<'a>(
        &mut self,
        last: u64,
        newest_first: impl Iterator<Item = &'a Arc<Event>>,
    ) -> io::Result<()> {
        let mut records: Vec<JournalRecord> =
            newest_first.take(KEPT).map(|event| (kind::EVENT, encode(&**event))).collect();
        records.push((kind::LAST, encode(&last)));
        records.reverse();
        self.0.renew(&records)
    }
}

/// One that can't be read, of another version, leaves a gap; its number is not given again.
fn read(records: Vec<JournalRecord>) -> (u64, Vec<Arc<Event>>) {
    let (mut last, mut events) = (0, Vec::new());
    for (kind, bytes) in records {
        match kind {
            kind::EVENT => match decode::<Event>(&bytes) {
                Ok(event) => {
                    last = last.max(event.seq);
                    events.push(Arc::new(event));
                }
                Err(_) => last += 1,
            },
            kind::LAST => last = last.max(decode(&bytes).unwrap_or(0)),
            _ => {}
        }
    }
    (last, events)
}

#[cfg(test)]
mod tests {
    use super::super::event_log::EventLog;
    use super::*;
    use crate::keeper::TestKeeper;
    use crate::machine::fleet::{EventKind, FleetEvent};
    use crate::machine::phase::Phase;

    #[test]
    fn numbers_go_on_and_the_newest_are_there_after_the_master_was_killed() {
        let (mut keeper, holds) = TestKeeper::new();
        let log = EventLog::new();
        log.keep(&holds);
        let publish = |log: &EventLog| {
            let kind = EventKind::AppStarting;
            log.publish(&"web".into(), FleetEvent { worker: None, phase: Phase::Starting, kind })
        };
        let first = publish(&log);
        let holds = keeper.crash(&holds, log);
        let log = EventLog::new();
        log.keep(&holds);
        assert_eq!((log.last_seq(), log.since(0).try_next()), (1, Some(Ok(first))));
        for _ in 0..1_999 {
            publish(&log);
        }
        let newest = publish(&log);
        let holds = keeper.crash(&holds, log);
        let log = EventLog::new();
        log.keep(&holds);
        assert_eq!(log.last_seq(), 2_001);
        let found = log.since(2_000).try_next().map(|found| found.map(|event| (*event).clone()));
        assert_eq!(found, Some(Ok((*newest).clone())));
        assert!(log.since(2_001 - KEPT as u64).try_next().is_some_and(|found| found.is_ok()));
        assert_eq!(publish(&log).seq, 2_002);
    }
}
