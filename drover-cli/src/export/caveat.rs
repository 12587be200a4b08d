//! What of a file has no counterpart where it goes, or does not do there what it says.

use serde::Serialize;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Caveat {
    /// The key of drover.toml.
    pub(crate) key: String,
    /// What is wrong, and what to do.
    pub(crate) text: String,
}

impl Caveat {
    pub(super) fn new(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { key: key.into(), text: text.into() }
    }
}
