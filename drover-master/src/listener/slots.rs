//! A listener with a socket for each slot.
//!
//! The master opens a slot's socket with its first worker and holds it as long as the app has the slot. So what waits in its
//! queue survives a worker, and is for the next one.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::ListenError;
use super::group::{Group, Leave};
use super::group_note::GroupNote;
use super::host::open_tcp;
use super::socket::{Port, bound, end, is_shut_down, listen_again, listen_tcp, set_backlog};
use crate::config::{ListenAddr, ListenMode, ListenSpec};
use crate::ids::SlotIndex;
use crate::keeper::{Hold, Holds};
use crate::sys;

/// The slot whose socket is open from the first moment on, so that a port in use is found before anything has been started,
/// and what connects before any worker is ready waits there. An app always has it.
const FIRST: SlotIndex = SlotIndex(0);

/// The sockets of one listener.
#[derive(Debug)]
pub(super) struct SlotSockets {
    pub(super) name: String,
    /// Where they listen in truth, as with [`Listener`](super::Listener).
    pub(super) addr: ListenAddr,
    bound: SocketAddr,
    backlog: u32,
    sockets: HashMap<SlotIndex, Arc<OwnedFd>>,
    group: Group,
    note: GroupNote,
    holds: Holds,
    /// What all of it is held by: this, and the number of the slot.
    held_name: String,
    held: HashMap<SlotIndex, Hold>,
}

/// What the note of the group is held by, after the name of the listener.
const GROUP: &str = "group";

impl SlotSockets {
    /// Opens the socket of the first slot, to which all is led.
    ///
    /// They are held by names that begin with `held_name`; what the master before had by them is taken as it is.
    pub(super) fn open(
        spec: &ListenSpec,
        addr: &str,
        holds: &Holds,
        held_name: &str,
    ) -> Result<Self, ListenError> {
        if let Some(resumed) = Self::resume(spec, holds, held_name) {
            return Ok(resumed);
        }
        let failed =
            |source| ListenError::Failed { name: spec.name.clone(), addr: spec.addr.clone(), source };
        let (socket, bound) = open_tcp(spec, addr, Port::ToBeShared)?;
        let note = GroupNote::new(holds, format!("{held_name}/{GROUP}")).map_err(failed)?;
        let mut slots = Self::with(spec, bound, note, holds, held_name);
        slots.joined(FIRST, socket);
        slots.group.lead_to(&BTreeSet::from([FIRST]));
        slots.choose_by(&slots.group.program()).map_err(failed)?;
        slots.note.write(&slots.group);
        Ok(slots)
    }

    /// What the master before had. The kernel leads connections as that one has told it, until workers are known to be ready.
    fn resume(spec: &ListenSpec, holds: &Holds, held_name: &str) -> Option<Self> {
        let (mut note, mut sockets) = (None, HashMap::new());
        for (name, fd) in holds.take_all(&format!("{held_name}/")) {
            match name.parse() {
                Ok(slot) => drop(sockets.insert(SlotIndex(slot), fd)),
                Err(_) => note = Some(fd.into()),
            }
        }
        let bound = bound(sockets.get(&FIRST)?)?;
        let (note, group) = GroupNote::resume(note?, holds, format!("{held_name}/{GROUP}"))?;
        let mut slots = Self::with(spec, bound, note, holds, held_name);
        // One that had joined when its master was killed, and was not held yet, was the last.
        let missing = group.members().iter().rev().filter(|slot| !sockets.contains_key(slot));
        let missing: Vec<SlotIndex> = missing.copied().collect();
        slots.group = group;
        missing.into_iter().for_each(|slot| slots.group.left(slot));
        for (slot, socket) in sockets {
            slots.hold(slot, socket.into());
        }
        if slots.group.led().is_empty() {
            slots.group.lead_to(&BTreeSet::from([FIRST]));
        }
        slots.apply();
        Some(slots)
    }

    fn with(spec: &ListenSpec, bound: SocketAddr, note: GroupNote, holds: &Holds, held_name: &str) -> Self {
        Self {
            name: spec.name.clone(),
            addr: bound.into(),
            bound,
            backlog: spec.backlog,
            sockets: HashMap::new(),
            group: Group::default(),
            note,
            holds: holds.clone(),
            held_name: held_name.to_owned(),
            held: HashMap::new(),
        }
    }

    fn joined(&mut self, slot: SlotIndex, socket: OwnedFd) -> Arc<OwnedFd> {
        self.group.joined(slot);
        self.note.write(&self.group);
        self.hold(slot, Arc::new(socket))
    }

    fn hold(&mut self, slot: SlotIndex, socket: Arc<OwnedFd>) -> Arc<OwnedFd> {
        let hold = self.holds.hold(format!("{}/{slot}", self.held_name), socket.as_fd());
        self.held.insert(slot, hold);
        self.sockets.insert(slot, Arc::clone(&socket));
        socket
    }

