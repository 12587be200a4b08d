//! What was counted of events, written down for another master.
//!
//! It is written whole, and not for each event: those that came after are counted again by the next master, to which the newest events are
//! left as well.

use std::io;

use super::EventCounts;
use crate::keeper::{Holds, Journal};
use crate::state::{decode, encode};

/// Where it is held.
const NAME: &str = "metrics";

/// The kind of the record. A number is never given twice.
const COUNTS: u8 = 1;

/// After how many events it is written again: half of those that every next master is left. Less costs time, 0.5 ms for each 1,000 slots.
pub(in crate::http) const EVENTS: u64 = 256;

#[derive(Debug)]
pub(in crate::http) struct CountMemory(Journal);

impl CountMemory {
    /// Begins, or goes on where an earlier master was, with what that had counted. None without a keeper.
    pub(in crate::http) fn open(holds: &Holds) -> (Option<Self>, EventCounts) {
        let left = Journal::resume(holds, NAME).unwrap_or_else(|error| {
            tracing::error!(target: "drover::keeper", %error, "what an earlier master has counted can't be read: counts of events begin anew");
            None
        });
        let (journal, counts) = match left {
            Some((journal, records)) => (Ok(Some(journal)), read(&records)),
            None => (Journal::begin(holds, NAME), EventCounts::default()),
        };
        let memory = journal.and_then(|journal| {
            let Some(mut memory) = journal.map(Self) else { return Ok(None) };
            memory.write(&counts)?;
            Ok(Some(memory))
        });
        let memory = memory.unwrap_or_else(|error| {
            tracing::error!(target: "drover::keeper", %error, "counts of events will begin anew with the next master");
            None
        });
        (memory, counts)
    }

    /// Writes it in the place of what was there.
    pub(in crate::http) fn write(&mut self, counts: &EventCounts) -> io::Result<()> {
        self.0.renew(&[(COUNTS, encode(counts))])
    }
}

fn read(records: &[(u8, Vec<u8>)]) -> EventCounts {
    let found = records.iter().rev().find(|(kind, _)| *kind == COUNTS);
    let Some((_, bytes)) = found else { return EventCounts::default() };
    decode(bytes).unwrap_or_else(|error| {
        tracing::warn!(target: "drover::keeper", %error, "an earlier master, of another version, counted otherwise: counts of events begin anew");
        EventCounts::default()
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::handle::{Event, Missed};
    use crate::keeper::TestKeeper;
    use crate::machine::fleet::EventKind;
    use crate::machine::phase::Phase;

    #[test]
    fn another_master_counts_on_from_where_it_was_written_down() {
        let (mut keeper, holds) = TestKeeper::new();
        let (memory, mut counts) = CountMemory::open(&holds);
        assert_eq!(counts.counted(), 0);
        for seq in 1..=3 {
            counts.happened(&event(seq));
        }
        counts.missed(Missed { count: 4, next_seq: 8 });
        counts.follow(7);
        let mut memory = memory.unwrap();
        memory.write(&counts).unwrap();
        counts.happened(&event(8));
        let holds = keeper.crash(&holds, memory);
        let (memory, counts) = CountMemory::open(&holds);
        assert_eq!((counts.counted(), counts.events, counts.missed), (7, 3, 4));
        let mut anew = counts;
        anew.follow(6);
        assert_eq!((anew.counted(), anew.events), (0, 3), "the log could not be kept");
        let mut unread = memory.unwrap();
        // Of a version that counts otherwise.
        unread.0.renew(&[(COUNTS, b"[1]".to_vec())]).unwrap();
        let holds = keeper.crash(&holds, unread);
        let (memory, counts) = CountMemory::open(&holds);
        assert_eq!(counts.counted(), 0);
        assert!(memory.is_some());
        assert_eq!(keeper.held(), [NAME]);
    }

    #[test]
    fn without_a_keeper_nothing_is_written() {
        let (memory, counts) = CountMemory::open(&Holds::default());
        assert!(memory.is_none());
        assert_eq!(counts.counted(), 0);
    }

    fn event(seq: u64) -> Event {
        Event {
            seq,
            time: SystemTime::UNIX_EPOCH,
            at: tokio::time::Instant::now().into_std(),
            app: "web".into(),
            worker: None,
            phase: Phase::Starting,
            kind: EventKind::AppStarting,
        }
    }
}
