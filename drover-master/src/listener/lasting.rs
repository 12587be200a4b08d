//! A Unix listener as an app has it: its path is looked after, and the app told when another socket is in its place.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::Listener;
use crate::machine::fleet::{SocketLoss, SocketRenewal};
use crate::sentence::sentence;
use crate::upkeep::{Lasting, Teller, UpkeepNews};

/// The listener, and what was told of it.
#[derive(Debug)]
pub(super) struct LastingListener {
    listener: Arc<Listener>,
    teller: Teller,
    told: Mutex<LastReport>,
}

#[derive(Debug)]
struct LastReport {
    socket: Arc<OwnedFd>,
    fault: Option<String>,
}

impl LastingListener {
    pub(super) fn new(listener: Arc<Listener>, teller: Teller) -> Self {
        let told = Mutex::new(LastReport { socket: listener.socket(), fault: None });
        Self { listener, teller, told }
    }
}

impl Lasting for LastingListener {
    fn files(&self) -> Vec<PathBuf> {
        self.listener.files()
    }

    fn restore(&self) -> bool {
        let fault = self.listener.restore().and_then(Result::err).map(|error| sentence(&error));
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // Another app that has the listener may have been faster.
        let socket = self.listener.socket();
        if !Arc::ptr_eq(&told.socket, &socket) {
            if !(self.teller.0)(UpkeepNews::ListenerReplaced) {
                return false;
            }
            told.socket = socket;
        }
        let is_there = fault.is_none();
        if told.fault != fault {
            told.fault.clone_from(&fault);
            if let Some(fault) = fault {
                let what = format!("listener `{}`", self.listener.name).into();
                let (at, fault) = (self.listener.addr.to_string().into(), Some(fault.into()));
                let renewal = SocketRenewal { what, at, loss: SocketLoss::Removed, fault };
                (self.teller.0)(UpkeepNews::Renewed(renewal));
            }
        }
        is_there
    }
}
