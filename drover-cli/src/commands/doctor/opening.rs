//! Whether what a file names can be opened to listen on. It is opened and let go of at once: nothing else tells for sure.

use std::io::{self, ErrorKind};
use std::net::{TcpListener, UdpSocket};

use drover_master::PortHolder;
use drover_master::config::ListenAddr;
use drover_master::config::file::Config;

use super::facts::{Found, Opening};

/// Every socket of a file, and where its admin HTTP listens.
pub(super) fn of_file(config: &Config) -> Vec<Opening> {
    let sockets = config.sockets.iter().map(|socket| (format!("sockets.{}", socket.name), &socket.addr));
    let http = config.master.fixed.http.iter().map(|http| ("master.http.listen".to_owned(), &http.listen));
    let opening =
        |(key, addr): (String, &ListenAddr)| Opening { key, addr: addr.to_string(), found: look(addr) };
    sockets.chain(http).map(opening).collect()
}

fn look(addr: &ListenAddr) -> Found {
    let opened = match addr {
        ListenAddr::Tcp(addr) => TcpListener::bind(addr).map(drop),
        ListenAddr::Udp(addr) => UdpSocket::bind(addr).map(drop),
        // The master takes over a path that nobody listens at, and refuses another when it starts.
        ListenAddr::Unix(_) | _ => Ok(()),
    };
    match opened {
        Ok(()) => Found::Free,
        Err(error) => not_opened(&error, addr),
    }
}

fn not_opened(error: &io::Error, addr: &ListenAddr) -> Found {
    match error.kind() {
        ErrorKind::AddrInUse => Found::InUse(PortHolder::of(addr).map(|holder| (holder.pid, holder.name))),
        ErrorKind::PermissionDenied => Found::Denied,
        _ => Found::Wrong(error.to_string()),
    }
}
