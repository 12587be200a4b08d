//! What an app was described as before.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::config::{AppSpec, is_same_app};

/// How many earlier descriptions of an app are kept: who wants more has the file in version control.
const KEPT: usize = 3;

/// The earlier descriptions of an app, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Past(VecDeque<Arc<AppSpec>>);

impl Past {
    /// The one before the last apply, if there is one.
    pub(crate) fn last(&self) -> Option<&Arc<AppSpec>> {
        self.0.back()
    }

    /// All of them, oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<AppSpec>> {
        self.0.iter()
    }

    /// What an earlier master knew.
    pub(crate) fn of(all: Vec<AppSpec>) -> Self {
        Self(all.into_iter().map(Arc::new).collect())
    }

    /// An app is described anew. Whoever goes back to the last one has made its change undone: the one before is the last then.
    pub(crate) fn go(&mut self, from: AppSpec, to: &AppSpec) {
        if self.last().is_some_and(|last| is_same_app(last, to)) {
            self.0.pop_back();
            return;
        }
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Arc::new(from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Command;

    #[test]
    fn three_are_kept_and_each_way_back_takes_one() {
        let of = |number: u32| AppSpec { workers: number, ..AppSpec::new("web", Command::new("true")) };
        let mut past = Past::default();
        assert!(past.last().is_none());
        for number in 1..=4 {
            past.go(of(number), &of(number + 1));
        }
        for back in [4, 3, 2] {
            let last = AppSpec::clone(past.last().unwrap());
            assert_eq!(last.workers, back);
            past.go(of(back + 1), &last);
        }
        assert!(past.last().is_none());
        // A change that fails is taken back by what it was before, and has then never been.
        past.go(of(1), &of(2));
        past.go(of(2), &of(1));
        assert!(past.last().is_none());
    }
}
