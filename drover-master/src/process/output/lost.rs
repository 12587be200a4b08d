//! How many lines of each app its files have not got, nor the journal, over the lives of its workers and of its thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// By app; as many as there ever were names.
static LOST: Mutex<BTreeMap<(Arc<str>, LostBy), LostLines>> = Mutex::new(BTreeMap::new());

/// Who has not got a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LostBy {
    Files,
    Journal,
}

/// The count of one app. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(super) struct LostLines(Arc<AtomicU64>);

impl LostLines {
    /// That of this app.
    pub(super) fn of(app: &Arc<str>, by: LostBy) -> Self {
        let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
        lost.entry((Arc::clone(app), by)).or_default().clone()
    }

    pub(super) fn add(&self, lines: u64) {
        self.0.fetch_add(lines, Ordering::Relaxed);
    }
}

/// How many lines of an app somebody has not got who should have.
#[cfg(any(feature = "http", test))]
pub(crate) fn lost_lines(app: &str, by: LostBy) -> u64 {
    let lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
    lost.get(&(Arc::from(app), by)).map_or(0, |lost| lost.0.load(Ordering::Relaxed))
}
