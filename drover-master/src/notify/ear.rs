//! The task that reads what one worker notifies. It carries: a datagram is understood, its sender checked, and what is left handed
//! to the driver by a bounded queue. While that is full it waits, then the kernel's queue of the socket fills, and then the worker
//! waits in its `sendmsg(2)`.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::sys::socket::MsgFlags;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::hearing::{Hearing, LONGEST};
use super::notification::Notification;
use super::notifier::Notifier;
use super::pipe::hear_pipe;
use crate::keeper::Hold;
use crate::sys::{Datagram, SharedFd, peek, receive, watch_readable};

/// How many datagrams of an ended worker are still read: twice what the kernel keeps for a socket by default
/// (net.unix.max_dgram_qlen, 10; 512 where systemd has raised it). More come from what outlived it.
const LAST_DATAGRAMS: usize = 1024;

/// How long that may take. They lie there already.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// What a worker notifies by.
#[derive(Debug)]
pub(crate) enum Source {
    /// A datagram socket, by `sd_notify(3)`.
    Socket {
        /// The socket.
        fd: OwnedFd,
        /// What takes its place when its path was swept away.
        renewed: mpsc::Receiver<OwnedFd>,
    },
    /// The reading end of a pipe, by a newline.
    Pipe {
        /// The end.
        fd: OwnedFd,
        /// The number that its other end has in the worker.
        number: u32,
        /// It is held as long as it is read.
        hold: Hold,
    },
}

/// Dropped once what was heard is applied, and so written down for the next master.
#[derive(Debug)]
pub(crate) struct Applied(
    #[expect(dead_code, reason = "its end is what is told")] pub(super) Option<oneshot::Sender<()>>,
);

/// A task that reads. Dropped, it goes on until nobody wants to hear it.
#[derive(Debug)]
pub(crate) struct Ear {
    pub(super) task: JoinHandle<()>,
    pub(super) ended: oneshot::Sender<()>,
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
    notifier: Notifier,
    queue: mpsc::Sender<T>,
    news: impl Fn(Vec<Notification>, Applied) -> T + Send + Sync + 'static,
) -> Ear {
    let (ended, is_ended) = oneshot::channel();
    let task = tokio::spawn(async move {
        let heard = match source {
            Source::Socket { fd, renewed } => {
                hear_sockets(fd, renewed, notifier, &queue, news, is_ended).await
            }
            Source::Pipe { fd, number, hold: _hold } => hear_pipe(fd, number, &queue, news, is_ended).await,
        };
        if let Err(error) = heard {
            tracing::error!(target: "drover::notify", %error, pid = notifier.pid, "a worker can't be heard any more");
        }
    });
    Ear { task, ended }
}

/// A socket that is listened to.
struct Heeded {
    socket: Arc<OwnedFd>,
    ready: AsyncFd<SharedFd<OwnedFd>>,
}

impl Heeded {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        let socket = Arc::new(fd);
        Ok(Self { ready: watch_readable(Arc::clone(&socket))?, socket })
    }

    /// What lies next in it, which stays there: if this master dies before it is written down, the next one finds it.
    fn poll_next(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<Datagram>> {
        loop {
            let mut ready = ready!(self.ready.poll_read_ready(cx))?;
            if let Ok(next) = ready.try_io(|_| peek(self.socket.as_fd(), buffer)) {
                return Poll::Ready(next);
            }
        }
    }

    /// Takes away what lay next. Without room for them, its descriptors are closed (unix(7)).
    fn take_away(&self) {
        let _ = nix::sys::socket::recv(self.socket.as_raw_fd(), &mut [0], MsgFlags::MSG_DONTWAIT);
    }
}

