//! What a master writes down for the next one: records, each with a checksum, in memory that the keeper holds (`memfd_create(2)`).
//!
//! ```text
//!  0          8        16
//!  ┌──────────┬────────┬───────────────┬─────────────────────────┬──────────┬─────
//!  │ DROVERJ1 │ start  │ given back    │ length checksum kind …  │ length … │ end
//!  └──────────┴────┬───┴───────────────┴─────────────────────────┴──────────┴─────
//!                  └──────────────────► what is told from here is all there is to know
//! ```
//!
//! Records are only added. Now and then the whole is written anew behind them; then one write moves the start there, and what lies
//! before it is given back to the kernel (`fallocate(2)`, FALLOC_FL_PUNCH_HOLE). So a master that dies at any moment leaves either the one or the other.
//! A record that it had not written to the end is not there.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::holds::{Hold, Holds};

const MAGIC: [u8; 8] = *b"DROVERJ1";

/// Where the first record can be.
const FIRST: u64 = 16;

/// Length and checksum.
const HEAD: usize = 8;

/// The longest record. More is a mistake, or not a record.
const MAX_RECORD: usize = 64 * 1024 * 1024;

/// How much may be added before the whole is written anew, at least: a few hundred records.
const LONG: u64 = 128 * 1024;

/// A kind of record, given by whoever keeps the journal.
pub(crate) type RecordKind = u8;

/// One record: its kind, and its bytes.
pub(crate) type JournalRecord = (RecordKind, Vec<u8>);

/// A journal that is written.
#[derive(Debug)]
pub(crate) struct Journal {
    memory: File,
    /// By whom and under which name it is to be held, as long as it is not.
    to_be_held: Option<(Holds, String)>,
    hold: Hold,
    start: u64,
    end: u64,
    /// Where what was written anew ended.
    whole: u64,
}

impl Journal {
    /// Begins an empty one under this name. It is held from when the [whole](Self::renew) is written for the first time: what tells nothing
    /// is nothing that another master could go on with. There is none without a keeper.
    pub(crate) fn begin(holds: &Holds, name: &str) -> io::Result<Option<Self>> {
        if holds.keeper().is_none() {
            return Ok(None);
        }
        let memory = File::from(memfd_create(c"drover-state", MFdFlags::MFD_CLOEXEC)?);
        let mut head = [0; FIRST as usize];
        head[..8].copy_from_slice(&MAGIC);
        head[8..].copy_from_slice(&FIRST.to_le_bytes());
        memory.write_all_at(&head, 0)?;
        let to_be_held = Some((holds.clone(), name.to_owned()));
        Ok(Some(Self { memory, to_be_held, hold: Hold::default(), start: FIRST, end: FIRST, whole: FIRST }))
    }

    /// An empty one that nobody holds.
    #[cfg(test)]
    pub(crate) fn unheld() -> Self {
        let memory = File::from(memfd_create(c"test", MFdFlags::MFD_CLOEXEC).expect("a memory can be made"));
        let mut head = [0; FIRST as usize];
        head[..8].copy_from_slice(&MAGIC);
        head[8..].copy_from_slice(&FIRST.to_le_bytes());
        memory.write_all_at(&head, 0).expect("it can be written");
        Self { memory, to_be_held: None, hold: Hold::default(), start: FIRST, end: FIRST, whole: FIRST }
    }

    /// All that was written and tells something, as it lies there.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        read(&self.memory).expect("it can be read").1
    }

    /// The records in what lies there.
    #[cfg(test)]
    pub(crate) fn records_of(bytes: &[u8]) -> Vec<JournalRecord> {
        records(bytes).0
    }

    /// Takes over what an earlier master has written under this name, if it has.
    ///
    /// # Errors
    ///
    /// What a read says; `InvalidData` for what is not a journal.
    pub(crate) fn resume(holds: &Holds, name: &str) -> io::Result<Option<(Self, Vec<JournalRecord>)>> {
        let Some(memory) = holds.take(name) else { return Ok(None) };
        let memory = File::from(memory);
        let (start, bytes) = read(&memory)?;
        let (records, length) = records(&bytes);
        let end = start + length as u64;
        let hold = holds.hold(name, memory.as_fd());
        Ok(Some((Self { memory, to_be_held: None, hold, start, end, whole: end }, records)))
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// What a write says: no memory. Then it is not there, and neither is any after it.
    pub(crate) fn add(&mut self, kind: RecordKind, bytes: &[u8]) -> io::Result<()> {
        let record = record(kind, bytes)?;
        self.memory.write_all_at(&record, self.end)?;
        self.end += record.len() as u64;
        Ok(())
    }

    /// Whether it is time to write the whole anew: so seldom that it costs less than the records.
    pub(crate) const fn is_long(&self) -> bool {
        let (added, whole) = (self.end - self.whole, self.whole - self.start);
        added > LONG && added > whole
    }

    /// Writes the whole anew.
    ///
    /// # Errors
    ///
    /// What a write says. Then all is as before.
    pub(crate) fn renew(&mut self, whole: &[JournalRecord]) -> io::Result<()> {
        let mut all = Vec::new();
        for (kind, bytes) in whole {
            all.extend(record(*kind, bytes)?);
        }
        let start = self.end;
        self.memory.write_all_at(&all, start)?;
        self.memory.write_all_at(&start.to_le_bytes(), 8)?;
        (self.start, self.end, self.whole) = (start, start + all.len() as u64, start + all.len() as u64);
        if let Some((holds, name)) = self.to_be_held.take() {
            self.hold = holds.hold(name, self.memory.as_fd());
        }
        // What is not given back only costs memory.
        let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let _ = fallocate(&self.memory, hole, FIRST as i64, (start - FIRST) as i64);
        Ok(())
    }
}

