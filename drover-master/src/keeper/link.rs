//! The master's end of what connects it with its keeper.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, recv, sendmsg};
use tokio::sync::{Notify, oneshot};

use super::message::{ChildAnswer, ChildState, KeeperRequest, MAX_MESSAGE, NotHeld, StandbyWord};
use super::surroundings::monotonic;
use crate::sys::watch_both;

/// How long somebody who may wait waits for room: a keeper reads within microseconds, unless somebody has stopped it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How soon whoever waits tries again.
const TRY_AGAIN: Duration = Duration::from_millis(2);

/// What waits for room in the socket at most. Each hold waits once, and there is a bounded number of them for each worker; a keeper that
/// takes nothing for so long is stopped, and what comes then is lost to it.
const BACKLOG: usize = 65_536;

/// The connection with the keeper. What is said over it arrives in the order in which it was said.
#[derive(Debug)]
pub(crate) struct KeeperLink {
    socket: Arc<OwnedFd>,
    /// What there was no room for.
    backlog: Mutex<VecDeque<(Vec<u8>, Option<OwnedFd>)>>,
    has_backlog: Notify,
    asked: Mutex<HashMap<i32, Vec<oneshot::Sender<ChildState>>>>,
    /// Whoever waits for the word of a program that is to stand by.
    standby: Mutex<Option<oneshot::Sender<Result<String, String>>>>,
    is_lost: AtomicBool,
    /// Once it was told that the keeper can't hold something, it is not told of the next.
    is_told_of_want: AtomicBool,
}

