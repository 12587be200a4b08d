//! When the open requests of workers are over. One task for all, there only while some are open: an idle bus wakes nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use drover_proto::latest::ErrorCode;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::answer::NoReply;
use super::peer::Peer;
use crate::ids::WorkerId;
use crate::machine::attention::Attention;

/// Every open request by the time it is over.
#[derive(Debug, Default)]
pub(super) struct RequestDeadlines {
    inside: Mutex<Inside>,
    /// Another one is first now.
    changed: Arc<Notify>,
}

/// Bounded by the requests that workers may have open.
type ByDeadline = BTreeMap<(Instant, WorkerId, u64), (Weak<Peer>, Duration)>;

#[derive(Debug, Default)]
struct Inside {
    requests: ByDeadline,
    is_watched: bool,
}

impl RequestDeadlines {
    /// Answers the request of `asker` with DEADLINE when its time is over.
    pub(super) fn insert(self: &Arc<Self>, asker: &Arc<Peer>, seq: u64, at: Instant, after: Duration) {
        let mut inside = self.inside();
        let key = (at, asker.identity.id, seq);
        inside.requests.insert(key, (Arc::downgrade(asker), after));
        let is_first = inside.requests.first_key_value().is_some_and(|(first, _)| *first == key);
        let was_watched = std::mem::replace(&mut inside.is_watched, true);
        drop(inside);
        if !was_watched {
            tokio::spawn(watch(Arc::downgrade(self)));
        } else if is_first {
            self.changed.notify_one();
        }
    }

    /// The request is answered.
    pub(super) fn remove(&self, at: Instant, asker: WorkerId, seq: u64) {
        self.inside().requests.remove(&(at, asker, seq));
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody looked for a while, and read what was answered meanwhile.
    fn postpone(&self, by: Duration) {
        let mut inside = self.inside();
        for ((at, id, seq), (asker, after)) in std::mem::take(&mut inside.requests) {
            // One that is answered at this very moment is left out: whoever answers it looks for it by its old time.
            if asker.upgrade().is_some_and(|asker| asker.ledger().postpone(seq, at, by)) {
                inside.requests.insert((at + by, id, seq), (asker, after));
            }
        }
    }

    /// The requests that are over, and when the next will be. Without one, nobody watches any more.
    fn due(&self, now: Instant) -> (ByDeadline, Option<Instant>) {
        let mut inside = self.inside();
        // Whoever has the least id and number is the first of what is not over yet.
        let later = inside.requests.split_off(&(now + Duration::from_nanos(1), WorkerId(0), 0));
        let over = std::mem::replace(&mut inside.requests, later);
        let next = inside.requests.first_key_value().map(|((at, ..), _)| *at);
        inside.is_watched = next.is_some();
        (over, next)
    }
}

async fn watch(deadlines: Weak<RequestDeadlines>) {
    let mut attention = Attention::default();
    loop {
        let Some(deadlines) = deadlines.upgrade() else { return };
        let now = Instant::now();
        if let Some(by) = attention.look(now.into_std()) {
            deadlines.postpone(by);
            drop(deadlines);
            // Whoever reads the answers has its turn before the next judgement.
            tokio::task::yield_now().await;
            continue;
        }
        let (over, next) = deadlines.due(now);
        for ((_, _, seq), (asker, after)) in over {
            if let Some(asker) = asker.upgrade() {
                expire(&asker, seq, after);
            }
        }
        let Some(next) = next else { return };
        let changed = Arc::clone(&deadlines.changed);
        // Not held while it waits: when the bus is gone, so are they.
        drop(deadlines);
        let look = attention.plan(Some(next.into_std()), true).map_or(next, Instant::from_std);
        tokio::select! {
            () = sleep_until(look) => {}
            () = changed.notified() => {}
        }
    }
}

fn expire(asker: &Arc<Peer>, seq: u64, after: Duration) {
    let Some(open) = asker.ledger().close(seq) else { return };
    if let Some((asked, seq)) = open.asked
        && let Some(asked) = asked.upgrade()
    {
        asked.ledger().give_up(seq);
    }
    let message = format!("no reply within {after:?}");
    asker.reply(seq, Err(NoReply::Error(ErrorCode::Deadline, message)));
}
