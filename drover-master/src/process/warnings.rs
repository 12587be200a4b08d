//! Warnings about what workers are given, each told once.

use std::collections::HashSet;
use std::sync::Arc;

/// How many warnings are remembered, so that each is given once an app. Beyond it all are forgotten, and may come again.
const REMEMBERED: usize = 1024;

/// The warnings that were given, and are not repeated for every worker.
#[derive(Debug, Default)]
pub(super) struct Warnings(HashSet<(Arc<str>, String)>);

impl Warnings {
    pub(super) fn warn(&mut self, app: &Arc<str>, sentence: String) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        if self.0.insert((Arc::clone(app), sentence.clone())) {
            tracing::warn!(target: "drover::process", %app, "{sentence}");
        }
    }
}
