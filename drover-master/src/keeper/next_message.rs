//! What has come over a connection of the keeper's.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::message::MAX_MESSAGE;
use crate::sys::receive;

/// What lies next in a socket.
#[derive(Debug)]
pub(super) enum NextMessage {
    /// A message, and what came with it.
    Message(Vec<u8>, Vec<OwnedFd>),
    /// Nothing yet.
    Nothing,
    /// The other end is gone, and all that it has said was read.
    Closed,
}

/// Takes what lies next. Never waits.
///
/// # Errors
///
/// What `recvmsg(2)` says of this end.
pub(super) fn next_message(socket: impl AsFd) -> io::Result<NextMessage> {
    let mut buffer = [0; MAX_MESSAGE];
    loop {
        let error = match receive(socket.as_fd(), &mut buffer) {
            Ok(datagram) if datagram.length == 0 => return Ok(NextMessage::Closed),
            Ok(datagram) => {
                return Ok(NextMessage::Message(buffer[..datagram.length].to_vec(), datagram.descriptors));
            }
            Err(error) => error,
        };
        match error.kind() {
            io::ErrorKind::WouldBlock => return Ok(NextMessage::Nothing),
            // ECONNRESET: the other end is gone and has not read all that it was told. Linux says so once, before it gives what that end
            // had said (`unix_release_sock` in net/unix/af_unix.c).
            io::ErrorKind::Interrupted | io::ErrorKind::ConnectionReset => {}
            _ => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};

    use super::*;

    #[test]
    fn what_somebody_says_last_is_heard_though_they_have_not_read_what_they_were_told() {
        let kind = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, kind).unwrap();
        assert!(matches!(next_message(&ours).unwrap(), NextMessage::Nothing));
        for (from, what) in [(&ours, b"never read"), (&theirs, b"the first "), (&theirs, b"the second")] {
            send(from.as_raw_fd(), what, MsgFlags::empty()).unwrap();
        }
        drop(theirs);
        for expected in [b"the first ", b"the second"] {
            let NextMessage::Message(got, _) = next_message(&ours).unwrap() else { panic!() };
            assert_eq!(got, expected);
        }
        assert!(matches!(next_message(&ours).unwrap(), NextMessage::Closed));
    }
}
