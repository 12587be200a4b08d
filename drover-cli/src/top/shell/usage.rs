//! Looks into /proc from time to time, while somebody looks at what is found there.

use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::top::model::{Input, Use};
use crate::usage::Sample;

/// Between two looks, as top(1) has it, and before the second one: use is a difference.
const REFRESH: Duration = Duration::from_secs(2);
const FIRST: Duration = Duration::from_millis(300);

/// The looks, one at a time, on a thread beside that of the view.
#[derive(Debug)]
pub(super) struct Usage {
    last: Option<JoinHandle<Sample>>,
    looks: u32,
    next_at: Instant,
}

impl Usage {
    pub(super) fn new() -> Self {
        Self { last: None, looks: 0, next_at: Instant::now() }
    }

    pub(super) const fn next_at(&self) -> Instant {
        self.next_at
    }

    /// Begins a look at these processes if it is time, and the last one is over.
    pub(super) fn look(&mut self, pids: impl FnOnce() -> Vec<u32>, news: &Sender<Input>) -> bool {
        if Instant::now() < self.next_at {
            return false;
        }
        self.looks += u32::from(self.looks < 2);
        self.next_at = Instant::now() + if self.looks == 1 { FIRST } else { REFRESH };
        if self.last.as_ref().is_some_and(|last| !last.is_finished()) {
            return false;
        }
        let (pids, before, news) = (pids(), self.last.take(), news.clone());
        if pids.is_empty() {
            self.looks = 0;
            return true;
        }
        self.last = Some(tokio::spawn(async move {
            let before = match before {
                Some(before) => before.await.unwrap_or_default(),
                None => Sample::default(),
            };
            let sample = tokio::task::spawn_blocking(move || Sample::of(pids)).await.unwrap_or_default();
            let of = |pid| {
                let (cpu, memory) = sample.usage_since(&before, pid)?;
                Some((pid, Use { cpu, memory }))
            };
            if before.is_there() {
                let _ = news.send(Input::Used(sample.pids().filter_map(of).collect())).await;
            }
            sample
        }));
        true
    }
}
