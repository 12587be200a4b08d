//! Nothing may block the runtime's thread: in debug builds this is watched, where `DROVER_TURNS` asks for it.
//!
//! A turn is what the thread does between two waits for events. Another thread looks every few milliseconds whether it sleeps in
//! the kernel in the middle of one, or computes in one place for too long, and says where. It does not look at how long a turn
//! took: on a loaded machine every thread is late.
//!
//! ```text
//!  parked ──unpark──► turn: TURN counts up, AT names the place ──park──► parked
//! ```

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Builder;

#[cfg(debug_assertions)]
pub use watch::at;

/// What is being done: nothing that a release build would keep.
#[cfg(not(debug_assertions))]
pub const fn at(_place: &'static str) {}

static IS_STRICT: AtomicBool = AtomicBool::new(false);

/// Has the first turn that blocks end the program, whatever the environment says: for programs of tests.
pub fn be_strict() {
    IS_STRICT.store(true, Ordering::Relaxed);
}

/// Watches the runtime that is built, on the thread that calls this, where `DROVER_TURNS` is set: `abort` ends the program at the
/// first turn that blocks, anything else only tells. Nothing in release builds.
pub fn watch(runtime: &mut Builder) {
    #[cfg(debug_assertions)]
    {
        let is_strict = IS_STRICT.load(Ordering::Relaxed);
        let wish = std::env::var_os("DROVER_TURNS").or_else(|| is_strict.then(|| "abort".into()));
        let Some(wish) = wish else { return };
        let is_fatal = wish == "abort";
        watch::begin(runtime, move |text| {
            crate::process::say_aside(text.as_bytes());
            if is_fatal {
                // The last words go to stderr by a thread of their own.
                watch::pause(watch::LAST_WORDS);
                std::process::abort();
            }
        });
    }
    let _ = runtime;
}

/// From here on a turn that blocks is told: what is read before a master serves, a file or a terminal, holds up nobody.
pub fn arm() {
    #[cfg(debug_assertions)]
    watch::ARMED.store(true, Ordering::Relaxed);
}

#[cfg(debug_assertions)]
mod watch {
    use std::cell::Cell;
    use std::fs;
    use std::io;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::sync::{Arc, Mutex, PoisonError};
    use std::thread;
    use std::time::{Duration, Instant};

    use nix::unistd::{Pid, gettid};
    use tokio::runtime::Builder;

    /// How long a turn may sleep, or compute in one place.
    const LIMIT: Duration = Duration::from_millis(50);

    /// How long it may wait for a disk, or for the kernel itself: on a loaded machine that is nobody's fault for a while.
    const DISK: Duration = Duration::from_secs(1);

    /// How often the other thread looks.
    const TICK: Duration = Duration::from_millis(5);

    /// A look that comes later than this tells of a busy or a stopped machine, not of the turn.
    const LATE: Duration = Duration::from_millis(15);

    pub(super) const LAST_WORDS: Duration = Duration::from_millis(100);

    pub(super) static ARMED: AtomicBool = AtomicBool::new(false);

    /// Shared between the thread of the runtime and the one that watches it.
    #[derive(Debug)]
    struct WatchedThread {
        /// Odd: in a turn. Every place that is entered or left counts up by two.
        turn: AtomicU64,
        place: Mutex<Option<&'static str>>,
    }

    thread_local! {
        /// Of the thread of a runtime that is watched.
        static OWN: Cell<Option<&'static WatchedThread>> = const { Cell::new(None) };
    }

    /// The place in a turn, until it is dropped.
    #[derive(Debug)]
    pub struct PlaceGuard(Option<&'static WatchedThread>);

    /// Names what is being done until the value is dropped.
    #[must_use]
    pub fn at(place: &'static str) -> PlaceGuard {
        let own = OWN.get();
        if let Some(watched) = own {
            watched.enter(Some(place));
        }
        PlaceGuard(own)
    }

    impl Drop for PlaceGuard {
        fn drop(&mut self) {
            if let Some(watched) = self.0 {
                watched.enter(None);
            }
        }
    }

    impl WatchedThread {
        fn enter(&self, place: Option<&'static str>) {
            *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
            self.turn.fetch_add(2, Ordering::Relaxed);
        }

        fn place(&self) -> Option<&'static str> {
            *self.place.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    pub(super) fn begin(runtime: &mut Builder, report: impl Fn(&str) + Send + 'static) {
        // One for each runtime of a debug build; never freed, so that the hooks of the runtime can hold it.
        // What runs before the first wait is a turn too.
        let watched: &'static WatchedThread =
            Box::leak(Box::new(WatchedThread { turn: AtomicU64::new(1), place: Mutex::default() }));
        OWN.set(Some(watched));
        let thread = gettid();
        runtime.on_thread_park(move || _ = watched.turn.fetch_add(1, Ordering::Relaxed));
        runtime.on_thread_unpark(move || _ = watched.turn.fetch_add(1, Ordering::Relaxed));
        let alive = Arc::new(());
        let gone = Arc::downgrade(&alive);
        // The hooks live as long as the runtime.
        runtime.on_thread_stop(move || _ = &alive);
        let looks = move || {
            let mut seen = SeenTurn::default();
            while gone.strong_count() > 0 {
                let before = now();
                pause(TICK);
                if let Some(text) = seen.look(watched, thread, before.elapsed()) {
                    report(&text);
                }
            }
        };
        // Without it nothing is watched, which is not a reason not to run.
        let _ = thread::Builder::new().name("drover-turns".into()).spawn(looks);
    }

    #[expect(clippy::disallowed_methods, reason = "a thread of its own that measures real time")]
    pub(super) fn pause(time: Duration) {
        thread::sleep(time);
    }

    #[expect(clippy::disallowed_methods, reason = "a thread of its own that measures real time")]
    fn now() -> Instant {
        Instant::now()
    }

    /// What was seen of one turn.
    #[derive(Debug, Default)]
    struct SeenTurn {
        turn: u64,
        asleep: Duration,
        /// In a sleep that no signal ends.
        stuck: Duration,
        /// What it had computed when it was first seen.
        computed: Duration,
        is_told: bool,
    }

    impl SeenTurn {
        fn look(&mut self, watched: &WatchedThread, thread: Pid, passed: Duration) -> Option<String> {
            let turn = watched.turn.load(Ordering::Relaxed);
            if turn.is_multiple_of(2) || !ARMED.load(Ordering::Relaxed) {
                return None;
            }
            let (state, computed) = state_of(thread).ok()?;
            if turn != self.turn || passed > LATE {
                let is_told = self.is_told && turn == self.turn;
                *self = Self { turn, computed, is_told, ..Self::default() };
                return None;
            }
            self.asleep = if state == ThreadState::Asleep { self.asleep + passed } else { Duration::ZERO };
            self.stuck = if state == ThreadState::Stuck { self.stuck + passed } else { Duration::ZERO };
            let place = watched.place();
            let computes = computed.saturating_sub(self.computed);
            // Where no place is named, a turn is the work of many tasks.
            let is_asleep = self.asleep > LIMIT || self.stuck > DISK;
            let is_long = is_asleep || (place.is_some() && computes > LIMIT);
            // It may have gone on while it was looked at.
            if !is_long || self.is_told || watched.turn.load(Ordering::Relaxed) != turn {
                return None;
            }
            self.is_told = true;
            let what = if is_asleep { "sleeps" } else { "computes" };
            let call = fs::read_to_string(format!("/proc/self/task/{thread}/syscall")).unwrap_or_default();
            let (place, call) = (place.unwrap_or("a task"), call.split(' ').next().unwrap_or("?").trim());
            Some(format!(
                "the runtime's thread {what} for more than {LIMIT:?} in {place} (system call {call})\n"
            ))
        }
    }

    /// What a thread does (`proc_pid_stat(5)`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum ThreadState {
        /// R: it runs, or would if there were a CPU; or T.
        Running,
        /// S: until something comes, or a signal.
        Asleep,
        /// D: until a disk has answered.
        Stuck,
    }

    /// What a thread does, and how long it has computed (`proc_pid_stat(5)`, `/proc/PID/schedstat`).
    fn state_of(thread: Pid) -> io::Result<(ThreadState, Duration)> {
        let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat"))?;
        let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let schedstat = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat"))?;
        let computed = schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
        let state = match state.as_bytes().first() {
            Some(b'S') => ThreadState::Asleep,
            Some(b'D') => ThreadState::Stuck,
            _ => ThreadState::Running,
        };
        Ok((state, Duration::from_nanos(computed)))
    }

    #[cfg(test)]
    mod tests {
        use std::sync::mpsc;

        use super::*;

        /// What is reported of a runtime that does this.
        fn told_of(work: impl Future<Output = ()>) -> Vec<String> {
            let (tell, told) = mpsc::sync_channel(16);
            ARMED.store(true, Ordering::Relaxed);
            let mut builder = Builder::new_current_thread();
            begin(builder.enable_all(), move |text| tell.send(text.to_owned()).unwrap());
            let runtime = builder.build().unwrap();
            runtime.block_on(async {
                // The first turn begins with a runtime that has waited once.
                tokio::time::sleep(Duration::from_millis(1)).await;
                work.await;
            });
            // Both hold what tells that the runtime lives.
            drop((runtime, builder));
            OWN.set(None);
            told.iter().collect()
        }

        #[test]
        fn a_turn_that_sleeps_is_told_with_its_place_and_one_that_waits_is_not() {
            let told = told_of(async {
                let _place = at("a test");
                // On a machine that is late at every look it takes some more of them.
                pause(Duration::from_secs(1));
            });
            assert!(told.len() == 1 && told[0].contains("sleeps for more than 50ms in a test"), "{told:?}");
            let told = told_of(async {
                for _ in 0..3 {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
            assert_eq!(told, [""; 0]);
        }

        #[test]
        fn a_place_that_computes_for_long_is_told() {
            let told = told_of(async {
                let _place = at("a test");
                // Its own time: the machine may have little for it.
                let thread = gettid();
                let computed = || state_of(thread).unwrap().1;
                let began = computed();
                while computed() < began + Duration::from_secs(1) {}
            });
            assert!(told.len() == 1 && told[0].contains("computes"), "{told:?}");
        }
    }
}
