//! What a child tells of the steps that failed: records of a step, which limit, and the errno.

use crate::machine::exit::SpawnStep;

use super::SpawnError;

/// The size of one record: step and whether it is the end, which limit, errno.
pub(super) const RECORD: usize = 4;

/// How many a child can write: one for each limit that can be passed over (`getrlimit(2)` knows 16), for the priority and for
/// the score, and the end.
pub(super) const RECORDS: usize = 32;

/// Set in the first byte of a record after which the child has ended.
const IS_END: u8 = 0x80;

/// The steps of the child.
const CHILD_STEPS: [SpawnStep; 12] = [
    SpawnStep::ProcessGroup,
    SpawnStep::Descriptors,
    SpawnStep::OomScoreAdj,
    SpawnStep::Nice,
    SpawnStep::Limits,
    SpawnStep::Groups,
    SpawnStep::Group,
    SpawnStep::User,
    SpawnStep::WorkingDirectory,
    SpawnStep::ParentDeathSignal,
    SpawnStep::Signals,
    SpawnStep::Exec,
];

/// Records that are written without allocation.
#[derive(Debug)]
pub(super) struct Memory {
    records: [[u8; RECORD]; RECORDS],
    count: usize,
}

impl Memory {
    pub(super) const fn new() -> Self {
        Self { records: [[0; RECORD]; RECORDS], count: 0 }
    }

    /// The last one counts, should they be more than there is room for.
    pub(super) fn push(&mut self, record: [u8; RECORD]) {
        let at = self.count.min(RECORDS - 1);
        self.records[at] = record;
        self.count = at + 1;
    }

    pub(super) fn told(&self) -> Result<Vec<SpawnError>, SpawnError> {
        told(self.records[..self.count].as_flattened())
    }
}

pub(super) fn record(step: SpawnStep, which: u8, errno: i32, is_end: bool) -> [u8; RECORD] {
    let [low, high, ..] = errno.to_le_bytes();
    [step as u8 | if is_end { IS_END } else { 0 }, which, low, high]
}

/// What a child has reported: what it passed over, or what it failed at.
pub(super) fn told(report: &[u8]) -> Result<Vec<SpawnError>, SpawnError> {
    let mut passed_over = Vec::new();
    for record in report.chunks_exact(RECORD) {
        let &[step, which, low, high] = record else { continue };
        let number = step & !IS_END;
        let error = SpawnError {
            step: CHILD_STEPS.into_iter().find(|step| *step as u8 == number).unwrap_or(SpawnStep::Exec),
            errno: i32::from(u16::from_le_bytes([low, high])),
            which: usize::from(which),
        };
        if step & IS_END != 0 {
            return Err(error);
        }
        passed_over.push(error);
    }
    Ok(passed_over)
}
