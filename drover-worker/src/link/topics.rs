//! Topics that were seen lately, so that one which comes again costs no allocation.

use std::sync::Arc;

/// How many are remembered: what a worker usually deals with, found by a look at each.
const REMEMBERED: usize = 8;

/// The newest topics.
#[derive(Debug, Default)]
pub(super) struct Topics {
    known: Vec<Arc<str>>,
    oldest: usize,
}

impl Topics {
    /// The topic, shared with those before it if it is one of the newest.
    pub(super) fn shared(&mut self, topic: &str) -> Arc<str> {
        if let Some(known) = self.known.iter().find(|known| ***known == *topic) {
            return Arc::clone(known);
        }
        let topic: Arc<str> = topic.into();
        if self.known.len() < REMEMBERED {
            self.known.push(Arc::clone(&topic));
        } else {
            self.known[self.oldest] = Arc::clone(&topic);
            self.oldest = (self.oldest + 1) % REMEMBERED;
        }
        topic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_comes_again_is_shared_and_no_more_than_a_few_are_remembered() {
        let mut topics = Topics::default();
        let first = topics.shared("first");
        assert!(Arc::ptr_eq(&first, &topics.shared("first")));
        for number in 0..REMEMBERED {
            assert_eq!(*topics.shared(&number.to_string()), *number.to_string());
        }
        let again = topics.shared("first");
        assert_eq!(again, first);
        assert!(!Arc::ptr_eq(&first, &again));
        assert_eq!(topics.known.len(), REMEMBERED);
    }
}
