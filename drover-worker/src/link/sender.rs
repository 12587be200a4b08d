//! Who sends what is read from a connection.
//!
//! `SO_PEERCRED` names the process that listened at the time. The socket of a master outlives it, and who accepts on it then may be another.

use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;

use bytes::BytesMut;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// How much is read at once, in bytes: more than any HelloReply.
const PIECE: usize = 4096;

/// Has the kernel tell with every piece who sent it, or not any more. What was sent before is not told.
pub(super) fn name_senders(stream: &UnixStream, are_named: bool) -> io::Result<()> {
    Ok(setsockopt(stream, sockopt::PassCred, &are_named)?)
}

/// Reads a piece. Returns how many bytes it has, none at the end, and the pid of its sender: 0 of one that is not seen from here.
pub(super) async fn read(
    stream: &UnixStream,
    received: &mut BytesMut,
) -> io::Result<(usize, Option<libc::pid_t>)> {
    stream
        .async_io(Interest::READABLE, || {
            let mut piece = [0; PIECE];
            // Without room for descriptors, which the kernel closes then.
            let mut control = nix::cmsg_space!(UnixCredentials);
            let (bytes, sender) = {
                let mut into = [IoSliceMut::new(&mut piece)];
                let flags = MsgFlags::MSG_CMSG_CLOEXEC;
                let read = recvmsg::<()>(stream.as_raw_fd(), &mut into, Some(&mut control), flags)?;
                let sender = read.cmsgs()?.find_map(|message| match message {
                    ControlMessageOwned::ScmCredentials(sender) => Some(sender.pid()),
                    _ => None,
                });
                (read.bytes, sender)
            };
            received.extend_from_slice(&piece[..bytes]);
            Ok((bytes, sender))
        })
        .await
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::process::Stdio;

    use super::*;

    #[tokio::test]
    async fn who_writes_is_named_and_not_who_made_the_socket() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let ours = UnixStream::from_std(ours).unwrap();
        name_senders(&ours, true).unwrap();
        let written = Stdio::from(OwnedFd::from(theirs));
        let mut child =
            tokio::process::Command::new("sh").args(["-c", "echo welcome"]).stdout(written).spawn().unwrap();
        let pid = child.id().unwrap().cast_signed();
        let mut received = BytesMut::new();
        let (bytes, sender) = read(&ours, &mut received).await.unwrap();
        assert_eq!((bytes, &received[..]), (8, &b"welcome\n"[..]));
        assert_eq!(sender, Some(pid));
        assert!(child.wait().await.unwrap().success());
        assert_eq!(read(&ours, &mut received).await.unwrap().0, 0, "the end");
    }
}
