//! The keys of a listener.

use ChangeClass::{Reload, Restart};

use super::field::at;
use super::key::Key;
use super::text::Address;
use super::whole::Whole;
use super::words::MODES;
use crate::config::{ChangeClass, ListenSpec};

pub(super) static KEYS: &[Key<ListenSpec>] = &[
    Key::new(
        "listen",
        Reload,
        at!(ListenSpec, addr, Address),
        "HOST:PORT, udp:HOST:PORT, or unix:PATH.",
    ),
    Key::new(
        "backlog",
        Reload,
        at!(ListenSpec, backlog, Whole(1, 65535)),
        "How many connections may wait to be accepted. Too low refuses clients in a burst, too high lets them wait for an app that cannot keep up.",
    ),
    Key::new(
        "mode",
        Restart,
        at!(ListenSpec, mode, MODES),
        "`shared`: all workers take from one queue of connections. `reuseport`: each slot has a queue of its own, and new connections are spread by chance over those that serve; TCP only, for one app of at most 1024 workers.",
    )
    .because("its address is open in the other mode, and can't be opened twice"),
];