/// Who connected to a socket before its path was swept away goes on with that one, so it is heard as well; the one before that is let
/// go.
async fn hear_sockets<T>(
    fd: OwnedFd,
    mut renewed: mpsc::Receiver<OwnedFd>,
    notifier: Notifier,
    queue: &mpsc::Sender<T>,
    news: impl Fn(Vec<Notification>, Applied) -> T,
    mut is_ended: oneshot::Receiver<()>,
) -> io::Result<()> {
    let (mut socket, mut former) = (Heeded::new(fd)?, None::<Heeded>);
    let mut hearing = Hearing::new(notifier);
    let mut buffer = [0; LONGEST];
    loop {
        let received = tokio::select! {
            biased;
            next = poll_fn(|cx| {
                let former = former.iter().map(|former| former.poll_next(cx, &mut buffer)).find(Poll::is_ready);
                let (next, is_former) = match former {
                    Some(next) => (next, true),
                    None => (socket.poll_next(cx, &mut buffer), false),
                };
                next.map(|next| (next, is_former))
            }) => next,
            Some(new) = renewed.recv() => {
                former = Some(mem::replace(&mut socket, Heeded::new(new)?));
                continue;
            }
            _ = &mut is_ended => break,
        };
        let (datagram, is_former) = match received {
            (Err(error), _) if error.kind() == io::ErrorKind::Interrupted => continue,
            (other, is_former) => (other?, is_former),
        };
        let heard = if hearing.knows(&datagram, &buffer) {
            hearing.understand(datagram, &buffer)
        } else {
            // Notifier it is, `/proc` says, with a look at each of its forebears: not on the runtime's thread.
            let look = tokio::task::spawn_blocking(move || {
                let heard = hearing.understand(datagram, &buffer);
                (hearing, heard)
            });
            let heard;
            (hearing, heard) = look.await.map_err(io::Error::other)?;
            heard
        };
        if !heard.is_empty() {
            let (applied, is_applied) = oneshot::channel();
            if queue.send(news(heard, Applied(Some(applied)))).await.is_err() {
                return Ok(());
            }
            // Dropped, it is told as well.
            let _ = is_applied.await;
        }
        former.as_ref().filter(|_| is_former).unwrap_or(&socket).take_away();
    }
    // What is left is bounded, and has no time to lose.
    let mut sockets = former.into_iter().chain([socket]).peekable();
    for _ in 0..LAST_DATAGRAMS {
        let Some(socket) = sockets.peek() else { break };
        match receive(socket.socket.as_fd(), &mut buffer) {
            Ok(datagram) => {
                let heard = hearing.understand(datagram, &buffer);
                if !heard.is_empty() && queue.send(news(heard, Applied(None))).await.is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => drop(sockets.next()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use nix::sys::socket::{setsockopt, sockopt};

    use super::super::sleeper::Sleeper;
    use super::*;
    use crate::config::NotifyAccess;
    use crate::machine::worker::Notice;

    fn notifier(pid: u32) -> Notifier {
        Notifier { pid, uid: nix::unistd::geteuid().as_raw(), access: NotifyAccess::Main }
    }

    /// A master that dies in between has a successor that finds it.
    #[tokio::test]
    async fn what_is_heard_lies_in_the_socket_until_it_is_applied() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        setsockopt(&ours, sockopt::PassCred, &true).unwrap();
        ours.set_nonblocking(true).unwrap();
        let held = ours.try_clone().unwrap();
        let lies_there = || peek(held.as_fd(), &mut [0; 64]).is_ok_and(|found| found.length > 0);
        let (queue, mut news) = mpsc::channel(8);
        let source = Source::Socket { fd: ours.into(), renewed: mpsc::channel(1).1 };
        let own = notifier(std::process::id());
        let ear = hear(source, own, queue, |heard, applied| (heard, applied));
        theirs.send(b"READY=1").unwrap();
        theirs.send(b"STATUS=works").unwrap();
        let (heard, applied) = news.recv().await.unwrap();
        assert!(matches!(heard[..], [Notification::Notice(Notice::Ready)]), "{heard:?}");
        assert!(lies_there());
        assert!(news.try_recv().is_err(), "one after the other");
        drop(applied);
        let (heard, applied) = news.recv().await.unwrap();
        assert!(matches!(heard[..], [Notification::Notice(Notice::Status { .. })]), "{heard:?}");
        drop(applied);
        ear.finish().await;
        assert!(news.recv().await.is_none() && !lies_there());
    }

    /// An ear for a worker with this pid, what is heard, and the worker's end.
    fn ear(pid: u32) -> (Ear, mpsc::Receiver<Vec<Notification>>, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        setsockopt(&ours, sockopt::PassCred, &true).unwrap();
        ours.set_nonblocking(true).unwrap();
        let (queue, heard) = mpsc::channel(8);
        let source = Source::Socket { fd: ours.into(), renewed: mpsc::channel(1).1 };
        (hear(source, notifier(pid), queue, |heard, _| heard), heard, theirs)
    }

    fn notice(heard: &[Notification]) -> &Notice {
        match heard {
            [Notification::Notice(notice)] => notice,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_socket_that_takes_the_place_of_a_swept_one_is_heard_beside_it() {
        let (fresh, renewed) = mpsc::channel(1);
        let [mut theirs, mut next] = [(); 2].map(|()| {
            let (ours, theirs) = UnixDatagram::pair().unwrap();
            setsockopt(&ours, sockopt::PassCred, &true).unwrap();
            ours.set_nonblocking(true).unwrap();
            (OwnedFd::from(ours), theirs)
        });
        let placeholder = || UnixDatagram::unbound().unwrap().into();
        let source = Source::Socket { fd: mem::replace(&mut theirs.0, placeholder()), renewed };
        let (queue, mut heard) = mpsc::channel(8);
        let ear = hear(source, notifier(std::process::id()), queue, |heard, _| heard);
        fresh.send(mem::replace(&mut next.0, placeholder())).await.unwrap();
        // Taken by the time that a place is free again.
        let _free = fresh.reserve().await.unwrap();
        for worker in [&theirs.1, &next.1] {
            worker.send(b"READY=1").unwrap();
            assert_eq!(notice(&heard.recv().await.unwrap()), &Notice::Ready);
        }
        for worker in [&theirs.1, &next.1] {
            worker.send(b"STOPPING=1").unwrap();
        }
        ear.finish().await;
        for _ in 0..2 {
            assert_eq!(notice(&heard.recv().await.unwrap()), &Notice::Stopping);
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
        // Its parent is not a child of it, and so not of its tree.
        let child = Sleeper::new();
        let (ear, mut heard, stranger) = ear(child.pid());
        for _ in 0..3 {
            stranger.send(b"READY=1").unwrap();
        }
        let first = heard.recv().await.unwrap();
        let [Notification::Refused { trouble }] = &first[..] else { panic!("{first:?}") };
        assert!(trouble.ends_with("which is none of the worker's"), "{trouble}");
        ear.finish().await;
        assert!(heard.recv().await.is_none());
    }

    /// What is heard when a program that has exited said this on its stdout, which is the worker's socket.
    async fn heard_of_one_that_is_gone(access: NotifyAccess, text: &str) -> Vec<Notification> {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        setsockopt(&ours, sockopt::PassCred, &true).unwrap();
        ours.set_nonblocking(true).unwrap();
        let said = std::process::Command::new("printf").arg(text).stdout(OwnedFd::from(theirs)).status();
        assert!(said.unwrap().success());
        let (queue, mut heard) = mpsc::channel(8);
        // Any process but the one that spoke.
        let notifier = Notifier { access, ..notifier(1) };
        let source = Source::Socket { fd: ours.into(), renewed: mpsc::channel(1).1 };
        hear(source, notifier, queue, |heard, _| heard).finish().await;
        heard.recv().await.unwrap()
    }

    #[tokio::test]
    async fn one_of_its_user_that_has_exited_may_say_ready_and_status_only() {
        let words = "READY=1\\nSTATUS=up\\nSTOPPING=1\\nWATCHDOG=1";
        let heard = heard_of_one_that_is_gone(NotifyAccess::Main, words).await;
        let [
            Notification::Refused { trouble },
            Notification::Notice(Notice::Status { .. }),
            Notification::Notice(Notice::Ready),
        ] = &heard[..]
        else {
            panic!("{heard:?}")
        };
        assert!(trouble.starts_with("STOPPING=1, WATCHDOG= from process "), "{trouble}");
        let heard = heard_of_one_that_is_gone(NotifyAccess::All, words).await;
        assert_eq!(heard.len(), 4, "{heard:?}");
    }

    #[tokio::test]
    async fn a_datagram_that_is_too_long_is_refused_as_a_whole() {
        let (ear, mut heard, worker) = ear(std::process::id());
        worker.send(format!("READY=1\nSTATUS={}", "x".repeat(LONGEST)).as_bytes()).unwrap();
        let refused = heard.recv().await.unwrap();
        assert!(matches!(&refused[..], [Notification::Refused { .. }]), "{refused:?}");
        ear.finish().await;
    }

    #[tokio::test]
    async fn a_main_process_is_one_of_the_tree() {
        let (ear, mut heard, worker) = ear(std::process::id());
        worker.send(b"MAINPID=1").unwrap();
        let refused = heard.recv().await.unwrap();
        assert!(matches!(&refused[..], [Notification::Refused { .. }]), "{refused:?}");
        let child = Sleeper::new();
        worker.send(format!("MAINPID={}", child.pid()).as_bytes()).unwrap();
        let told = heard.recv().await.unwrap();
        assert!(
            matches!(&told[..], [Notification::MainProcess { pid, .. }] if *pid == child.pid()),
            "{told:?}"
        );
        ear.finish().await;
    }
}
