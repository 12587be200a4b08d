//! How many lines of each app its files have not got, over the lives of its workers and of its thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// By app; as many as there ever were names.
static LOST: Mutex<BTreeMap<Arc<str>, LostLines>> = Mutex::new(BTreeMap::new());

/// The count of one app. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(super) struct LostLines(Arc<AtomicU64>);

impl LostLines {
    /// That of this app.
    pub(super) fn of(app: &Arc<str>) -> Self {
        LOST.lock().unwrap_or_else(PoisonError::into_inner).entry(Arc::clone(app)).or_default().clone()
    }

    pub(super) fn add(&self, lines: u64) {
        self.0.fetch_add(lines, Ordering::Relaxed);
    }
}

/// How many lines of an app are in none of its files.
#[cfg(any(feature = "http", test))]
pub(crate) fn lost_lines(app: &str) -> u64 {
    let lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
    lost.get(app).map_or(0, |lost| lost.0.load(Ordering::Relaxed))
}
