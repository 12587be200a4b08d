//! Listeners that several apps share: opened by the first that starts, closed by the last that ends.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{ListenError, Listener};
use crate::config::ListenSpec;

/// A listener that was opened, and perhaps still is.
type Known = (ListenSpec, Weak<Listener>);

/// The listeners of apps that belong together. A clone is the same pool.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListenerPool {
    open: Arc<Mutex<Vec<Known>>>,
}

impl ListenerPool {
    /// The listener of this description: the open one, if an app has it already.
    pub(crate) fn open(&self, spec: &ListenSpec) -> Result<Arc<Listener>, ListenError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, listener)| listener.strong_count() > 0);
        if let Some(listener) =
            open.iter().find(|(known, _)| known == spec).and_then(|(_, found)| found.upgrade())
        {
            return Ok(listener);
        }
        let listener = Arc::new(Listener::open(spec)?);
        open.push((spec.clone(), Arc::downgrade(&listener)));
        Ok(listener)
    }
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
}
