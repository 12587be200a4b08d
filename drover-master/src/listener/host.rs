//! A socket on the first address of a host that can be opened.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use nix::errno::Errno;

use super::error::ListenError;
use super::resolve;
use super::socket::{Port, listen_tcp};
use crate::config::{ListenAddr, ListenSpec};

/// Listens on the first address of the host that can be opened.
pub(super) fn open_tcp(
    spec: &ListenSpec,
    addr: &str,
    port: Port,
) -> Result<(OwnedFd, SocketAddr), ListenError> {
    first_of_host(spec, addr, |addr| listen_tcp(addr, spec.backlog, port))
}

/// Opens a socket on the first address of the host that can be opened.
pub(super) fn first_of_host(
    spec: &ListenSpec,
    addr: &str,
    open: impl Fn(SocketAddr) -> nix::Result<(OwnedFd, SocketAddr)>,
) -> Result<(OwnedFd, SocketAddr), ListenError> {
    let (name, wanted) = (&spec.name, &spec.addr);
    let resolved = resolve::resolve(addr).map_err(|source| ListenError::Resolve {
        name: name.clone(),
        addr: wanted.clone(),
        source,
    })?;
    let mut last = Errno::EADDRNOTAVAIL;
    for addr in &resolved {
        match open(*addr) {
            Ok(opened) => {
                if let Some(remark) = left_out(wanted, *addr, &resolved) {
                    tracing::warn!(target: "drover::listener", "listener `{name}`: {remark}");
                }
                return Ok(opened);
            }
            Err(error) => last = error,
        }
    }
    let (name, addr) = (name.clone(), wanted.clone());
    Err(match last {
        Errno::EADDRINUSE => ListenError::InUse { name, addr, holder: None },
        Errno::EACCES => ListenError::NotPermitted { name, addr },
        error => ListenError::Failed { name, addr, source: error.into() },
    })
}

/// What clients of a name should know that has several addresses: a listener is one socket, and has one of them.
fn left_out(wanted: &ListenAddr, opened: SocketAddr, resolved: &[SocketAddr]) -> Option<String> {
    let others: Vec<String> =
        resolved.iter().filter(|addr| addr.ip() != opened.ip()).map(ToString::to_string).collect();
    (!others.is_empty()).then(|| {
        format!(
            "it listens on {opened} alone, though `{wanted}` is {} too; write the address that you mean, or a listener for each",
            others.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_two_addresses_is_told_which_of_them_has_no_listener() {
        let [v4, v6]: [SocketAddr; 2] = ["127.0.0.1:80", "[::1]:80"].map(|addr| addr.parse().unwrap());
        let wanted = "localhost:80".parse().unwrap();
        let told = |opened, resolved: &[SocketAddr]| left_out(&wanted, opened, resolved);
        assert_eq!(told(v4, &[v4, v4]), None, "a resolver may say the same twice");
        assert_eq!(
            told(v4, &[v6, v4]).unwrap(),
            "it listens on 127.0.0.1:80 alone, though `localhost:80` is [::1]:80 too; write the address that you mean, or a \
             listener for each"
        );
    }
}
