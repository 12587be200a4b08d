//! The service manager that started this program, if one did.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

/// Says something to the service manager, with a descriptor of which it gets a duplicate: `KEY=VALUE` lines (`sd_notify(3)`). Never waits.
/// Without one (no `NOTIFY_SOCKET`) it does nothing. A service manager may heed its main process alone; of a program with a keeper that is
/// [the keeper](crate::keeper::Kept::notify).
///
/// # Errors
///
/// What a send says: nobody listens there, or whoever does has too much to read.
pub fn notify_service_manager(text: &str, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(&path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    let number = fd.map(|fd| [fd.as_raw_fd()]);
    let beside = number.as_ref().map(|number| ControlMessage::ScmRights(number));
    let text = [IoSlice::new(text.as_bytes())];
    sendmsg::<()>(socket.as_raw_fd(), &text, beside.as_slice(), MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}
