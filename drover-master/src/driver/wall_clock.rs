//! The wall clock, for apps that run by a schedule: the driver is woken at a time that it shows, and whenever it is set.
//!
//! Nothing is woken, and nothing is open, while no run is to be waited for.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;

use crate::sys::{SharedFd, watch_readable};

/// How often the clock is looked at where the kernel gives no timer: as often as the finest schedule is due.
const LOOK: Duration = Duration::from_secs(60);

/// Wakes the driver.
#[derive(Debug, Default)]
pub(super) struct WallClock {
    timer: Option<(Arc<TimerFd>, AsyncFd<SharedFd<TimerFd>>)>,
    /// The time that it waits for.
    set_for: Option<SystemTime>,
    /// When to look, in place of a timer.
    look_at: Option<Instant>,
}

impl WallClock {
    /// What it shows.
    pub(super) fn read() -> SystemTime {
        SystemTime::now()
    }

    /// Waits for this time from now on, or for none.
    pub(super) fn wait_for(&mut self, at: Option<SystemTime>, now: Instant) {
        if at.is_none() {
            return *self = Self::default();
        }
        if self.set_for == at && self.look_at.is_none_or(|look| look > now) {
            return;
        }
        self.set_for = at;
        let is_set = at.is_some_and(|at| self.set(at).is_ok());
        self.look_at = (!is_set).then(|| now + LOOK);
    }

    fn set(&mut self, at: SystemTime) -> std::io::Result<()> {
        let timer = match &self.timer {
            Some((timer, _)) => timer,
            None => {
                let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
                let timer = Arc::new(TimerFd::new(ClockId::CLOCK_REALTIME, flags)?);
                let rings = watch_readable(Arc::clone(&timer))?;
                &self.timer.insert((timer, rings)).0
            }
        };
        // A time of zero would disarm it; that is long past, and any other that is past rings at once.
        let since =
            at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().max(Duration::from_nanos(1));
        // Whoever sets the clock ends the wait, too: timerfd_create(2), ECANCELED.
        let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        timer.set(Expiration::OneShot(TimeSpec::from_duration(since)), flags)?;
        Ok(())
    }

    /// When to look besides, by the clock that only goes on.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.look_at
    }

    /// The time has come, or the clock was set.
    ///
    /// # Cancel safety
    ///
    /// What was not heard rings again.
    pub(super) async fn rung(&mut self) {
        let Some((timer, rings)) = &self.timer else { return std::future::pending().await };
        loop {
            // It fails only with the runtime.
            let Ok(mut ready) = rings.readable().await else { return std::future::pending().await };
            let mut expirations = [0; 8];
            match nix::unistd::read(timer.as_fd(), &mut expirations) {
                Err(nix::errno::Errno::EAGAIN) => ready.clear_ready(),
                // It is set again by whoever hears this.
                _ => {
                    self.set_for = None;
                    return;
                }
            }
        }
    }
}
