//! A place in the kernel's queue of those who wait for connections, and the thread that waits in it.
//!
//! ```text
//!  listening socket ──► our epoll ──► thread "drover-accept" ── leaves the queue, rings ──► accept() on the runtime
//!  of all workers       EPOLLEXCLUSIVE                                                         │ takes one connection
//!                           ▲                                                                  │
//!                           └──────────────── joins the queue again, at its end ───────────────┘
//! ```
//!
//! Why a thread: the kernel stops at the first exclusive waiter only if somebody sleeps in `epoll_wait` on that very epoll
//! (`ep_poll_callback`). Behind tokio's own epoll nobody does, so it would go on and wake every worker for each connection.
//!
//! Why the thread takes no connection: one that is taken is lost when this process ends, and waits while it is busy. One that is
//! still in the socket's queue is taken by whichever worker comes next.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use socket2::SockRef;
use tokio::sync::Notify;

/// The thread makes a few system calls and rings.
const STACK_BYTES: usize = 64 * 1024;

/// How many connections a turn may take at most. Fewer: under load most of the time goes into taking turns. More: it is shared
/// less evenly. nginx has the same number.
const LARGEST_TURN: u32 = 16;

/// How many turns in a row have to leave connections waiting until a turn takes more than one: a burst of some dozen
/// connections is still shared one by one.
const PATIENT_TURNS: u32 = 4;

/// How long a connection waits for an app that was told of it and does not take it, before the other workers are told too.
/// Shorter wakes them all up for an app that is about to take it; longer is what a client waits beside idle workers.
const UNUSED_MS: u16 = 50;

/// What an event of the epoll is about.
const SOCKET: u64 = 0;
const END: u64 = 1;

/// A place in the queue of one listening socket. Dropping it gives up the place and closes the socket.
#[derive(Debug)]
pub(crate) struct AcceptQueue<S: AsFd>(Arc<Queue<S>>);

#[derive(Debug)]
struct Queue<S> {
    epoll: Epoll,
    /// Readable once the thread is to end.
    end: EventFd,
    /// Rung for each turn of this process.
    bell: Notify,
    /// Told when a turn is over.
    over: Notify,
    place: Mutex<Place<S>>,
}

#[derive(Debug)]
struct Place<S> {
    /// None once it is closed.
    socket: Option<S>,
    turn: Turn,
    /// How many connections this turn may still take.
    left: u32,
    /// How many turns in a row have left connections waiting.
    hungry: u32,
    /// Whether the queue is joined again after a turn.
    is_leaving: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// In the queue, behind others.
    Waiting,
    /// Out of it: there may be a connection, and nobody else was told.
    Ours,
    /// Out of it.
    Left,
}

impl<S: AsFd + fmt::Debug + Send + 'static> AcceptQueue<S> {
    /// Begins to wait, behind all others.
    pub(crate) fn join(socket: S) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let end = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        epoll.add(&end, EpollEvent::new(EpollFlags::EPOLLIN, END))?;
        let (socket, turn) = (Some(socket), Turn::Left);
        let place = Mutex::new(Place { socket, turn, left: 1, hungry: 0, is_leaving: false });
        let queue = Arc::new(Queue { epoll, end, bell: Notify::new(), over: Notify::new(), place });
        queue.rejoin(&mut queue.place())?;
        let waiting = Arc::clone(&queue);
        let thread = thread::Builder::new().name("drover-accept".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(move || waiting.ring())?;
        Ok(Self(queue))
    }

    /// Waits for the turn of this process and takes what `accept` gives: one connection.
    pub(crate) async fn take<T>(&self, accept: impl Fn(&S) -> io::Result<T>) -> io::Result<T> {
        loop {
            if let Some(taken) = self.0.try_take(&accept) {
                return taken;
            }
            self.0.bell.notified().await;
        }
    }

    /// What `look` sees of the socket.
    pub(crate) fn with_socket<T>(&self, look: impl FnOnce(&S) -> T) -> T {
        look(self.0.place().socket.as_ref().expect("it is closed when this is dropped"))
    }

    /// Gives up the place and hands back the socket.
    pub(crate) fn into_socket(self) -> S {
        self.0.give_up().expect("it is closed when this is dropped")
    }

    /// The same place, for whoever decides when it is left. It lives no longer than this.
    pub(crate) fn leaver(&self) -> Weak<dyn Leave> {
        let queue: Arc<dyn Leave> = Arc::<Queue<S>>::clone(&self.0);
        Arc::downgrade(&queue)
    }
}

impl<S: AsFd> Drop for AcceptQueue<S> {
    fn drop(&mut self) {
        drop(self.0.give_up());
        // A counter at its maximum would refuse, and it is written once.
        let _ended = self.0.end.write(1);
    }
}

/// A place that somebody else than its owner can give up for a while.
pub(crate) trait Leave: fmt::Debug + Send + Sync {
    /// Takes no further turn; one that has come is still to be used.
    fn leave(&self);

    /// Comes back to the queue.
    fn come_back(&self);

    /// Whether a connection may wait that nobody else was told of.
    fn has_turn(&self) -> bool;

    /// Told to all who wait when a turn is over.
    fn over(&self) -> &Notify;
}

impl<S: AsFd + fmt::Debug + Send> Leave for Queue<S> {
    fn leave(&self) {
        self.leave_from(&mut self.place());
    }

    fn come_back(&self) {
        let mut place = self.place();
        place.is_leaving = false;
        if place.turn == Turn::Left && self.rejoin(&mut place).is_err() {
            // As if it were rung: the next accept tries to join, and tells what is wrong.
            place.turn = Turn::Ours;
        }
    }

