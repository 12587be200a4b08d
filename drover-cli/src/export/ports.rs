//! The sockets of the master that others reach.

use drover_master::config::ListenAddr;
use drover_master::config::file::Config;

/// A port that a container has.
pub(super) struct Port {
    /// The socket's name.
    pub(super) name: String,
    /// Its number.
    pub(super) number: u16,
    /// Whether it is UDP.
    pub(super) is_udp: bool,
}

/// The ports that are not of this machine alone.
pub(super) fn ports(config: &Config) -> Vec<Port> {
    let each = config.sockets.iter().filter_map(|socket| {
        let (addr, is_udp) = match &socket.addr {
            ListenAddr::Tcp(addr) => (addr, false),
            ListenAddr::Udp(addr) => (addr, true),
            _ => return None,
        };
        let number = port_of(addr).filter(|number| *number > 0 && !is_loopback(addr))?;
        Some(Port { name: socket.name.clone(), number, is_udp })
    });
    each.collect()
}

pub(super) fn port_of(addr: &str) -> Option<u16> {
    addr.rsplit_once(':')?.1.parse().ok()
}

pub(super) fn is_loopback(addr: &str) -> bool {
    let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
