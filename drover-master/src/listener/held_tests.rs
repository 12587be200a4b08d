//! What a master listens on, after it was killed.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use super::{AppListeners, InheritedSockets, Listener, ListenerPool, UnixPath, UnixPathError};
use crate::config::{ListenAddr, ListenSpec};
use crate::ids::{SlotIndex, WorkerId};
use crate::keeper::{Holds, TestKeeper};
use crate::sys;
use crate::upkeep::Teller;

fn spec(addr: &str) -> ListenSpec {
    ListenSpec::new("http", addr.parse().unwrap())
}

fn pool(holds: &Holds) -> ListenerPool {
    ListenerPool::default().held_by(holds.clone())
}

fn socket_of(listener: &Listener) -> OwnedFd {
    listener.socket().try_clone().unwrap()
}

/// The listeners of an app that has this one.
fn app(spec: &ListenSpec, pool: &ListenerPool) -> AppListeners {
    let mut listeners = AppListeners::new("web".into(), Teller(Arc::new(|_| true)));
    listeners.open(spec, pool).unwrap();
    listeners
}

#[test]
fn a_tcp_listener_has_the_port_that_it_had_and_its_queue() {
    let (mut keeper, holds) = TestKeeper::new();
    let spec = spec("127.0.0.1:0");
    let listener = pool(&holds).open(&spec).unwrap();
    let addr = listener.addr.clone();
    let next = keeper.crash(&holds, listener);
    let mut queued = TcpStream::connect(addr.to_string()).expect("its queue is there without a master");
    let resumed = pool(&next).open(&spec).unwrap();
    assert_eq!(resumed.addr, addr);
    drop(TcpListener::from(socket_of(&resumed)).accept().unwrap());
    assert_eq!(queued.read(&mut [0]).unwrap(), 0, "it was taken");
    drop(resumed);
    assert!(TcpStream::connect(addr.to_string()).is_err());
    assert_eq!(keeper.held(), [""; 0]);
}

#[test]
fn a_udp_listener_has_what_was_sent_to_it_meanwhile_and_can_be_opened_again() {
    let (mut keeper, holds) = TestKeeper::new();
    let wanted = spec("udp:127.0.0.1:0");
    let listener = pool(&holds).open(&wanted).unwrap();
    let ListenAddr::Udp(addr) = listener.addr.clone() else { panic!() };
    let next = keeper.crash(&holds, listener);
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"meanwhile", &addr).unwrap();
    let resumed = pool(&next).open(&wanted).unwrap();
    let mut said = [0; 16];
    assert_eq!(UdpSocket::from(socket_of(&resumed)).recv(&mut said).unwrap(), 9);
    drop(resumed);
    let heard = std::thread::spawn(move || (keeper.held(), keeper));
    // It may be late on a loaded machine.
    let mut tries = (0..500).map(|_| pool(&next).open(&spec(&format!("udp:{addr}"))));
    let again = tries.find_map(Result::ok).expect("the keeper lets go");
    let (_, mut keeper) = heard.join().unwrap();
    drop(again);
    assert_eq!(keeper.held(), [""; 0]);
}

#[test]
fn a_unix_listener_has_its_path_its_file_and_its_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let lock_path = dir.path().join("x.sock.lock");
    let inode = |path: &Path| std::fs::symlink_metadata(path).unwrap().ino();
    let (mut keeper, holds) = TestKeeper::new();
    let spec = spec(&format!("unix:{}", path.display()));
    let listener = pool(&holds).open(&spec).unwrap();
    let before = (inode(&path), inode(&lock_path));
    let next = keeper.crash(&holds, listener);
    let mut queued = UnixStream::connect(&path).expect("its queue is there without a master");
    assert!(matches!(UnixPath::claim(&path), Err(UnixPathError::InUse { .. })), "it is locked");
    UnixPath::clear_away(&path);
    let resumed = pool(&next).open(&spec).unwrap();
    assert_eq!((inode(&path), inode(&lock_path)), before);
    assert!(matches!(UnixPath::claim(&path), Err(UnixPathError::InUse { .. })), "it is locked");
    drop(UnixListener::from(socket_of(&resumed)).accept().unwrap());
    assert_eq!(queued.read(&mut [0]).unwrap(), 0, "it was taken");
    assert!(resumed.restore().is_none(), "all is there");
    drop(resumed);
    assert!(!path.exists() && !lock_path.exists());
    assert_eq!(keeper.held(), [""; 0]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a directory of this test")]
fn a_path_that_was_swept_away_before_the_crash_or_after_it_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let (mut keeper, holds) = TestKeeper::new();
    let spec = spec(&format!("unix:{}", path.display()));
    let listener = pool(&holds).open(&spec).unwrap();
    std::fs::remove_file(&path).unwrap();
    listener.restore().unwrap().unwrap();
    let next = keeper.crash(&holds, listener);
    let queued = UnixStream::connect(&path).expect("the newest socket is held");
    let resumed = pool(&next).open(&spec).unwrap();
    assert!(resumed.restore().is_none(), "all is there");
    drop((UnixListener::from(socket_of(&resumed)).accept().unwrap(), queued));
    let last = keeper.crash(&next, resumed);
    std::fs::remove_file(&path).unwrap();
    let resumed = pool(&last).open(&spec).unwrap();
    resumed.restore().unwrap().unwrap();
    assert!(UnixStream::connect(&path).is_ok());
    drop(resumed);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    assert_eq!(keeper.held(), [""; 0]);
}

