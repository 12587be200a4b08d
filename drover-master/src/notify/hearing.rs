//! What of a datagram the driver is told: who sent it is checked, and what it says is put into words of the worker's life.

use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use super::kinship::{is_a_word_of_a_script, is_of_tree};
use super::message::{NotifyMessage, Store, WatchdogWord};
use super::notification::Notification;
use super::notifier::Notifier;
use crate::config::NotifyAccess;
use crate::machine::worker::Notice;
use crate::sys::{Datagram, Sender, pidfd_open};

/// The longest datagram that is taken, as systemd does (PIPE_BUF). A longer one is refused as a whole.
pub(super) const LONGEST: usize = 4096;

/// The pause between two reports that something was refused, so that a stranger who goes on does not push all else out of the event
/// log.
const BETWEEN_REFUSALS: Duration = Duration::from_secs(10);

/// What names another process as the main one.
const MAIN_PID: &[u8] = b"MAINPID";

/// What is known of the worker that notifies.
#[derive(Debug)]
pub(super) struct Hearing {
    notifier: Notifier,
    /// The process that it has named as the one that does the work.
    main: Option<u32>,
    refusals: Refusals,
    /// A helper goes on for as long as it lives, so it is reported once.
    has_told_of_helpers: bool,
}

/// What a sender may say for the worker.
enum Voice {
    /// Everything.
    Whole,
    /// That it is ready, and its status: a word of a script (`systemd-notify`).
    Brief,
    /// Nothing: it is one of the worker's processes, but not the main one.
    Helper,
}

impl Hearing {
    pub(super) fn new(notifier: Notifier) -> Self {
        Self { notifier, main: None, refusals: Refusals::default(), has_told_of_helpers: false }
    }

    /// Whether a datagram can be judged without a look at `/proc`: it comes from the main process, and names no other.
    pub(super) fn knows(&self, datagram: &Datagram, buffer: &[u8]) -> bool {
        let is_main = datagram.sender.is_some_and(|sender| {
            u32::try_from(sender.pid).is_ok_and(|pid| pid == self.notifier.pid || Some(pid) == self.main)
        });
        let text = &buffer[..datagram.length.min(buffer.len())];
        is_main && !text.windows(MAIN_PID.len()).any(|part| part == MAIN_PID)
    }

    /// What of a datagram the driver is told. All that is not, is closed here.
    pub(super) fn understand(&mut self, datagram: Datagram, buffer: &[u8]) -> Vec<Notification> {
        let Datagram { length, is_cut, sender, descriptors } = datagram;
        let voice = match self.admit(sender) {
            Ok(voice) => voice,
            Err(trouble) => return self.refusals.refuse(trouble).into_iter().collect(),
        };
        if is_cut {
            let trouble = format!("a datagram of more than {LONGEST} bytes, or with too many descriptors");
            return self.refusals.refuse(trouble).into_iter().collect();
        }
        let mut message = NotifyMessage::parse(&buffer[..length]);
        let mut heard = Vec::new();
        if message.malformed > 0 {
            tracing::debug!(target: "drover::notify", pid = self.notifier.pid, lines = message.malformed, "passed over what can't be understood");
        }
        let left_out = match voice {
            Voice::Whole => Vec::new(),
            Voice::Brief => message.keep(true),
            Voice::Helper => message.keep(false),
        };
        if !left_out.is_empty() {
            heard.extend(self.helper_refused(sender, &left_out));
        }
        let main = message.main_pid.map(|pid| self.main_process(pid));
        let (store, is_barrier) = (message.store.clone(), message.barrier);
        heard.extend(notices(message).into_iter().map(Notification::Notice));
        match main {
            Some(Ok(main)) => heard.push(main),
            Some(Err(trouble)) => heard.extend(self.refusals.refuse(trouble)),
            None => {}
        }
        match store {
            Some(Store::Keep { name, is_polled }) if !descriptors.is_empty() && !is_barrier => {
                heard.push(Notification::Keep { name, is_polled, fds: descriptors });
            }
            Some(Store::Remove { name }) => heard.push(Notification::LetGo { name }),
            // With its one descriptor it is the last of what was said; any other is closed here, before that.
            _ if is_barrier && descriptors.len() == 1 => {
                heard.extend(descriptors.into_iter().map(Notification::Barrier));
            }
            _ => {}
        }
        heard
    }

