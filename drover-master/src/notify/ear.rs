//! The task that reads what one worker notifies. It carries: a datagram is understood, its sender checked, and what is left handed
//! to the driver by a bounded queue. While that is full it waits, then the kernel's queue of the socket fills, and then the worker
//! waits in its `sendmsg(2)`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::io::Interest;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Heard;
use super::kinship::is_of_tree;
use super::message::{Message, Store, Watchdog};
use crate::machine::worker::Notice;
use crate::sys::{Datagram, Sender, pidfd_open, receive, watch_readable};

/// The longest datagram that is taken, as systemd does (PIPE_BUF). A longer one is refused as a whole.
const LONGEST: usize = 4096;

/// How many datagrams of an ended worker are still read: twice what the kernel keeps for a socket by default
/// (net.unix.max_dgram_qlen, 10; 512 where systemd has raised it). More come from what outlived it.
const LAST_DATAGRAMS: usize = 1024;

/// How long that may take. They lie there already.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The pause between two reports that something was refused, so that a stranger who goes on does not push all else out of the event
/// log.
const BETWEEN_REFUSALS: Duration = Duration::from_secs(10);

/// What a worker notifies by.
#[derive(Debug)]
pub(crate) enum Source {
    /// A datagram socket, by `sd_notify(3)`.
    Socket(OwnedFd),
    /// The reading end of a pipe, by a newline.
    Pipe {
        /// The end.
        fd: OwnedFd,
        /// The number that its other end has in the worker.
        number: u32,
    },
}

/// Whose it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose {
    /// The worker's process.
    pub pid: u32,
    /// The user it runs as.
    pub uid: u32,
}

/// A task that reads. Dropped, it goes on until nobody wants to hear it.
#[derive(Debug)]
pub(crate) struct Ear {
    task: JoinHandle<()>,
    ended: oneshot::Sender<()>,
}