impl KeeperLink {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket: Arc::new(socket),
            backlog: Mutex::default(),
            has_backlog: Notify::new(),
            asked: Mutex::default(),
            standby: Mutex::default(),
            is_lost: AtomicBool::new(false),
            is_told_of_want: AtomicBool::new(false),
        }
    }

    /// Says something, at once if there is room, else as soon as there is. Never waits.
    pub(super) fn say(&self, request: &KeeperRequest, fd: Option<BorrowedFd<'_>>) {
        let bytes = request.encode();
        let mut backlog = lock(&self.backlog);
        if backlog.is_empty() && self.send(&bytes, fd) {
            return;
        }
        if backlog.len() == BACKLOG {
            tracing::error!(target: "drover::keeper", "the keeper takes nothing; what it should hold is not held");
            return;
        }
        match fd.map(|fd| fd.try_clone_to_owned()).transpose() {
            Ok(fd) => backlog.push_back((bytes, fd)),
            Err(error) => tracing::error!(target: "drover::keeper", %error, "can't be held"),
        }
        self.has_backlog.notify_one();
    }

    /// The same from a thread that may wait: it is said when this returns, behind all that was said before. A keeper that takes nothing for
    /// long is told as soon as it does.
    pub(super) fn say_now(&self, request: &KeeperRequest, fd: Option<BorrowedFd<'_>>) {
        let bytes = request.encode();
        let until = monotonic() + PATIENCE;
        while !(self.flush() && self.send(&bytes, fd)) {
            if monotonic() >= until {
                return self.say(request, fd);
            }
            // No event tells of room for descriptors (ETOOMANYREFS).
            #[expect(clippy::disallowed_methods, reason = "this thread may wait")]
            std::thread::sleep(TRY_AGAIN);
        }
    }

    /// Sends it if there is room. Returns false if there is none and the caller has to try again; true if it was sent, or never can be because
    /// the keeper is gone.
    fn send(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> bool {
        let fds = fd.map(|fd| [fd.as_raw_fd()]);
        let beside = fds.as_ref().map(|fds| [ControlMessage::ScmRights(fds)]);
        let beside = beside.as_ref().map_or(&[][..], |beside| &beside[..]);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        match sendmsg::<()>(self.socket.as_raw_fd(), &[IoSlice::new(bytes)], beside, flags, None) {
            // ETOOMANYREFS: as many descriptors as one user may have are on their way, until the keeper reads (unix(7)).
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS | Errno::ETOOMANYREFS) => false,
            Ok(_) => true,
            Err(error) => {
                // EPIPE, ECONNRESET: the keeper is gone.
                if !self.is_lost.load(Ordering::Relaxed) {
                    tracing::warn!(target: "drover::keeper", %error, "the keeper can't be told");
                }
                true
            }
        }
    }

    /// How a child of the keeper stands.
    pub(crate) async fn look(&self, pid: i32) -> ChildState {
        self.ask(pid).await.unwrap_or(ChildState::Unknown)
    }

    /// Asks it at once; the answer is dropped with the keeper.
    pub(crate) fn ask(&self, pid: i32) -> oneshot::Receiver<ChildState> {
        let (answer, answered) = oneshot::channel();
        lock(&self.asked).entry(pid).or_default().push(answer);
        self.say(&KeeperRequest::Look { pid }, None);
        if self.is_lost() {
            lock(&self.asked).clear();
        }
        answered
    }

    /// Has a child of the keeper reaped, which has ended.
    pub(crate) fn reap(&self, pid: i32) {
        self.say(&KeeperRequest::Reap { pid }, None);
    }

    /// Whether the keeper is gone.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::SeqCst)
    }

    /// Reads its answers, and sends what waits. Resolves when the keeper is gone.
    pub(crate) async fn attend(self: Arc<Self>) -> io::Result<()> {
        let socket = watch_both(Arc::clone(&self.socket))?;
        let mut buffer = [0; MAX_MESSAGE];
        let mut waits_for_room = false;
        loop {
            tokio::select! {
                ready = socket.readable() => {
                    let mut ready = ready?;
                    let got = ready.try_io(|socket| {
                        Ok(recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT)?)
                    });
                    match got {
                        Ok(Ok(0)) | Ok(Err(_)) => break,
                        Ok(Ok(length)) => self.answered(&buffer[..length]),
                        Err(_) => {}
                    }
                }
                () = self.has_backlog.notified(), if !waits_for_room => waits_for_room = !self.flush(),
                // Beside its answers: a keeper that waits for room in turn would wait for ever.
                ready = socket.writable(), if waits_for_room => {
                    let mut ready = ready?;
                    waits_for_room = !self.flush();
                    if waits_for_room {
                        ready.clear_ready();
                    }
                }
                // No event tells of room for descriptors (ETOOMANYREFS) or of memory (ENOBUFS).
                () = tokio::time::sleep(TRY_AGAIN), if waits_for_room => waits_for_room = !self.flush(),
            }
        }
        self.is_lost.store(true, Ordering::SeqCst);
        tracing::warn!(target: "drover::keeper", "the keeper is gone: if this master crashes, no other goes on with what it runs");
        lock(&self.asked).clear();
        lock(&self.backlog).clear();
        lock(&self.standby).take();
        Ok(())
    }

    /// Has the keeper start this program, to go on in the place of this one or only to say whether it could. Answers the program's
    /// pid and version, or why it can't go on; None if another one was asked for meanwhile, or the keeper is gone.
    pub(crate) async fn stand_by(
        &self,
        program: BorrowedFd<'_>,
        is_check: bool,
    ) -> Option<Result<String, String>> {
        let (answer, answered) = oneshot::channel();
        *lock(&self.standby) = Some(answer);
        self.say(&KeeperRequest::Upgrade { is_check }, Some(program));
        answered.await.ok()
    }

    /// The end of this process, which follows, is to make way for the program that stands by. Waits until the keeper is told, so this is for
    /// a thread that may.
    pub(crate) fn make_way(&self) {
        self.say_now(&KeeperRequest::Yield, None);
    }

    fn answered(&self, bytes: &[u8]) {
        if let Some(StandbyWord(word)) = StandbyWord::decode(bytes) {
            if let Some(waiting) = lock(&self.standby).take() {
                // Who asked may be gone.
                let _ = waiting.send(word);
            }
            return;
        }
        if let Some(NotHeld { name }) = NotHeld::decode(bytes) {
            if !self.is_told_of_want.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    target: "drover::keeper",
                    name,
                    "the keeper has as many files open as it may (ulimit -n, hard): if this master crashes, what the keeper can't hold is lost; raise the limit, or run fewer workers"
                );
            }
            return;
        }
        let Some(ChildAnswer { pid, state }) = ChildAnswer::decode(bytes) else { return };
        for waiting in lock(&self.asked).remove(&pid).unwrap_or_default() {
            // Who asked may be gone.
            let _ = waiting.send(state);
        }
    }

    /// Whether nothing waits any more.
    fn flush(&self) -> bool {
        let mut backlog = lock(&self.backlog);
        while let Some((bytes, fd)) = backlog.front() {
            if !self.send(bytes, fd.as_ref().map(AsFd::as_fd)) {
                return false;
            }
            backlog.pop_front();
        }
        true
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, send, socketpair};

    use super::*;

    fn pair() -> (OwnedFd, KeeperLink) {
        let kind = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, kind).unwrap();
        (ours, KeeperLink::new(theirs))
    }

    /// The next thing that is said to a keeper, waited for.
    fn heard(keeper: &OwnedFd) -> Option<KeeperRequest> {
        let mut buffer = [0; MAX_MESSAGE];
        let length = recv(keeper.as_raw_fd(), &mut buffer, MsgFlags::empty()).ok()?;
        KeeperRequest::decode(&buffer[..length])
    }

    #[tokio::test]
    async fn a_keeper_that_waits_for_room_itself_answers_every_question_of_a_master_that_waits_for_it() {
        const QUESTIONS: i32 = 5000;
        let (keeper, link) = pair();
        let link = Arc::new(link);
        let attending = tokio::spawn(Arc::clone(&link).attend());
        let answering = std::thread::spawn(move || {
            while let Some(request) = heard(&keeper) {
                let KeeperRequest::Look { pid } = request else { panic!("{request:?}") };
                let answer = ChildAnswer { pid, state: ChildState::Lives }.encode();
                send(keeper.as_raw_fd(), &answer, MsgFlags::MSG_NOSIGNAL).unwrap();
                if pid == QUESTIONS {
                    break;
                }
            }
        });
        let asked: Vec<_> = (1..=QUESTIONS).map(|pid| link.ask(pid)).collect();
        assert!(!lock(&link.backlog).is_empty(), "there was room for all of them");
        for answered in asked {
            assert_eq!(answered.await, Ok(ChildState::Lives));
        }
        answering.join().unwrap();
        attending.await.unwrap().unwrap();
    }

    #[test]
    fn what_is_said_now_is_said_behind_all_that_waits() {
        let (keeper, link) = pair();
        let mut said = 0;
        while lock(&link.backlog).len() < 3 {
            said += 1;
            link.reap(said);
        }
        let hearing = std::thread::spawn(move || {
            let requests = std::iter::from_fn(|| heard(&keeper));
            requests.collect::<Vec<_>>()
        });
        link.make_way();
        drop(link);
        let heard = hearing.join().unwrap();
        let all = (1..=said).map(|pid| KeeperRequest::Reap { pid }).chain([KeeperRequest::Yield]);
        assert_eq!(heard, all.collect::<Vec<_>>());
    }
}
