//! Which process holds a port that is in use, for people. By a walk over `/proc`, so not on the runtime's thread.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::ListenAddr;

/// A process that holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortHolder {
    /// Its number.
    pub pid: u32,
    /// What it is called.
    pub name: String,
}

impl fmt::Display for PortHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} (`{}`)", self.pid, self.name.escape_default())
    }
}

impl PortHolder {
    /// Who holds an address. None where it can't be seen: a process of another user, or in another namespace.
    ///
    /// It walks over all processes, so call it where nobody else waits.
    pub fn of(addr: &ListenAddr) -> Option<Self> {
        holder_of(addr)
    }
}

/// Who holds the address. None where it can't be seen: a process of another user, or in another namespace.
pub(super) fn holder_of(addr: &ListenAddr) -> Option<PortHolder> {
    let (tables, addr) = match addr {
        ListenAddr::Tcp(addr) => (["tcp", "tcp6"], addr),
        ListenAddr::Udp(addr) => (["udp", "udp6"], addr),
        ListenAddr::Unix(_) => return None,
    };
    let port = addr.rsplit_once(':')?.1.parse::<u16>().ok()?;
    let wanted = addr.parse::<SocketAddr>().ok().map(|addr| addr.ip());
    let mut sockets = Vec::new();
    for table in tables {
        let text = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        sockets.extend(text.lines().skip(1).filter_map(parse));
    }
    // Connections have the port too, and are none that listens: their peers have one.
    sockets.retain(|socket| socket.port == port && socket.peer_port == 0 && socket.inode != 0);
    let is_exact = |socket: &SocketLine| wanted.is_some_and(|wanted| wanted == socket.ip);
    // One at this very address, or else one that may be in its way.
    sockets.sort_by_key(|socket| !is_exact(socket));
    sockets.iter().find_map(|socket| process_with(socket.inode))
}

/// A line of `/proc/net/tcp` or one like it, as in `proc_pid_net(5)`.
#[derive(Debug, PartialEq, Eq)]
struct SocketLine {
    ip: std::net::IpAddr,
    port: u16,
    peer_port: u16,
    inode: u64,
}

fn parse(line: &str) -> Option<SocketLine> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (ip, port) = words.get(1)?.split_once(':')?;
    let (_, peer_port) = words.get(2)?.split_once(':')?;
    // In the byte order of this machine, each group of four bytes.
    let group = |at: usize| Some(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = if ip.len() == 8 {
        Ipv4Addr::from(group(0)?).into()
    } else {
        let groups = [group(0)?, group(8)?, group(16)?, group(24)?];
        let bytes: [u8; 16] = groups.concat().try_into().ok()?;
        Ipv6Addr::from(bytes).into()
    };
    let number = |text: &str| u16::from_str_radix(text, 16).ok();
    Some(SocketLine {
        ip,
        port: number(port)?,
        peer_port: number(peer_port)?,
        inode: words.get(9)?.parse().ok()?,
    })
}

/// A process that has this socket open; of several the first, which the others have inherited it from.
#[expect(clippy::disallowed_methods, reason = "its caller is on a thread of its own")]
fn process_with(inode: u64) -> Option<PortHolder> {
    let wanted = format!("socket:[{inode}]");
    let pids = fs::read_dir("/proc").ok()?.flatten();
    let pids: HashSet<u32> = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let has_it = |pid: &u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut targets = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        targets.any(|target| target.as_os_str() == wanted.as_str())
    };
    let pid = pids.into_iter().filter(has_it).min()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(PortHolder { pid, name: name.trim_end().to_owned() })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn the_process_that_holds_a_port_is_found_for_both_protocols_and_families() {
        for host in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"] {
            let Ok(tcp) = TcpListener::bind(host) else { continue };
            let udp = UdpSocket::bind(host).unwrap();
            let of_tcp = ListenAddr::from(tcp.local_addr().unwrap());
            let of_udp = ListenAddr::Udp(udp.local_addr().unwrap().to_string());
            for addr in [of_tcp, of_udp] {
                let holder = holder_of(&addr).expect("this process holds it");
                // A child that another test of this program is just making may hold a copy for a moment.
                assert!(holder.pid == std::process::id() || holder.pid > 1, "{holder}");
                assert!(holder.to_string().starts_with(&format!("pid {} (`", holder.pid)));
            }
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(holder_of(&ListenAddr::Udp(free.to_string())), None);
    }

    #[test]
    fn a_line_of_the_kernels_table_is_understood() {
        let line = "  12: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 x";
        let expected = SocketLine { ip: Ipv4Addr::LOCALHOST.into(), port: 8080, peer_port: 0, inode: 4711 };
        if cfg!(target_endian = "little") {
            assert_eq!(parse(line), Some(expected));
        }
        assert_eq!(parse("  sl  local_address rem_address   st"), None);
    }
}