impl Ear {
    /// The worker has ended: hands over what it said before, and no more.
    pub(crate) async fn finish(self) {
        let Self { mut task, ended } = self;
        let _ = ended.send(());
        if tokio::time::timeout(LAST_WORDS, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// Begins to read. `news` makes of what was heard what the queue carries.
pub(crate) fn hear<T: Send + 'static>(
    source: Source,
    whose: Whose,
    queue: mpsc::Sender<T>,
    news: impl Fn(Vec<Heard>) -> T + Send + Sync + 'static,
) -> Ear {
    let (ended, is_ended) = oneshot::channel();
    let task = tokio::spawn(async move {
        let heard = match source {
            Source::Socket(fd) => hear_socket(fd, whose, &queue, news, is_ended).await,
            Source::Pipe { fd, number } => hear_pipe(fd, number, &queue, news, is_ended).await,
        };
        if let Err(error) = heard {
            tracing::error!(target: "drover::notify", %error, pid = whose.pid, "a worker can't be heard any more");
        }
    });
    Ear { task, ended }
}

async fn hear_socket<T>(
    fd: OwnedFd,
    whose: Whose,
    queue: &mpsc::Sender<T>,
    news: impl Fn(Vec<Heard>) -> T,
    mut is_ended: oneshot::Receiver<()>,
) -> io::Result<()> {
    let socket = Arc::new(fd);
    let ready = watch_readable(Arc::clone(&socket))?;
    let mut hearing = Hearing { whose, refusals: Refusals::default() };
    let mut buffer = [0; LONGEST];
    loop {
        let received = tokio::select! {
            biased;
            received = ready.async_io(Interest::READABLE, |_| receive(socket.as_fd(), &mut buffer)) => received,
            _ = &mut is_ended => break,
        };
        let datagram = match received {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let heard = hearing.understand(datagram, &buffer);
        if !heard.is_empty() && queue.send(news(heard)).await.is_err() {
            return Ok(());
        }
    }
    for _ in 0..LAST_DATAGRAMS {
        match receive(socket.as_fd(), &mut buffer) {
            Ok(datagram) => {
                let heard = hearing.understand(datagram, &buffer);
                if !heard.is_empty() && queue.send(news(heard)).await.is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A newline means ready, as s6 has it; whatever comes before it is passed over.
async fn hear_pipe<T>(
    fd: OwnedFd,
    number: u32,
    queue: &mpsc::Sender<T>,
    news: impl Fn(Vec<Heard>) -> T,
    mut is_ended: oneshot::Receiver<()>,
) -> io::Result<()> {
    let pipe = Arc::new(fd);
    let ready = watch_readable(Arc::clone(&pipe))?;
    let mut buffer = [0; 512];
    let read = |buffer: &mut [u8]| nix::unistd::read(&pipe, buffer).map_err(io::Error::from);
    loop {
        let read = tokio::select! {
            biased;
            length = ready.async_io(Interest::READABLE, |_| read(&mut buffer)) => length,
            // It lies there already, if it came at all.
            _ = &mut is_ended => read(&mut buffer),
        };
        let notice = match read {
            Ok(length) if buffer[..length].contains(&b'\n') => Notice::Ready,
            Ok(0) => Notice::Unsaid {
                how: format!("it closed its notification descriptor {number} without a newline").into(),
            },
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        // Without a driver nobody wants to know.
        let _ = queue.send(news(vec![Heard::Notice(notice)])).await;
        return Ok(());
    }
}

/// What is known of whom is heard.
#[derive(Debug)]
struct Hearing {
    whose: Whose,
    refusals: Refusals,
}

impl Hearing {
    /// What of a datagram the driver is told. All that is not, is closed here.
    fn understand(&mut self, datagram: Datagram, buffer: &[u8]) -> Vec<Heard> {
        let Datagram { length, is_cut, sender, descriptors } = datagram;
        if let Err(trouble) = self.admit(sender) {
            return self.refusals.refuse(trouble).into_iter().collect();
        }
        if is_cut {
            let trouble = format!("a datagram of more than {LONGEST} bytes, or with too many descriptors");
            return self.refusals.refuse(trouble).into_iter().collect();
        }
        let message = Message::parse(&buffer[..length]);
        let mut heard = Vec::new();
        if message.malformed > 0 {
            tracing::debug!(target: "drover::notify", pid = self.whose.pid, lines = message.malformed, "passed over what can't be understood");
        }
        let main = message.main_pid.map(|pid| self.main_process(pid));
        let (store, is_barrier) = (message.store.clone(), message.barrier);
        heard.extend(notices(message).into_iter().map(Heard::Notice));
        match main {
            Some(Ok(main)) => heard.push(main),
            Some(Err(trouble)) => heard.extend(self.refusals.refuse(trouble)),
            None => {}
        }
        match store {
            Some(Store::Keep { name, is_polled }) if !descriptors.is_empty() && !is_barrier => {
                heard.push(Heard::Keep { name, is_polled, fds: descriptors });
            }
            Some(Store::Remove { name }) => heard.push(Heard::LetGo { name }),
            // With its one descriptor it is the last of what was said; any other is closed here, before that.
            _ if is_barrier && descriptors.len() == 1 => {
                heard.extend(descriptors.into_iter().map(Heard::Barrier));
            }
            _ => {}
        }
        heard
    }

    /// Whether a sender may speak for the worker; see `kinship.rs`.
    fn admit(&self, sender: Option<Sender>) -> Result<(), String> {
        let Some(Sender { pid, uid }) = sender else {
            return Err("a datagram whose sender the kernel does not tell".to_owned());
        };
        let known = u32::try_from(pid).ok().filter(|pid| *pid > 0);
        match known.map(|pid| is_of_tree(pid, self.whose.pid)) {
            Some(Some(true)) => Ok(()),
            Some(None) if uid == self.whose.uid => Ok(()),
            Some(None) => {
                Err(format!("from process {pid} of user {uid}, which is gone and no user of the app's"))
            }
            Some(Some(false)) => {
                Err(format!("from process {pid} of user {uid}, which is none of the worker's"))
            }
            None => {
                Err(format!("from a process of user {uid} in a PID namespace that can't be seen from here"))
            }
        }
    }

    fn main_process(&self, pid: u32) -> Result<Heard, String> {
        let refused = || format!("MAINPID={pid}, which is no process of the worker's");
        // Opened before it is looked at, so that it can't become another one in between.
        let pidfd = pidfd_open(pid.cast_signed()).map_err(|_| refused())?;
        match is_of_tree(pid, self.whose.pid) {
            Some(true) => Ok(Heard::MainProcess { pid, pidfd }),
            _ => Err(refused()),
        }
    }
}

/// What a message says about the worker's life. What is said beside READY holds before it: a status, a longer deadline, the begin of
/// the reload that READY ends.
fn notices(message: Message) -> Vec<Notice> {
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
        Watchdog::KeepAlive => Notice::KeepAlive,
        Watchdog::Trigger => Notice::Trigger,
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
struct Refusals {
    next: Option<Instant>,
    untold: u32,
}

impl Refusals {
    fn refuse(&mut self, trouble: String) -> Option<Heard> {
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
        Some(Heard::Refused { trouble })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use nix::sys::socket::{setsockopt, sockopt};

    use super::super::sleeper::Sleeper;
    use super::*;

    fn whose(pid: u32) -> Whose {
        Whose { pid, uid: nix::unistd::geteuid().as_raw() }
    }

    /// An ear for a worker with this pid, what is heard, and the worker's end.
    fn ear(pid: u32) -> (Ear, mpsc::Receiver<Vec<Heard>>, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        setsockopt(&ours, sockopt::PassCred, &true).unwrap();
        ours.set_nonblocking(true).unwrap();
        let (queue, heard) = mpsc::channel(8);
        (hear(Source::Socket(ours.into()), whose(pid), queue, |heard| heard), heard, theirs)
    }

    fn notice(heard: &[Heard]) -> &Notice {
        match heard {
            [Heard::Notice(notice)] => notice,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_a_worker_said_before_its_end_is_heard_and_nothing_after() {
        let (ear, mut heard, worker) = ear(std::process::id());
        worker.send(b"READY=1").unwrap();
        worker.send(b"STOPPING=1").unwrap();
        ear.finish().await;
        assert_eq!(notice(&heard.recv().await.unwrap()), &Notice::Ready);
        assert_eq!(notice(&heard.recv().await.unwrap()), &Notice::Stopping);
        assert!(heard.recv().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_is_refused_and_told_of_once_in_a_while() {
        // Its parent is no child of it, and so none of its tree.
        let child = Sleeper::new();
        let (ear, mut heard, stranger) = ear(child.pid());
        for _ in 0..3 {
            stranger.send(b"READY=1").unwrap();
        }
        let first = heard.recv().await.unwrap();
        let [Heard::Refused { trouble }] = &first[..] else { panic!("{first:?}") };
        assert!(trouble.ends_with("which is none of the worker's"), "{trouble}");
        ear.finish().await;
        assert!(heard.recv().await.is_none());
    }

    #[test]
    fn a_refusal_after_a_pause_tells_how_many_there_were() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let mut refusals = Refusals::default();
            assert!(refusals.refuse("a".to_owned()).is_some());
            assert!(refusals.refuse("b".to_owned()).is_none());
            tokio::time::advance(BETWEEN_REFUSALS).await;
            let Some(Heard::Refused { trouble }) = refusals.refuse("c".to_owned()) else { panic!() };
            assert_eq!(&*trouble, "c; and 1 more since the last report");
        });
    }

    #[tokio::test]
    async fn a_datagram_that_is_too_long_is_refused_as_a_whole() {
        let (ear, mut heard, worker) = ear(std::process::id());
        worker.send(format!("READY=1\nSTATUS={}", "x".repeat(LONGEST)).as_bytes()).unwrap();
        let refused = heard.recv().await.unwrap();
        assert!(matches!(&refused[..], [Heard::Refused { .. }]), "{refused:?}");
        ear.finish().await;
    }

    #[tokio::test]
    async fn a_main_process_is_one_of_the_tree() {
        let (ear, mut heard, worker) = ear(std::process::id());
        worker.send(b"MAINPID=1").unwrap();
        let refused = heard.recv().await.unwrap();
        assert!(matches!(&refused[..], [Heard::Refused { .. }]), "{refused:?}");
        let child = Sleeper::new();
        worker.send(format!("MAINPID={}", child.pid()).as_bytes()).unwrap();
        let told = heard.recv().await.unwrap();
        assert!(matches!(&told[..], [Heard::MainProcess { pid, .. }] if *pid == child.pid()), "{told:?}");
        ear.finish().await;
    }

    #[tokio::test]
    async fn a_newline_on_the_descriptor_means_ready_and_its_end_without_one_does_not() {
        for (text, expected) in [
            (&b"up\n"[..], Notice::Ready),
            (
                b"up",
                Notice::Unsaid { how: "it closed its notification descriptor 5 without a newline".into() },
            ),
        ] {
            let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).unwrap();
            let (queue, mut heard) = mpsc::channel(8);
            let source = Source::Pipe { fd: reader, number: 5 };
            let ear = hear(source, whose(1), queue, |heard| heard);
            nix::unistd::write(&writer, text).unwrap();
            drop(writer);
            assert_eq!(notice(&heard.recv().await.unwrap()), &expected);
            ear.finish().await;
        }
    }

    #[test]
    fn a_time_of_the_monotonic_clock_is_the_instant_it_was() {
        let clock = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap());
        let ago = instant_of(clock.saturating_sub(Duration::from_secs(5))).elapsed();
        assert!((Duration::from_secs(4)..Duration::from_secs(60)).contains(&ago), "{ago:?}");
    }
}