    /// The socket of a slot, opened if it is not. Nothing is led to it yet.
    pub(super) fn socket(&mut self, slot: SlotIndex) -> io::Result<Arc<OwnedFd>> {
        if let Some(socket) = self.sockets.get(&slot) {
            return Ok(Arc::clone(socket));
        }
        if slot.0 >= ListenMode::MAX_SLOTS {
            let sentence =
                format!("in the mode `reuseport` it serves at most {} workers", ListenMode::MAX_SLOTS);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, sentence));
        }
        let (socket, _) = listen_tcp(self.bound, self.backlog, Port::Shared)?;
        Ok(self.joined(slot, socket))
    }

    /// Gives queues of another length to all of them.
    pub(super) fn set_backlog(&mut self, spec: &ListenSpec) -> Result<(), ListenError> {
        self.backlog = spec.backlog;
        let of_all = || self.sockets.values().try_for_each(|socket| set_backlog(socket, spec.backlog));
        of_all().map_err(|error| ListenError::Failed {
            name: self.name.clone(),
            addr: self.addr.clone(),
            source: error.into(),
        })
    }

    /// The socket of a slot, if it is open.
    pub(super) fn opened(&self, slot: SlotIndex) -> Option<Arc<OwnedFd>> {
        self.sockets.get(&slot).cloned()
    }

    /// The sockets of all slots.
    pub(super) fn all(&self) -> Vec<Arc<OwnedFd>> {
        self.sockets.values().cloned().collect()
    }

    /// Leads new connections to these slots; if there is none, to where they are led now.
    pub(super) fn lead_to(&mut self, slots: &BTreeSet<SlotIndex>) {
        if self.group.lead_to(slots) {
            self.apply();
        }
    }

    pub(super) fn is_led_to(&self, slot: SlotIndex) -> bool {
        self.group.is_led_to(slot)
    }

    /// Closes the socket of a slot that the app no longer has; what waits in its queue is refused. One that can't be
    /// closed now stays open, for the next time.
    pub(super) fn close(&mut self, slot: SlotIndex) {
        let Some(socket) = self.opened(slot) else { return };
        match self.group.way_out(slot) {
            Leave::AtOnce => {}
            Leave::Around(moves) => {
                if self.choose_by(&self.group.program_without(Some(moves))).is_err() {
                    return;
                }
            }
            Leave::NotNow => return,
        }
        end(&socket);
        self.sockets.remove(&slot);
        self.group.left(slot);
        self.apply();
        self.held.remove(&slot);
    }

    /// The slots in whose queues connections wait.
    pub(super) fn queued(&self) -> impl Iterator<Item = SlotIndex> {
        let waits = |socket: &Arc<OwnedFd>| sys::queued(socket.as_fd()).is_ok_and(|count| count > 0);
        self.sockets.iter().filter(move |(_, socket)| waits(socket)).map(|(slot, _)| *slot)
    }

    /// Has those listen again that were shut down; each is the last one in the group then. Whether there was one.
    pub(super) fn renew(&mut self) -> Option<io::Result<()>> {
        let lost = |(slot, socket): (&SlotIndex, &Arc<OwnedFd>)| is_shut_down(socket).then_some(*slot);
        let lost: BTreeSet<SlotIndex> = self.sockets.iter().filter_map(lost).collect();
        if lost.is_empty() {
            return None;
        }
        let (mut renewed, led) = (Ok(()), self.group.led());
        for slot in lost {
            self.group.left(slot);
            match listen_again(&self.sockets[&slot], self.bound, self.backlog) {
                Ok(()) => self.group.joined(slot),
                Err(error) => renewed = Err(error.into()),
            }
        }
        self.group.lead_to(&led);
        self.apply();
        Some(renewed)
    }

    /// The slots whose sockets are open, but for the first, which stays.
    pub(super) fn slots(&self) -> impl Iterator<Item = SlotIndex> {
        self.sockets.keys().copied().filter(|slot| *slot != FIRST)
    }

    fn apply(&self) {
        self.note.write(&self.group);
        if let Err(error) = self.choose_by(&self.group.program()) {
            // The program before stays: connections wait for slots that are not served, until the next change.
            tracing::error!(target: "drover::listener", name = self.name, %error, "can't lead connections to other slots");
        }
    }

    /// Any socket will do; the program belongs to the group.
    fn choose_by(&self, program: &[libc::sock_filter]) -> io::Result<()> {
        self.sockets.values().next().map_or(Ok(()), |socket| sys::choose_by(socket.as_fd(), program))
    }
}

