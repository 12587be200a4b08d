//! The journal's socket: connected when there is something to send, and again where the journal has restarted.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct JournalSocket {
    connected: Option<UnixDatagram>,
}

impl JournalSocket {
    /// Sends an entry, and waits at most so long for room.
    pub(super) fn send(&mut self, path: &Path, entry: &[u8], patience: Duration) -> io::Result<()> {
        let until = Instant::now() + patience;
        if let Some(socket) = &self.connected {
            match send(socket, entry, until) {
                Err(error) if is_of_socket(&error) => self.connected = None,
                sent => return sent,
            }
        }
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(path)?;
        send(self.connected.insert(socket), entry, until)
    }
}

/// Whether it is the socket that fails, as nobody listens at it any more.
fn is_of_socket(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionRefused | ConnectionReset | NotConnected)
}

fn send(socket: &UnixDatagram, entry: &[u8], until: Instant) -> io::Result<()> {
    // Of an entry that is too large for a datagram.
    let mut memory = None;
    loop {
        let sent = match &memory {
            None => socket.send(entry).map(drop),
            Some(memory) => pass(socket, memory),
        };
        match sent {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(socket, until)?,
            Err(error) if memory.is_none() && is_too_large(&error) => memory = Some(sealed(entry)?),
            sent => return sent,
        }
    }
}

/// Whether a datagram does not fit into the socket's buffer, or the kernel has no such piece of memory.
fn is_too_large(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMSGSIZE | libc::ENOBUFS))
}

/// The entry as a file in memory that nobody can change any more, which the journal demands.
fn sealed(entry: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("entry", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
    file.write_all(entry)?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::all()))?;
    Ok(file)
}

/// Passes a file as the only content of a datagram.
fn pass(socket: &UnixDatagram, file: &File) -> io::Result<()> {
    let files = [file.as_raw_fd()];
    let messages = [ControlMessage::ScmRights(&files)];
    sendmsg::<UnixAddr>(socket.as_raw_fd(), &[], &messages, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Waits until there is room for a datagram.
fn wait(socket: &UnixDatagram, until: Instant) -> io::Result<()> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes nothing"));
    }
    // At least a millisecond: less would be none.
    let left = PollTimeout::try_from(left.max(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)], left) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
