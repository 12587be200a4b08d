//! The other side of a standby: a program that was started to go on in the place of a master of another version.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{MsgFlags, send};

use super::holds::Holds;
use super::kept::{Kept, MasterCrash};
use super::link::KeeperLink;
use super::message::{KeeperRequest, StandbyOrder};
use super::next_message::{NextMessage, next_message};
use crate::machine::exit::ExitStatus;
use crate::nofile::raise_nofile;
use crate::sys::{adopt, share_pid_cells};

/// Waits for the turn of this program, if `word` is what its keeper told it; `check` looks whether it can read what an earlier master has
/// written.
///
/// # Errors
///
/// The word is not a keeper's, or the keeper wants nothing of it: then it has to end.
pub(crate) fn stand_by(word: &str, check: impl FnOnce(&Holds) -> Result<(), String>) -> io::Result<Kept> {
    let not_ours =
        || io::Error::new(io::ErrorKind::InvalidInput, "this is for a keeper alone, which starts it");
    let mut numbers = word.split(':').map(str::parse::<i32>);
    let (Some(Ok(socket)), Some(Ok(cells)), Some(Ok(keeper)), None) =
        (numbers.next(), numbers.next(), numbers.next(), numbers.next())
    else {
        return Err(not_ours());
    };
    if keeper.unsigned_abs() != std::os::unix::process::parent_id() {
        return Err(not_ours());
    }
    // Before it is given all that is held.
    raise_nofile()?;
    let socket = adopt(socket)?;
    share_pid_cells(Some(adopt(cells)?))?;
    let link = Arc::new(KeeperLink::new(socket.try_clone()?));
    let states = until(&socket, |order| matches!(order, StandbyOrder::Check))?.0;
    // What is read here is not held anew: nothing is this program's yet.
    let states = Holds::new(Arc::clone(&link), states, None);
    states.leave_all();
    let said = match check(&states) {
        Ok(()) => {
            KeeperRequest::Able { text: format!("{} {}", std::process::id(), env!("CARGO_PKG_VERSION")) }
        }
        Err(text) => KeeperRequest::Unable { text },
    };
    drop(states);
    send(socket.as_raw_fd(), &said.encode(), MsgFlags::MSG_NOSIGNAL)?;
    let (held, order) = until(&socket, |order| matches!(order, StandbyOrder::Begin { .. }))?;
    let StandbyOrder::Begin { pid, at } = order else { return Err(not_ours()) };
    let (at, pid) = (Duration::from_nanos(at), pid.unsigned_abs());
    let crash = MasterCrash { at, has_yielded: true, pid, status: ExitStatus::Code(0) };
    let holds = Holds::new(link, held, Some(at));
    Ok(Kept { holds, crash: Some(crash), keeper: keeper.unsigned_abs() })
}

/// What is held, up to an order.
fn until(
    socket: &OwnedFd,
    is_it: impl Fn(&StandbyOrder) -> bool,
) -> io::Result<(HashMap<String, OwnedFd>, StandbyOrder)> {
    let mut held = HashMap::new();
    loop {
        nix::poll::poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
        let (said, descriptors) = match next_message(socket)? {
            NextMessage::Message(said, descriptors) => (said, descriptors),
            NextMessage::Nothing => continue,
            NextMessage::Closed => {
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the keeper does not want it"));
            }
        };
        match StandbyOrder::decode(&said) {
            Some(StandbyOrder::Held { name }) => {
                held.extend(descriptors.into_iter().next().map(|fd| (name, fd)))
            }
            Some(order) if is_it(&order) => return Ok((held, order)),
            Some(_) | None => {}
        }
    }
}
