//! Which cells for pids are in use, as this master knows it.

use std::collections::BTreeSet;

use crate::sys::{PidCell, highest_cell};

/// The cells of workers that were born, or are about to be.
#[derive(Debug, Default)]
pub(super) struct Cells {
    used: BTreeSet<u32>,
    /// Those below the highest that nobody uses, once somebody has asked for one.
    free: Option<Vec<u32>>,
    highest: u32,
}

impl Cells {
    /// One that an earlier master had in use.
    pub(super) fn keep(&mut self, cell: PidCell) {
        self.used.insert(cell.number());
    }

    pub(super) fn take(&mut self) -> Option<PidCell> {
        let Self { used, free, highest } = self;
        let free = free.get_or_insert_with(|| {
            *highest = highest_cell();
            (1..=*highest).rev().filter(|number| !used.contains(number)).collect()
        });
        let number = free.pop().unwrap_or_else(|| {
            *highest += 1;
            *highest
        });
        let cell = PidCell::numbered(number)?;
        cell.clear();
        used.insert(number);
        Some(cell)
    }

    pub(super) fn give_back(&mut self, cell: PidCell) {
        cell.clear();
        if self.used.remove(&cell.number())
            && let Some(free) = &mut self.free
        {
            free.push(cell.number());
        }
    }

    pub(super) fn clear_stray(&self, pid: i32) {
        let cells = (1..=highest_cell()).filter_map(PidCell::numbered);
        cells
            .filter(|cell| cell.pid() == pid && !self.used.contains(&cell.number()))
            .for_each(PidCell::clear);
    }

    /// The pids in cells that are nobody's.
    pub(super) fn strays(&self) -> Vec<i32> {
        let nobodys = (1..=highest_cell()).filter(|number| !self.used.contains(number));
        nobodys.filter_map(PidCell::numbered).map(PidCell::pid).filter(|pid| *pid > 0).collect()
    }
}