#[test]
fn a_path_that_was_claimed_alone_stays_claimed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let (mut keeper, holds) = TestKeeper::new();
    let claimed = UnixPath::claim_held(&path, &holds, "control").unwrap();
    let next = keeper.crash(&holds, claimed);
    assert!(matches!(UnixPath::claim(&path), Err(UnixPathError::InUse { .. })));
    let resumed = UnixPath::claim_held(&path, &next, "control").unwrap();
    let _socket = resumed.listen(16).unwrap();
    assert!(UnixStream::connect(&path).is_ok());
    drop(resumed);
    assert_eq!(keeper.held(), [""; 0]);
}

#[test]
fn a_socket_for_each_slot_is_led_to_as_before_whoever_comes_and_goes() {
    let (mut keeper, mut holds) = TestKeeper::new();
    let spec = spec("127.0.0.1:0").reuseport();
    let specs = std::slice::from_ref(&spec);
    let mut pool_now = pool(&holds);
    let mut listeners = app(&spec, &pool_now);
    for slot in 0..5 {
        listeners.sockets(specs, SlotIndex(slot)).unwrap();
        listeners.ready(SlotIndex(slot), WorkerId(slot.into()));
    }
    // The last takes its place in the kernel's order.
    listeners.gone(SlotIndex(1), WorkerId(1));
    listeners.retain(|slot| slot != SlotIndex(1));
    listeners.gone(SlotIndex(0), WorkerId(0));
    let addr = listeners.shown(specs).next().unwrap().1.to_string();
    let arrivals = |listeners: &mut AppListeners, of: &[u32]| {
        let clients: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(&addr).unwrap()).collect();
        let mut arrived = Vec::new();
        for slot in of {
            let socket = listeners.sockets(specs, SlotIndex(*slot)).unwrap().remove(0);
            let waiting = sys::queued(socket.as_fd()).unwrap();
            let listener = TcpListener::from(socket.try_clone().unwrap());
            (0..waiting).for_each(|_| drop(listener.accept().unwrap()));
            arrived.push((*slot, waiting > 0));
        }
        drop(clients);
        arrived
    };
    let here = [(0, false), (2, true), (3, true), (4, true)];
    for _ in 0..2 {
        assert_eq!(arrivals(&mut listeners, &[0, 2, 3, 4]), here);
        let next = keeper.crash(&holds, (listeners, pool_now));
        let queued = TcpStream::connect(&addr).expect("the queues are there without a master");
        (pool_now, holds) = (pool(&next), next);
        listeners = app(&spec, &pool_now);
        assert_eq!(listeners.shown(specs).next().unwrap().1.to_string(), addr);
        // It is in one of the queues, and the kernel still leads as it did.
        assert_eq!(listeners.queued().len(), 1);
        assert_eq!(arrivals(&mut listeners, &[0, 2, 3, 4]), here);
        drop(queued);
        for slot in [2, 3, 4] {
            listeners.ready(SlotIndex(slot), WorkerId(slot.into()));
        }
    }
    listeners.ready(SlotIndex(0), WorkerId(9));
    for slot in [2, 3] {
        listeners.gone(SlotIndex(slot), WorkerId(slot.into()));
    }
    let after = [(0, true), (2, false), (3, false), (4, true)];
    assert_eq!(arrivals(&mut listeners, &[0, 2, 3, 4]), after);
    drop(listeners);
    assert!(TcpStream::connect(&addr).is_err());
    assert_eq!(keeper.held(), [""; 0]);
}

#[test]
fn what_was_handed_over_to_the_first_master_is_the_next_ones_and_listens_on_at_the_end() {
    let (mut keeper, holds) = TestKeeper::new();
    let [one, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let addr = one.local_addr().unwrap();
    let handed = [("http", OwnedFd::from(one)), ("a/b", other.into())];
    let first = ListenerPool::of(InheritedSockets::named(handed)).held_by(holds.clone());
    let next = keeper.crash(&holds, first);
    let pool = ListenerPool::default().held_by(next);
    let listener = pool.open(&spec("127.0.0.1:1")).unwrap();
    assert_eq!(listener.addr, addr.into());
    TcpStream::connect(addr).unwrap();
    drop(listener);
    TcpStream::connect(addr).unwrap();
    assert_eq!(keeper.held(), ["inherited/0/http", "inherited/1/a/b"]);
    drop(pool);
    assert_eq!(keeper.held(), [""; 0]);
}
