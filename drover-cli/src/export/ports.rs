//! The sockets of the master that others reach.

use std::net::IpAddr;

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

/// The ports that are not of this machine alone, each once: what listens at `0.0.0.0:80` and `[::]:80` is one port outside.
pub(super) fn ports(config: &Config) -> Vec<Port> {
    let mut found: Vec<Port> = Vec::new();
    let each = config.sockets.iter().filter_map(|socket| {
        let (addr, is_udp) = match &socket.addr {
            ListenAddr::Tcp(addr) => (addr, false),
            ListenAddr::Udp(addr) => (addr, true),
            _ => return None,
        };
        let number = port_of(addr).filter(|number| *number > 0 && !is_loopback(addr))?;
        Some(Port { name: socket.name.clone(), number, is_udp })
    });
    for port in each {
        if !found.iter().any(|other| (other.number, other.is_udp) == (port.number, port.is_udp)) {
            found.push(port);
        }
    }
    found
}

pub(super) fn port_of(addr: &str) -> Option<u16> {
    addr.rsplit_once(':')?.1.parse().ok()
}

pub(super) fn is_loopback(addr: &str) -> bool {
    host_of(addr) == "localhost" || ip_of(addr).is_some_and(|ip| ip.is_loopback())
}

/// Whether it is an address of one machine, or of one of its networks.
pub(super) fn is_of_a_machine(addr: &str) -> bool {
    ip_of(addr).is_some_and(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

fn host_of(addr: &str) -> &str {
    addr.rsplit_once(':').map_or(addr, |(host, _)| host).trim_matches(['[', ']'])
}

fn ip_of(addr: &str) -> Option<IpAddr> {
    host_of(addr).parse().ok()
}
