//! A keeper for tests, in the same process: it holds what it is told to, and gives it to the master that comes next.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::holds::Holds;
use super::link::KeeperLink;
use super::message::KeeperRequest;
use super::next_message::{NextMessage, next_message};

/// It reads when it is asked: what a test says fits into the socket.
pub(crate) struct TestKeeper {
    socket: OwnedFd,
    held: HashMap<String, OwnedFd>,
}

impl TestKeeper {
    /// A keeper, and what its first master has.
    pub(crate) fn new() -> (Self, Holds) {
        let (socket, holds) = begin(HashMap::new());
        (Self { socket, held: HashMap::new() }, holds)
    }

    /// The names of what is held, in order.
    pub(crate) fn held(&mut self) -> Vec<String> {
        self.hear();
        let mut names: Vec<String> = self.held.keys().cloned().collect();
        names.sort();
        names
    }

    /// The master ends as by a SIGKILL: its descriptors are closed, and nothing else is done. What the next one has.
    pub(crate) fn crash<T>(&mut self, holds: &Holds, of_master: T) -> Holds {
        holds.leave_all();
        drop(of_master);
        self.hear();
        let copies =
            self.held.iter().map(|(name, fd)| (name.clone(), fd.try_clone().expect("a copy"))).collect();
        let (socket, next) = begin(copies);
        self.socket = socket;
        next
    }

    fn hear(&mut self) {
        while let Ok(NextMessage::Message(said, descriptors)) = next_message(&self.socket) {
            match KeeperRequest::decode(&said) {
                Some(KeeperRequest::Hold { name }) => {
                    let fd = descriptors.into_iter().next().expect("it comes with a descriptor");
                    self.held.insert(name, fd);
                }
                Some(KeeperRequest::Drop { name }) => {
                    assert!(self.held.remove(&name).is_some(), "`{name}` is not held");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn begin(left: HashMap<String, OwnedFd>) -> (OwnedFd, Holds) {
    let kind = SockFlag::SOCK_CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, kind).expect("a pair");
    (ours, Holds::new(Arc::new(KeeperLink::new(theirs)), left, None))
}
