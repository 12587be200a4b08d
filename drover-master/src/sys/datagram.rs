//! Datagrams with who sent them and the descriptors beside them.
//!
//! nix reads the control messages of `recvmsg(2)` too, but not those of a message that was cut (MSG_CTRUNC): the descriptors
//! that did arrive would stay open for ever.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// How many descriptors one datagram may bring. More than any program sends at once; what is beyond is closed by the kernel.
pub(crate) const MAX_DESCRIPTORS: usize = 16;

/// Room for the credentials and the descriptors, with their heads; generous, and a test says that it is enough.
const CONTROL: usize = 256;

/// Aligned as a control message has to be.
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// A datagram; its bytes are in the buffer that was given.
#[derive(Debug)]
pub(crate) struct Datagram {
    /// How many bytes came.
    pub length: usize,
    /// It was longer than the buffer, or brought more descriptors than there was room for.
    pub is_cut: bool,
    /// Who sent it, as the kernel says (`unix(7)`, SO_PASSCRED).
    pub sender: Option<Sender>,
    /// What came beside it, close-on-exec.
    pub descriptors: Vec<OwnedFd>,
}

/// Who sent a datagram, at the time it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sender {
    /// The process; 0 for one of a PID namespace that can't be seen from here.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
}

/// Takes the next datagram of a socket, without waiting for one.
///
/// # Errors
///
/// `WouldBlock`: there is none.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Datagram> {
    received(socket, buffer, 0)
}

/// The same, and leaves it where it is; its descriptors are copies.
pub(crate) fn peek(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Datagram> {
    received(socket, buffer, libc::MSG_PEEK)
}

fn received(socket: BorrowedFd<'_>, buffer: &mut [u8], how: libc::c_int) -> io::Result<Datagram> {
    let mut control = Control([0; CONTROL]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeros is a valid value of this plain C struct.
    let mut head: libc::msghdr = unsafe { mem::zeroed() };
    head.msg_iov = &mut part;
    head.msg_iovlen = 1;
    head.msg_control = control.0.as_mut_ptr().cast();
    head.msg_controllen = CONTROL as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC | how;
    // SAFETY: every pointer in the head is to memory of the length beside it, which outlives the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut head, flags) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let is_cut = head.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0;
    let mut datagram = Datagram { length, is_cut, sender: None, descriptors: Vec::new() };
    // SAFETY: the kernel has filled the head and the control messages that it counts; the macros stay within them. What a
    // message holds may lie unaligned. Each descriptor was made for us by this very call, and nobody else knows of it.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(&head);
        while let Some(message) = next.as_ref() {
            let data = libc::CMSG_DATA(message);
            // Its type differs between C libraries.
            let bytes: usize = message.cmsg_len as _;
            let bytes = bytes.saturating_sub(libc::CMSG_LEN(0) as usize);
            match (message.cmsg_level, message.cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    for at in 0..bytes / size_of::<RawFd>() {
                        let number = data.cast::<RawFd>().add(at).read_unaligned();
                        datagram.descriptors.push(OwnedFd::from_raw_fd(number));
                    }
                }
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if bytes >= size_of::<libc::ucred>() => {
                    let ucred = data.cast::<libc::ucred>().read_unaligned();
                    datagram.sender = Some(Sender { pid: ucred.pid, uid: ucred.uid });
                }
                _ => {}
            }
            next = libc::CMSG_NXTHDR(&head, message);
        }
    }
    // The room is a little larger than it has to be.
    if datagram.descriptors.len() > MAX_DESCRIPTORS {
        datagram.is_cut = true;
    }
    Ok(datagram)
}

/// Whether two descriptors of this process are the same open file (`kcmp(2)`). None, where the kernel does not tell: it was built
/// without that call, or a container's filter forbids it.
pub(crate) fn is_same_file(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> Option<bool> {
    const KCMP_FILE: i32 = 0;
    let (pid, one, other) = (std::process::id(), one.as_raw_fd(), other.as_raw_fd());
    // SAFETY: plain numbers; both descriptors are borrowed for the call.
    match unsafe { libc::syscall(libc::SYS_kcmp, pid, pid, KCMP_FILE, one, other) } {
        -1 => None,
        order => Some(order == 0),
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg, setsockopt, sockopt};

    use super::*;

    fn pair() -> (UnixDatagram, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        setsockopt(&ours, sockopt::PassCred, &true).unwrap();
        (ours, theirs)
    }

    fn send(from: &UnixDatagram, text: &[u8], descriptors: &[RawFd]) {
        let beside = [ControlMessage::ScmRights(descriptors)];
        let beside = if descriptors.is_empty() { &[][..] } else { &beside[..] };
        sendmsg::<()>(from.as_raw_fd(), &[IoSlice::new(text)], beside, MsgFlags::empty(), None).unwrap();
    }

    #[test]
    fn a_datagram_tells_who_sent_it_and_brings_descriptors() {
        let (ours, theirs) = pair();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        send(&theirs, b"READY=1", &[reader.as_raw_fd(), writer.as_raw_fd()]);
        let mut buffer = [0; 64];
        let datagram = receive(ours.as_fd(), &mut buffer).unwrap();
        assert_eq!((&buffer[..datagram.length], datagram.is_cut), (&b"READY=1"[..], false));
        let sender = Sender { pid: std::process::id().cast_signed(), uid: nix::unistd::geteuid().as_raw() };
        assert_eq!(datagram.sender, Some(sender));
        let [copy, other] = &datagram.descriptors[..] else { panic!("{datagram:?}") };
        let same = [&reader, other].map(|other| is_same_file(copy.as_fd(), other.as_fd()));
        assert!(same == [Some(true), Some(false)] || same == [None, None], "{same:?}");
        assert_eq!(receive(ours.as_fd(), &mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_is_too_much_is_cut_and_leaves_no_descriptor_behind() {
        let (ours, theirs) = pair();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let mut buffer = [0; 4];
        send(&theirs, b"READY=1", &vec![writer.as_raw_fd(); 200]);
        let datagram = receive(ours.as_fd(), &mut buffer).unwrap();
        assert!(datagram.is_cut && datagram.sender.is_some(), "{datagram:?}");
        drop((datagram, writer));
        // The end of the pipe: nobody holds its writing end any more.
        assert_eq!(nix::unistd::read(reader.as_fd(), &mut [0]).unwrap(), 0);
        for count in [MAX_DESCRIPTORS, MAX_DESCRIPTORS + 1] {
            send(&theirs, b"A=1", &vec![reader.as_raw_fd(); count]);
            let datagram = receive(ours.as_fd(), &mut buffer).unwrap();
            assert_eq!(datagram.is_cut, count > MAX_DESCRIPTORS);
        }
    }
}
