//! What the worker has subscribed to, for the connection that follows a lost one.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

/// Topics that the master has confirmed: at most as many as it allows a worker, which are 256.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Mutex<BTreeSet<String>>);

impl Subscriptions {
    pub(crate) fn add(&self, topic: &str) {
        self.topics().insert(topic.to_owned());
    }

    pub(crate) fn remove(&self, topic: &str) {
        self.topics().remove(topic);
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.topics().iter().cloned().collect()
    }

    fn topics(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().expect("never poisoned: nothing inside panics")
    }
}
