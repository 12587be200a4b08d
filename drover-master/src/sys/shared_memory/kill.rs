//! A process that is killed after so many of its steps: from then on it does nothing more.

use std::cell::Cell;

thread_local! {
    static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Kills what this thread does after so many steps; none: never.
pub(crate) fn after(steps: Option<u64>) {
    LEFT.set(steps);
}

/// Whether it lives.
pub(crate) fn lives() -> bool {
    LEFT.get() != Some(0)
}

/// Takes a step. Whether it lives to do so.
pub(crate) fn step() -> bool {
    let left = LEFT.get();
    LEFT.set(left.map(|left| left.saturating_sub(1)));
    left != Some(0)
}
