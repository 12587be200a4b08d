//! Places for control clients, so that none of them locks another out.
//!
//! ```text
//!  all ┌─ following ≤ 64 ─┬─ waiting for a verdict ≤ 96 ─┬─ the rest: asking, or silent ─┐ 256
//!      └──────────────────┴──────────────────────────────┴───────────────────────────────┘
//! ```
//!
//! The surplus of those that follow or wait is refused with the reason. Those that are silent give way: when all places are
//! taken, a newcomer gets the place of whoever has been silent longest.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_proto::latest::{Error, ErrorCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout};

/// How many clients have a connection at once; more wait in the kernel's queue. Each costs a descriptor, and some KiB while it
/// is silent.
const ALL: usize = 256;

/// How many clients may follow at once: a screen for each person of a large team, and not what a script in a loop makes of it.
const FOLLOWING: usize = 64;

/// How many clients may wait for the verdict of an operation at once. The rest of the places is for those that take no time:
/// `status` is answered and `down` is heard, whoever waits.
const WAITING: usize = 96;

/// How long a client may take between its connection and its request, and between two requests, before its place can be given
/// away: long enough for a slow machine, short enough for a person who waits for the place.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a client is told whose place was given away.
pub(super) const GIVEN_AWAY: &str =
    "every place for a client is taken, and this one was silent longest; connect again to ask";

/// The places of one control socket.
#[derive(Debug)]
pub(in crate::control) struct Places {
    all: Arc<Semaphore>,
    following: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    silent: Mutex<Silent>,
}

/// Who is silent, the longest first. As many at the most as there are places.
#[derive(Debug, Default)]
struct Silent {
    last: u64,
    rows: VecDeque<SilentRow>,
}

#[derive(Debug)]
struct SilentRow {
    number: u64,
    since: Instant,
    gives_way: oneshot::Sender<()>,
}

/// A client is silent for as long as this is held.
#[derive(Debug)]
pub(super) struct Silence<'p> {
    places: &'p Places,
    number: u64,
    told: oneshot::Receiver<()>,
}

impl Places {
    pub(in crate::control) fn new() -> Arc<Self> {
        Self::of(ALL, FOLLOWING, WAITING)
    }

    pub(super) fn of(all: usize, following: usize, waiting: usize) -> Arc<Self> {
        Arc::new(Self {
            all: Arc::new(Semaphore::new(all)),
            following: Arc::new(Semaphore::new(following)),
            waiting: Arc::new(Semaphore::new(waiting)),
            silent: Mutex::default(),
        })
    }

    /// A place for a newcomer. When all are taken, whoever has been silent longest is told to go.
    ///
    /// # Cancel safety
    ///
    /// A dropped future takes no place.
    pub(in crate::control) async fn enter(&self) -> OwnedSemaphorePermit {
        let never = "the semaphore is never closed";
        if let Ok(place) = Arc::clone(&self.all).try_acquire_owned() {
            return place;
        }
        loop {
            self.make_room();
            if let Ok(place) = timeout(PATIENCE, Arc::clone(&self.all).acquire_owned()).await {
                return place.expect(never);
            }
        }
    }

    fn make_room(&self) {
        let mut silent = self.lock();
        if silent.rows.front().is_some_and(|longest| longest.since.elapsed() >= PATIENCE)
            && let Some(longest) = silent.rows.pop_front()
        {
            // It may have gone by itself.
            let _ = longest.gives_way.send(());
        }
    }

    /// Marks a client as silent.
    pub(super) fn silence(&self) -> Silence<'_> {
        let (gives_way, told) = oneshot::channel();
        let mut silent = self.lock();
        silent.last += 1;
        let number = silent.last;
        silent.rows.push_back(SilentRow { number, since: Instant::now(), gives_way });
        Silence { places: self, number, told }
    }

    /// A place to follow in, if one is needed.
    pub(super) fn follow(&self, is_needed: bool) -> Result<Option<OwnedSemaphorePermit>, Error> {
        take(&self.following, is_needed, || {
            format!("{FOLLOWING} clients follow already; ask without following, or end one of them")
        })
    }

    /// A place to wait for a verdict in, if one is needed.
    pub(super) fn wait(&self, is_needed: bool) -> Result<Option<OwnedSemaphorePermit>, Error> {
        take(&self.waiting, is_needed, || {
            format!("{WAITING} clients wait for a verdict already, and nothing was done; ask without waiting")
        })
    }

    fn lock(&self) -> MutexGuard<'_, Silent> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Silence<'_> {
    /// Resolves when the client has to give its place away.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub(super) async fn gives_way(&mut self) {
        if (&mut self.told).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        self.places.lock().rows.retain(|row| row.number != self.number);
    }
}

fn take(
    places: &Arc<Semaphore>,
    is_needed: bool,
    message: impl FnOnce() -> String,
) -> Result<Option<OwnedSemaphorePermit>, Error> {
    if !is_needed {
        return Ok(None);
    }
    let busy = |_| Error { code: ErrorCode::Busy.into(), message: message() };
    Arc::clone(places).try_acquire_owned().map(Some).map_err(busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_gets_the_place_of_whoever_is_silent_longest_but_of_nobody_who_asks() {
        let places = Places::of(3, 1, 1);
        let (_asking, first, _second) = (places.enter().await, places.enter().await, places.enter().await);
        let mut longest = places.silence();
        let mut later = places.silence();
        let newcomer = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.enter().await }
        });
        // Both have just come: they are given the time to ask.
        tokio::time::sleep(PATIENCE / 2).await;
        assert!(timeout(Duration::ZERO, longest.gives_way()).await.is_err());
        longest.gives_way().await;
        assert!(timeout(Duration::ZERO, later.gives_way()).await.is_err(), "one is enough");
        drop((longest, first));
        drop(newcomer.await.unwrap());
        assert_eq!(places.lock().rows.len(), 1);
    }

    #[tokio::test]
    async fn followers_and_those_who_wait_have_places_apart() {
        let places = Places::of(3, 1, 1);
        let following = places.follow(true).unwrap();
        let refused = places.follow(true).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Busy);
        assert!(refused.message.contains("follow already"), "{}", refused.message);
        let waiting = places.wait(true).unwrap();
        assert!(places.wait(true).unwrap_err().message.contains("nothing was done"));
        assert!(places.wait(false).unwrap().is_none());
        drop((following, waiting));
        assert!(places.follow(true).is_ok() && places.wait(true).is_ok());
    }
}
