//! The addresses of a host, within bounded time. The system's resolver blocks its thread, for half a minute and more where
//! a name server does not answer.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a name may take. Its caller waits, so not longer than a person who starts an app would; it is the time after
/// which the resolver asks a silent name server anew (`resolv.conf(5)`, RES_TIMEOUT).
const WITHIN: Duration = Duration::from_secs(5);

/// The addresses of `host:port`, in the resolver's order. One that is written in digits is taken as it is and nobody is asked.
///
/// What this thread [knows](Hosts::known) is not asked again.
#[expect(clippy::disallowed_methods, reason = "on a thread that is made for it")]
pub(super) fn resolve(addr: &str) -> io::Result<Vec<SocketAddr>> {
    let known = KNOWN.with_borrow(|known| known.0.get(addr).cloned());
    if let Some(known) = known {
        return known.map_err(|(kind, text)| io::Error::new(kind, text));
    }
    resolve_by(addr, WITHIN, |addr| addr.to_socket_addrs().map(Iterator::collect))
}

thread_local! {
    static KNOWN: RefCell<Hosts> = RefCell::default();
}

/// Addresses that were looked up ahead, on a thread that may wait, for one that may not.
#[derive(Debug, Default)]
pub(crate) struct Hosts(HashMap<String, Result<Vec<SocketAddr>, (io::ErrorKind, String)>>);

impl Hosts {
    /// Asks the resolver for each, one after the other.
    pub(crate) fn look_up(names: Vec<String>) -> Self {
        let asked = |name: String| {
            let found = resolve(&name).map_err(|error| (error.kind(), error.to_string()));
            (name, found)
        };
        Self(names.into_iter().map(asked).collect())
    }

    /// Those of a resolver that did not answer.
    pub(crate) fn silent(names: &[String], within: Duration) -> Self {
        let error = || (io::ErrorKind::TimedOut, no_answer(within));
        Self(names.iter().map(|name| (name.clone(), Err(error()))).collect())
    }

    /// On this thread they are known until the value is dropped.
    #[must_use]
    pub(crate) fn known(self) -> KnownAddresses {
        KNOWN.set(self);
        KnownAddresses
    }
}

/// Addresses are known on this thread.
#[derive(Debug)]
pub(crate) struct KnownAddresses;

impl Drop for KnownAddresses {
    fn drop(&mut self) {
        KNOWN.take();
    }
}

fn no_answer(within: Duration) -> String {
    format!("no answer within {within:?}; check the name servers, or give an IP address")
}

fn resolve_by(
    addr: &str,
    within: Duration,
    ask: impl FnOnce(&str) -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> io::Result<Vec<SocketAddr>> {
    if let Ok(addr) = addr.parse() {
        return Ok(vec![addr]);
    }
    // Nobody may be there any more to take the answer: there is room for it, and the thread ends.
    let (tell, answer) = mpsc::sync_channel(1);
    let name = addr.to_owned();
    let run = move || {
        let _ = tell.send(ask(&name));
    };
    thread::Builder::new().name("drover-resolve".into()).spawn(run)?;
    answer.recv_timeout(within).unwrap_or_else(|error| match error {
        mpsc::RecvTimeoutError::Timeout => Err(io::Error::new(io::ErrorKind::TimedOut, no_answer(within))),
        mpsc::RecvTimeoutError::Disconnected => {
            Err(io::Error::other("the resolver failed without an answer"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_digits_is_taken_as_it_is() {
        for addr in ["127.0.0.1:80", "[::1]:0", "0.0.0.0:65535"] {
            let resolved = resolve_by(addr, WITHIN, |_| panic!("nobody is to be asked")).unwrap();
            assert_eq!(resolved, [addr.parse().unwrap()]);
        }
    }

    #[test]
    fn a_name_has_the_addresses_of_the_resolver_in_its_order() {
        let both: Vec<SocketAddr> = vec!["[::1]:80".parse().unwrap(), "127.0.0.1:80".parse().unwrap()];
        let known = both.clone();
        assert_eq!(resolve_by("localhost:80", WITHIN, move |_| Ok(known)).unwrap(), both);
        assert!(resolve("localhost:80").unwrap().iter().all(|addr| addr.ip().is_loopback()));
    }

    #[test]
    fn what_was_looked_up_ahead_is_not_asked_again() {
        let addr: SocketAddr = "192.0.2.7:80".parse().unwrap();
        let known = Hosts(HashMap::from([("nowhere.invalid:80".to_owned(), Ok(vec![addr]))])).known();
        assert_eq!(resolve("nowhere.invalid:80").unwrap(), [addr]);
        drop(known);
        assert!(resolve("nowhere.invalid:80").is_err());
        let known = Hosts::silent(&["nowhere.invalid:80".to_owned()], WITHIN).known();
        assert_eq!(resolve("nowhere.invalid:80").unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(known);
    }

    #[test]
    fn a_resolver_that_does_not_answer_is_not_waited_for() {
        let (end, ended) = mpsc::sync_channel::<()>(1);
        let silent = move |_: &str| {
            let _ = ended.recv();
            Ok(Vec::new())
        };
        let error = resolve_by("slow.example:80", Duration::from_millis(10), silent).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().starts_with("no answer within 10ms"), "{error}");
        drop(end);
    }
}