fn record(kind: RecordKind, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let length = bytes.len() + 1;
    if length > MAX_RECORD {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("a record of {length} bytes")));
    }
    let mut record = Vec::with_capacity(HEAD + length);
    record.extend((length as u32).to_le_bytes());
    record.extend([0; 4]);
    record.push(kind);
    record.extend(bytes);
    let checksum = crc32fast::hash(&record[HEAD..]);
    record[4..HEAD].copy_from_slice(&checksum.to_le_bytes());
    Ok(record)
}

fn read(memory: &File) -> io::Result<(u64, Vec<u8>)> {
    let not_one = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let length = memory.metadata()?.len();
    let mut head = [0; FIRST as usize];
    memory.read_exact_at(&mut head, 0)?;
    let (magic, start) = head.split_at(8);
    if magic != MAGIC {
        return Err(not_one("the state is not a journal of this format"));
    }
    let start = u64::from_le_bytes(start.try_into().unwrap_or_default());
    if start < FIRST || start > length {
        return Err(not_one("the state begins where there is nothing"));
    }
    let mut bytes = vec![0; usize::try_from(length - start).map_err(|_| not_one("the state is too large"))?];
    memory.read_exact_at(&mut bytes, start)?;
    Ok((start, bytes))
}

/// The records up to the first that is not whole, and their length.
fn records(bytes: &[u8]) -> (Vec<JournalRecord>, usize) {
    let (mut records, mut at) = (Vec::new(), 0);
    while let Some(head) = bytes.get(at..at + HEAD) {
        let word = |part: &[u8]| u32::from_le_bytes(part.try_into().unwrap_or_default());
        let (length, checksum) = (word(&head[..4]) as usize, word(&head[4..]));
        if length == 0 || length > MAX_RECORD {
            break;
        }
        let Some(body) = bytes.get(at + HEAD..at + HEAD + length) else { break };
        if crc32fast::hash(body) != checksum {
            break;
        }
        records.push((body[0], body[1..].to_vec()));
        at += HEAD + length;
    }
    (records, at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(journal: &Journal) -> Vec<JournalRecord> {
        records(&read(&journal.memory).unwrap().1).0
    }

    #[test]
    fn what_is_written_anew_takes_the_place_of_what_was_there_and_memory_stays_small() {
        use std::os::unix::fs::MetadataExt;
        let mut journal = Journal::unheld();
        for round in 0_u32..2_000 {
            journal.add(1, &vec![7; 1000]).unwrap();
            if journal.is_long() {
                journal.renew(&[(2, round.to_le_bytes().to_vec()), (3, Vec::new())]).unwrap();
                assert_eq!(told(&journal), [(2, round.to_le_bytes().to_vec()), (3, Vec::new())]);
            }
        }
        journal.add(4, b"after").unwrap();
        assert_eq!(told(&journal).last(), Some(&(4, b"after".to_vec())));
        let held = journal.memory.metadata().unwrap().blocks() * 512;
        assert!(held < 2 * LONG + 16 * 4096, "{held} bytes");
    }

    proptest! {
        #[test]
        fn a_journal_that_was_cut_or_damaged_tells_what_comes_before_and_nothing_wrong(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..8),
            cut: prop::sample::Index, flipped: prop::sample::Index, bit in 0_u8..8,
        ) {
            let mut journal = Journal::unheld();
            let all: Vec<JournalRecord> = bodies.into_iter().map(|body| (9, body)).collect();
            for (kind, body) in &all {
                journal.add(*kind, body).unwrap();
            }
            let bytes = read(&journal.memory).unwrap().1;
            prop_assert_eq!(&records(&bytes).0, &all);
            let (cut, _) = records(&bytes[..cut.index(bytes.len())]);
            prop_assert_eq!(&cut[..], &all[..cut.len()]);
            let mut damaged = bytes;
            let at = flipped.index(damaged.len());
            damaged[at] ^= 1 << bit;
            let (left, _) = records(&damaged);
            prop_assert!(left.len() < all.len());
            prop_assert_eq!(&left[..], &all[..left.len()]);
        }
    }
}