    /// What a sender may say for the worker; see `kinship.rs`.
    fn admit(&self, sender: Option<Sender>) -> Result<Voice, String> {
        let Some(Sender { pid, uid }) = sender else {
            return Err("a datagram whose sender the kernel does not tell".to_owned());
        };
        let known = u32::try_from(pid).ok().filter(|pid| *pid > 0);
        // The main process needs no look at /proc, and it may be gone.
        if known.is_some_and(|pid| pid == self.notifier.pid || Some(pid) == self.main) {
            return Ok(Voice::Whole);
        }
        let is_for_all = self.notifier.access == NotifyAccess::All;
        match known.map(|pid| (pid, is_of_tree(pid, self.notifier.pid))) {
            Some((_, Some(true))) if is_for_all => Ok(Voice::Whole),
            Some((pid, Some(true))) if is_a_word_of_a_script(pid) => Ok(Voice::Brief),
            Some((_, Some(true))) => Ok(Voice::Helper),
            Some((_, None)) if uid == self.notifier.uid => {
                Ok(if is_for_all { Voice::Whole } else { Voice::Brief })
            }
            Some((_, None)) => {
                Err(format!("from process {pid} of user {uid}, which is gone and no user of the app's"))
            }
            Some((_, Some(false))) => {
                Err(format!("from process {pid} of user {uid}, which is none of the worker's"))
            }
            None => {
                Err(format!("from a process of user {uid} in a PID namespace that can't be seen from here"))
            }
        }
    }

    fn helper_refused(&mut self, sender: Option<Sender>, left_out: &[&str]) -> Option<Notification> {
        let (what, pid) = (left_out.join(", "), sender.map_or(0, |sender| sender.pid));
        tracing::debug!(target: "drover::notify", pid = self.notifier.pid, sender = pid, what, "not the main process's");
        if std::mem::replace(&mut self.has_told_of_helpers, true) {
            return None;
        }
        let main = self.main.unwrap_or(self.notifier.pid);
        let trouble = format!(
            "{what} from process {pid}, which is not the main process ({main}); if its other processes may speak for it, set \
             notify_access = \"all\" (told once)"
        );
        Some(Notification::Refused { trouble: trouble.into() })
    }

    fn main_process(&mut self, pid: u32) -> Result<Notification, String> {
        let refused = || format!("MAINPID={pid}, which is not a process of the worker's");
        // Opened before it is looked at, so that it can't become another one in between.
        let pidfd = pidfd_open(pid.cast_signed()).map_err(|_| refused())?;
        match is_of_tree(pid, self.notifier.pid) {
            Some(true) => {
                self.main = Some(pid);
                Ok(Notification::MainProcess { pid, pidfd })
            }
            _ => Err(refused()),
        }
    }
}

/// What a message says about the worker's life. What is said beside READY holds before it: a status, a longer deadline, the beginning of
/// the reload that READY ends.
fn notices(message: NotifyMessage) -> Vec<Notice> {
    let mut notices = Vec::new();
    notices.extend(message.status.map(|text| Notice::Status { text }));
    notices.extend(message.errno.map(|errno| Notice::Errno { errno }));
    notices.extend(message.exit_status.map(|code| Notice::ExitStatus { code }));
    notices.extend(message.watchdog_every.map(|every| Notice::WatchdogEvery { every }));
    notices.extend(message.extend.map(|by| Notice::Extend { by }));
    if message.reloading {
        let since = message.monotonic.map(instant_of);
        notices.push(Notice::Reloading { since });
    }
    if message.ready {
        notices.push(Notice::Ready);
    }
    if message.stopping {
        notices.push(Notice::Stopping);
    }
    notices.extend(message.watchdog.map(|watchdog| match watchdog {
        WatchdogWord::KeepAlive => Notice::KeepAlive,
        WatchdogWord::Trigger => Notice::Trigger,
    }));
    notices
}

/// A time of CLOCK_MONOTONIC, which is the clock of an `Instant` too but can't be put into one.
fn instant_of(monotonic: Duration) -> std::time::Instant {
    let clock = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(monotonic, Duration::from);
    let now = Instant::now().into_std();
    now.checked_sub(clock.saturating_sub(monotonic)).unwrap_or(now)
}

/// Refusals are told at once, and then not more often than every 10 s.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    next: Option<Instant>,
    untold: u32,
}

impl Refusals {
    pub(crate) fn refuse(&mut self, trouble: String) -> Option<Notification> {
        let now = Instant::now();
        tracing::debug!(target: "drover::notify", %trouble, "refused");
        if self.next.is_some_and(|next| now < next) {
            self.untold += 1;
            return None;
        }
        self.next = Some(now + BETWEEN_REFUSALS);
        let trouble: Arc<str> = match std::mem::take(&mut self.untold) {
            0 => trouble.into(),
            more => format!("{trouble}; and {more} more since the last report").into(),
        };
        Some(Notification::Refused { trouble })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_after_a_pause_tells_how_many_there_were() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let mut refusals = Refusals::default();
            assert!(refusals.refuse("a".to_owned()).is_some());
            assert!(refusals.refuse("b".to_owned()).is_none());
            tokio::time::advance(BETWEEN_REFUSALS).await;
            let Some(Notification::Refused { trouble }) = refusals.refuse("c".to_owned()) else { panic!() };
            assert_eq!(&*trouble, "c; and 1 more since the last report");
        });
    }

    #[test]
    fn a_time_of_the_monotonic_clock_is_the_instant_it_was() {
        let clock = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap());
        let ago = instant_of(clock.saturating_sub(Duration::from_secs(5))).elapsed();
        assert!((Duration::from_secs(4)..Duration::from_secs(60)).contains(&ago), "{ago:?}");
    }
}
