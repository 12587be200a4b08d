//! The keys of a listener.

use super::key::{Key, keys};
use super::text::Address;
use super::whole::Whole;
use super::words::MODES;
use crate::config::ListenSpec;

pub(super) static KEYS: &[Key<ListenSpec>] = keys! { ListenSpec;
    "listen" Reload (addr: Address)
        "HOST:PORT, udp:HOST:PORT, or unix:PATH.";
    "backlog" Reload (backlog: Whole(1, 65535))
        "How many connections may wait to be accepted. Too low refuses clients in a burst, too high lets them wait for an app that cannot keep up.";
    "mode" Restart (mode: MODES)
        "`shared`: all workers take from one queue of connections. `reuseport`: each slot has a queue of its own, and new connections are spread by chance over those that serve; TCP only, for one app of at most 1024 workers."
        .because("its address is open in the other mode, and can't be opened twice");
};