/// As a shared listener's.
impl Drop for SlotSockets {
    fn drop(&mut self) {
        if self.holds.are_left() {
            return;
        }
        self.sockets.values().for_each(|socket| end(socket));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::listener::Listener;

    fn spec(addr: &str) -> ListenSpec {
        ListenSpec::new("http", addr.parse().unwrap()).reuseport()
    }

    fn opened() -> SlotSockets {
        open(&spec("127.0.0.1:0"), "127.0.0.1:0").unwrap()
    }

    fn open(spec: &ListenSpec, addr: &str) -> Result<SlotSockets, ListenError> {
        SlotSockets::open(spec, addr, &Holds::default(), "")
    }

    fn slots(slots: &[u32]) -> BTreeSet<SlotIndex> {
        slots.iter().copied().map(SlotIndex).collect()
    }

    /// The slots at which `count` connections arrive; their queues are emptied.
    fn arrivals(of: &SlotSockets, count: usize) -> BTreeSet<SlotIndex> {
        // Connected means queued: on the loopback a handshake is done when connect returns.
        let clients: Vec<TcpStream> = (0..count).map(|_| TcpStream::connect(of.bound).unwrap()).collect();
        let (mut arrived, mut taken) = (BTreeSet::new(), 0);
        for (slot, socket) in &of.sockets {
            let waiting = sys::queued(socket.as_fd()).unwrap() as usize;
            let listener = TcpListener::from(socket.try_clone().unwrap());
            (0..waiting).for_each(|_| drop(listener.accept().unwrap()));
            taken += waiting;
            if waiting > 0 {
                arrived.insert(*slot);
            }
        }
        assert_eq!(taken, clients.len());
        arrived
    }

    #[test]
    fn the_kernel_leads_connections_as_the_group_says_whoever_comes_and_goes() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut sockets = opened();
        for slot in 1..6 {
            sockets.socket(SlotIndex(slot)).unwrap();
        }
        for _ in 0..60 {
            let led = slots(&[random.u32(0..8), random.u32(0..8), random.u32(0..8)]);
            sockets.lead_to(&led);
            let slot = SlotIndex(random.u32(1..8));
            if random.bool() {
                sockets.socket(slot).unwrap();
            } else {
                sockets.close(slot);
            }
            let expected: BTreeSet<SlotIndex> =
                sockets.sockets.keys().filter(|slot| sockets.is_led_to(**slot)).copied().collect();
            // By chance one of three gets none of 40 in one of 10 million rounds.
            assert_eq!(arrivals(&sockets, 40), expected);
        }
    }

    #[test]
    fn without_a_program_the_kernel_would_lead_to_every_slot() {
        let mut sockets = opened();
        for slot in 1..4 {
            sockets.socket(SlotIndex(slot)).unwrap();
        }
        assert_eq!(arrivals(&sockets, 100), slots(&[0]));
        // A number that is not in the group counts as no answer.
        sockets.choose_by(&[libc::sock_filter { code: libc::BPF_RET as u16, jt: 0, jf: 0, k: 99 }]).unwrap();
        assert_eq!(arrivals(&sockets, 100), slots(&[0, 1, 2, 3]));
    }

    #[test]
    fn a_slot_that_is_closed_without_having_been_led_around_loses_who_waits_for_it() {
        for led_around in [false, true] {
            let mut sockets = opened();
            sockets.socket(SlotIndex(1)).unwrap();
            sockets.lead_to(&slots(if led_around { &[0] } else { &[0, 1] }));
            let clients: Vec<TcpStream> =
                (0..40).map(|_| TcpStream::connect(sockets.bound).unwrap()).collect();
            end(&sockets.opened(SlotIndex(1)).unwrap());
            let lost = clients.iter().filter(|client| client.take_error().unwrap().is_some()).count();
            assert_eq!(lost == 0, led_around, "{lost} of 40");
        }
    }

    #[test]
    fn as_many_slots_as_there_may_be_fit_into_a_program() {
        let mut sockets = opened();
        for slot in 1..ListenMode::MAX_SLOTS {
            sockets.group.joined(SlotIndex(slot));
        }
        // Every second one: the longest program.
        sockets.group.lead_to(&(0..ListenMode::MAX_SLOTS).step_by(2).map(SlotIndex).collect());
        sockets.choose_by(&sockets.group.program()).unwrap();
        sockets.socket(SlotIndex(ListenMode::MAX_SLOTS)).unwrap_err();
    }

    #[test]
    fn a_port_in_use_is_told_even_if_both_would_share_it() {
        let first = opened();
        let addr = first.addr.to_string();
        for mode in [spec(&addr), ListenSpec::new("http", addr.parse().unwrap())] {
            let second = if mode == spec(&addr) {
                open(&mode, &addr).map(drop)
            } else {
                Listener::open(&mode).map(drop)
            };
            assert!(matches!(second, Err(ListenError::InUse { .. })), "{second:?}");
        }
        drop(first);
        open(&spec(&addr), &addr).unwrap();
    }
}
