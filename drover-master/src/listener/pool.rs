//! Listeners that several apps share: opened by the first that starts, closed by the last that ends.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::open::Origin;
use super::store::{ListenerStore, is_storable, left};
use super::{InheritedSockets, ListenError, Listener, SocketStore};
use crate::config::{ListenMode, ListenSpec};
use crate::keeper::{Hold, Holds};

/// A listener that was opened, and perhaps still is.
type OpenListener = (ListenSpec, Weak<Listener>);

/// The listeners of apps that belong together. A clone is the same pool.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListenerPool {
    open: Arc<Mutex<Vec<OpenListener>>>,
    inherited: InheritedSockets,
    holds: Holds,
    /// Of what was handed over.
    _held: Arc<[Hold]>,
    /// Who keeps them for the next run, if anybody does.
    store: Option<Arc<ListenerStore>>,
}

impl ListenerPool {
    /// A pool in which listeners are these sockets, where they can be.
    pub(crate) fn of(inherited: InheritedSockets) -> Self {
        Self { inherited, ..Self::default() }
    }

    /// The same, with listeners that outlive this master, also those that were handed over to the first one.
    pub(crate) fn held_by(self, holds: Holds) -> Self {
        let (inherited, held) = self.inherited.held(&holds);
        Self { holds, inherited, _held: held.into(), ..self }
    }

    /// The same, with listeners that outlive this program.
    pub(crate) fn stored_by(self, store: Arc<dyn SocketStore>) -> Self {
        Self { store: Some(Arc::new(ListenerStore::new(store))), ..self }
    }

    /// All ends: what is kept for the next run stays open.
    pub(crate) fn leave_stored(&self) {
        if let Some(store) = &self.store {
            store.leave_all();
        }
    }

    /// What its listeners, and all else of its apps, are held by.
    pub(crate) const fn holds(&self) -> &Holds {
        &self.holds
    }

    /// Tells of sockets that were handed over and belong to none of these listeners. What an earlier run has left of others is closed.
    pub(crate) fn tell_left_over<'s>(&self, listeners: impl IntoIterator<Item = &'s ListenSpec> + Clone) {
        if let Some(store) = &self.store {
            store.end_left_over(&self.inherited, listeners.clone());
        }
        for socket in self.inherited.left_over(listeners) {
            tracing::warn!(
                target: "drover::listener",
                "no listener has the name or the address of the socket {socket}, which was handed over; nobody serves it"
            );
        }
    }

    /// Whether the master before had this listener open, and a service manager keeps it: closed by nobody, it would listen on for ever.
    pub(crate) fn is_to_be_closed(&self, spec: &ListenSpec) -> bool {
        self.store.is_some() && is_storable(spec) && self.holds.has_left(&held_name(spec))
    }

    /// Closes what an earlier run has left of listeners that nobody has opened.
    pub(crate) fn end_unopened(&self) {
        let Some(store) = &self.store else { return };
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.iter().filter(|(_, listener)| listener.strong_count() > 0).map(|(spec, _)| spec);
        store.end_left_over(&self.inherited, open);
    }

    /// The listener that was handed over for this description, if one was.
    pub(super) fn inherited(&self, spec: &ListenSpec) -> Result<Option<Listener>, ListenError> {
        let fault = |fault: String| ListenError::Inherited { name: spec.name.clone(), fault };
        let found = self
            .inherited
            .socket(spec)
            .map_err(|what| fault(format!("{what}, not one for {}", spec.addr)))?;
        let Some((socket, addr)) = found else { return Ok(None) };
        if spec.mode == ListenMode::Reuseport {
            return Err(fault(
                "one, and the mode `reuseport` needs one for each slot: use `shared`".to_owned(),
            ));
        }
        tracing::debug!(target: "drover::listener", name = spec.name, %addr, "handed over");
        Ok(Some(Listener::new(spec, addr, socket, Origin::Inherited)))
    }

    /// The error that an address is in use, by whom if that is one of these.
    pub(super) fn named(&self, error: ListenError, spec: &ListenSpec) -> ListenError {
        match (error, self.inherited.on_port_of(spec)) {
            (ListenError::InUse { name, addr, .. }, Some(socket)) => {
                ListenError::InUseByHandedOver { name, addr, socket }
            }
            (error, _) => error,
        }
    }

    /// The listener of this description: the open one, if an app has it already. Then the newest backlog holds for all.
    pub(crate) fn open(&self, spec: &ListenSpec) -> Result<Arc<Listener>, ListenError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, listener)| listener.strong_count() > 0);
        let is_same = |known: &ListenSpec| known.name == spec.name && known.addr == spec.addr;
        if let Some((known, found)) = open.iter_mut().find(|(known, _)| is_same(known))
            && let Some(listener) = found.upgrade()
        {
            if known.backlog != spec.backlog {
                listener.set_backlog(spec.backlog)?;
                known.backlog = spec.backlog;
            }
            return Ok(listener);
        }
        let listener = Arc::new(match self.inherited(spec)? {
            Some(listener) => listener,
            None => {
                let left = self.store.as_ref().and_then(|_| left(&self.inherited, spec));
                let opened = Listener::open_held(spec, left.as_deref(), &self.holds, &held_name(spec))
                    .map_err(|error| self.named(error, spec))?;
                opened.stored_by(self.store.as_ref(), spec)
            }
        });
        open.push((spec.clone(), Arc::downgrade(&listener)));
        Ok(listener)
    }
}

/// Two apps with a listener of this name and address share one.
fn held_name(spec: &ListenSpec) -> String {
    format!("listener/{}/{}", spec.name, spec.addr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_apps_share_one_socket_and_the_last_one_closes_it() {
        let pool = ListenerPool::default();
        let spec = ListenSpec::new("http", "127.0.0.1:0".parse().unwrap());
        let first = pool.open(&spec).unwrap();
        let second = pool.open(&spec).unwrap();
        assert_eq!(first.addr, second.addr);
        let addr = first.addr.to_string();
        drop(first);
        assert!(std::net::TcpStream::connect(&addr).is_ok());
        drop(second);
        assert!(std::net::TcpStream::connect(&addr).is_err());
    }

    #[test]
    fn another_backlog_is_given_to_the_socket_that_is_open() {
        let pool = ListenerPool::default();
        let spec = ListenSpec::new("http", "127.0.0.1:0".parse().unwrap());
        let first = pool.open(&spec).unwrap();
        let second = pool.open(&ListenSpec { backlog: 0, ..spec }).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        let addr: std::net::SocketAddr = first.addr.to_string().parse().unwrap();
        // A queue of 0 holds one connection; listen(2) counts those beyond it.
        let clients: Vec<_> = (0..3)
            .map(|_| std::net::TcpStream::connect_timeout(&addr, std::time::Duration::from_millis(50)))
            .collect();
        assert!(clients[0].is_ok() && clients[2].is_err(), "{clients:?}");
    }
}
