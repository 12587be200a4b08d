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

/// The sockets that nobody outside of the container reaches.
pub(super) fn notes(config: &Config) -> Vec<String> {
    let each = config.sockets.iter().filter_map(|socket| {
        let name = &socket.name;
        match &socket.addr {
            ListenAddr::Tcp(addr) | ListenAddr::Udp(addr) if is_loopback(addr) => Some(format!(
                "socket `{name}` listens at {addr}, which nobody outside of the container reaches: listen at 0.0.0.0 there"
            )),
            ListenAddr::Tcp(addr) | ListenAddr::Udp(addr) if port_of(addr) == Some(0) => {
                Some(format!("the kernel chooses the port of socket `{name}`, so it can't be named here"))
            }
            ListenAddr::Unix(path) => Some(format!(
                "socket `{name}` is {} in the container; share its directory with whoever connects",
                path.display()
            )),
            _ => None,
        }
    });
    each.collect()
}

fn port_of(addr: &str) -> Option<u16> {
    addr.rsplit_once(':')?.1.parse().ok()
}

fn is_loopback(addr: &str) -> bool {
    let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