    fn has_turn(&self) -> bool {
        self.place().turn == Turn::Ours
    }

    fn over(&self) -> &Notify {
        &self.over
    }
}

impl<S: AsFd> Queue<S> {
    /// The thread: waits in the queue, and rings when it is the turn of this process.
    fn ring(&self) {
        let mut events = [EpollEvent::empty(); 2];
        let mut timeout = EpollTimeout::NONE;
        loop {
            let count = match self.epoll.wait(&mut events, timeout) {
                // The app has not used its turn.
                Ok(0) => {
                    timeout = EpollTimeout::NONE;
                    self.pass_on(&self.place());
                    continue;
                }
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                // None that epoll_wait(2) knows can come of a valid epoll and buffer.
                Err(_) => return,
            };
            if events[..count].iter().any(|event| event.data() == END) {
                return;
            }
            let mut place = self.place();
            if place.turn == Turn::Waiting {
                self.remove(&mut place, Turn::Ours);
                drop(place);
                self.bell.notify_one();
                timeout = EpollTimeout::from(UNUSED_MS);
            }
        }
    }

    /// Tells all others who wait, if it is the turn of this process and a connection waits.
    fn pass_on(&self, place: &Place<S>) {
        if let (Turn::Ours, Some(socket)) = (place.turn, &place.socket)
            && more_wait(socket)
        {
            wake_all(socket);
        }
    }

    /// One connection, if it is the turn of this process and another worker was not faster.
    fn try_take<T>(&self, accept: impl Fn(&S) -> io::Result<T>) -> Option<io::Result<T>> {
        let mut place = self.place();
        let Place { socket: Some(socket), turn: Turn::Ours, .. } = &*place else { return None };
        let taken = loop {
            match accept(socket) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                taken => break taken,
            }
        };
        match taken {
            Ok(_) => {
                let more_wait = more_wait(socket);
                place.left -= 1;
                if place.left > 0 && more_wait && !place.is_leaving {
                    // Whichever task comes next.
                    drop(place);
                    self.bell.notify_one();
                    return Some(taken);
                }
                place.hungry = if more_wait { place.hungry.saturating_add(1) } else { 0 };
                // The connection must not be lost for an error here: the turn stays ours, and the next call tries again.
                let _ = self.end_turn(&mut place);
                Some(taken)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                place.hungry = 0;
                match self.end_turn(&mut place) {
                    Ok(()) => None,
                    Err(error) => Some(Err(error)),
                }
            }
            Err(_) => {
                // It still waits, and it is our turn; another task may have more luck.
                drop(place);
                self.bell.notify_one();
                Some(taken)
            }
        }
    }

    fn end_turn(&self, place: &mut Place<S>) -> io::Result<()> {
        place.left = length_of_turn(place.hungry);
        if place.is_leaving {
            place.turn = Turn::Left;
        } else {
            self.rejoin(place)?;
        }
        self.over.notify_waiters();
        Ok(())
    }

    /// Waits in the queue, behind all others.
    fn rejoin(&self, place: &mut Place<S>) -> io::Result<()> {
        let Some(socket) = &place.socket else { return Ok(()) };
        self.epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE, SOCKET))?;
        place.turn = Turn::Waiting;
        Ok(())
    }

    /// Leaves, unless a connection waits. The thread may have been woken for it and be on its way here: then nobody else was told,
    /// and it would wait until the next one comes. So it is our turn, and the bell rings; at worst another worker is faster.
    fn leave_from(&self, place: &mut Place<S>) {
        place.is_leaving = true;
        if place.turn != Turn::Waiting {
            return;
        }
        self.remove(place, Turn::Left);
        // Only after the removal: what comes from here on wakes another.
        if place.socket.as_ref().is_some_and(more_wait) {
            place.turn = Turn::Ours;
            self.bell.notify_one();
        }
    }

    fn remove(&self, place: &mut Place<S>, turn: Turn) {
        if let Some(socket) = &place.socket {
            // Fails only for a socket that is not there (ENOENT), and it was added by `rejoin`.
            let _absent = self.epoll.delete(socket);
        }
        place.turn = turn;
    }

    fn give_up(&self) -> Option<S> {
        let mut place = self.place();
        if place.turn == Turn::Waiting {
            // The thread may have been woken and be on its way here: then it is our turn as well.
            self.remove(&mut place, Turn::Ours);
        }
        self.pass_on(&place);
        place.turn = Turn::Left;
        let socket = place.socket.take();
        drop(place);
        self.over.notify_waiters();
        socket
    }

    fn place(&self) -> MutexGuard<'_, Place<S>> {
        self.place.lock().expect("never poisoned: no step panics")
    }
}

const fn length_of_turn(hungry: u32) -> u32 {
    match hungry.saturating_sub(PATIENT_TURNS - 1) {
        longer @ 0..=3 => 1 << longer,
        _ => LARGEST_TURN,
    }
}

/// Whether further connections wait.
fn more_wait(socket: &impl AsFd) -> bool {
    let mut asked = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    // Where that can't be told the turn ends, which is never wrong.
    poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Wakes up everybody who waits for a connection on this socket, in whichever process. A listening socket that is shut down for
/// *writing* goes on as it is, and the kernel tells all who poll it that its state may have changed (`inet_shutdown` in
/// `net/ipv4/af_inet.c`, `unix_shutdown` in `net/unix/af_unix.c`).
fn wake_all(socket: &impl AsFd) {
    // Fails only for a socket that does not listen any more, and then nobody can be told anything.
    let _ended = SockRef::from(socket).shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests;
