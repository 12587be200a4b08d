//! Addresses to listen on and to connect to, as a file has them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use crate::config::ListenAddr;
use crate::config::text::mistake::{Mistakes, shown};
use crate::config::text::reader::KeyValue;
use crate::config::text::value;

/// An address to listen on.
pub(super) fn listen<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<ListenAddr> {
    if let Some(port) = entry.item.as_integer() {
        let help = format!("write `\"127.0.0.1:{port}\"`, or `\"0.0.0.0:{port}\"` for the whole network");
        entry.mistype(mistakes, "a string").help(help);
        return None;
    }
    let text = value::string(entry, mistakes)?;
    match address(text) {
        Ok(listen) => Some(listen),
        Err((fault, help)) => {
            mistakes.add(entry.span.clone(), format!("{} {fault}", entry.path)).help(help);
            None
        }
    }
}

/// What is wrong with an address, and what helps.
type AddressFault = (String, String);

fn address(text: &str) -> Result<ListenAddr, AddressFault> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path);
    }
    match text.strip_prefix("udp:") {
        Some(addr) => host_port(addr).map(|addr| ListenAddr::Udp(addr.to_string())),
        None => host_port(text).map(|addr| ListenAddr::Tcp(addr.to_string())),
    }
}

fn unix(path: &str) -> Result<ListenAddr, AddressFault> {
    let fault = if path.is_empty() {
        "has an empty path"
    } else if path.starts_with('@') {
        "names an abstract socket, which is not supported"
    } else if path.len() > LONGEST_UNIX_PATH {
        let fault = format!("has a path of {} bytes", path.len());
        return Err((fault, format!("the kernel takes at most {LONGEST_UNIX_PATH}: choose a shorter one")));
    } else {
        return Ok(ListenAddr::Unix(PathBuf::from(path)));
    };
    Err((fault.to_owned(), "write for example `unix:/run/app.sock`".to_owned()))
}

/// An address to connect to, which this entry has: `HOST:PORT`, with a port.
pub(super) fn peer_of<'t>(entry: &KeyValue<'t>, text: &str, mistakes: &mut Mistakes<'t>) -> Option<String> {
    let (fault, help) = match host_port(text) {
        Ok(HostPort { port: 0, .. }) => (
            "has port 0, at which nobody listens".to_owned(),
            "name the port that the program listens on".to_owned(),
        ),
        Ok(addr) => return Some(addr.to_string()),
        Err(fault) => fault,
    };
    mistakes.add(entry.span.clone(), format!("{} {fault}", entry.path)).help(help);
    None
}

fn host_port(text: &str) -> Result<HostPort, AddressFault> {
    let Some((host, port)) = text.rsplit_once(':') else {
        let help = if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
            format!("write `127.0.0.1:{text}`, or `0.0.0.0:{text}` for the whole network")
        } else if text.contains('/') {
            format!("write `unix:{}` for a path", shown(text))
        } else {
            "write HOST:PORT or unix:PATH".to_owned()
        };
        return Err((format!("is not an address: `{}`", shown(text)), help));
    };
    let digits = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    let Some(number) = port.parse::<u16>().ok().filter(|_| digits) else {
        return Err((format!("has no valid port: `{}`", shown(port)), "a port is 0 to 65535".to_owned()));
    };
    Ok(HostPort { host: self::host(host, port)?, port: number })
}

/// Checks a host and writes an address as everyone does, so that equal ones are equal.
fn host(host: &str, port: &str) -> Result<String, AddressFault> {
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let fault = || format!("has no valid IPv6 address: `{}`", shown(inner));
        return match inner.parse::<Ipv6Addr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => Err((fault(), format!("write for example `[::1]:{port}`"))),
        };
    }
    let all = || format!("write `0.0.0.0:{port}` or `[::]:{port}` for the whole network");
    if host.is_empty() {
        return Err(("has no host".to_owned(), all()));
    }
    if host == "*" {
        return Err(("has `*` as its host".to_owned(), all()));
    }
    if let Ok(address) = host.parse::<Ipv6Addr>() {
        let help = format!("write `[{address}]:{port}`");
        return Err(("has an IPv6 address without brackets".to_owned(), help));
    }
    let fault = || format!("has no valid host: `{}`", shown(host));
    if host.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return match host.parse::<Ipv4Addr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => Err((fault(), format!("write for example `127.0.0.1:{port}`"))),
        };
    }
    if host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')) {
        return Ok(host.to_ascii_lowercase());
    }
    Err((fault(), "write HOST:PORT or unix:PATH".to_owned()))
}

/// A host and a port.
struct HostPort {
    /// A host name, an IPv4 address, or an IPv6 address without its brackets.
    host: String,
    /// The port; 0 lets the kernel choose one.
    port: u16,
}

impl fmt::Display for HostPort {
    /// Writes an IPv6 address with its brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.parse::<Ipv6Addr>().is_ok() {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

/// What `sun_path` of unix(7) holds, without its final NUL.
const LONGEST_UNIX_PATH: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for (text, written) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("localhost:0", "localhost:0"),
            ("Example.COM:65535", "example.com:65535"),
            ("[::1]:80", "[::1]:80"),
            ("[0:0:0:0:0:0:0:1]:80", "[::1]:80"),
            ("udp:[::1]:53", "udp:[::1]:53"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
            ("unix:run/a b.sock", "unix:run/a b.sock"),
        ] {
            assert_eq!(address(text).map(|listen| listen.to_string()), Ok(written.to_owned()), "{text}");
        }
    }

    #[test]
    fn every_wrong_address_says_what_to_write() {
        let long = format!("unix:/{}", "x".repeat(107));
        for (text, fault, help) in [
            ("", "is not an address: ``", "write HOST:PORT or unix:PATH"),
            (
                "8080",
                "is not an address: `8080`",
                "write `127.0.0.1:8080`, or `0.0.0.0:8080` for the whole network",
            ),
            ("/run/a", "is not an address: `/run/a`", "write `unix:/run/a` for a path"),
            ("a:b", "has no valid port: `b`", "a port is 0 to 65535"),
            ("a:", "has no valid port: ``", "a port is 0 to 65535"),
            ("a:+1", "has no valid port: `+1`", "a port is 0 to 65535"),
            ("a:65536", "has no valid port: `65536`", "a port is 0 to 65535"),
            (":80", "has no host", "write `0.0.0.0:80` or `[::]:80` for the whole network"),
            ("*:80", "has `*` as its host", "write `0.0.0.0:80` or `[::]:80` for the whole network"),
            ("::1:80", "has an IPv6 address without brackets", "write `[::1]:80`"),
            ("[x]:80", "has no valid IPv6 address: `x`", "write for example `[::1]:80`"),
            ("1.2.3:80", "has no valid host: `1.2.3`", "write for example `127.0.0.1:80`"),
            ("http://a:80", "has no valid host: `http://a`", "write HOST:PORT or unix:PATH"),
            ("unix:", "has an empty path", "write for example `unix:/run/app.sock`"),
            (
                "unix:@a",
                "names an abstract socket, which is not supported",
                "write for example `unix:/run/app.sock`",
            ),
            (&long, "has a path of 108 bytes", "the kernel takes at most 107: choose a shorter one"),
            (
                "udp:53",
                "is not an address: `53`",
                "write `127.0.0.1:53`, or `0.0.0.0:53` for the whole network",
            ),
        ] {
            assert_eq!(address(text), Err((fault.to_owned(), help.to_owned())), "{text}");
        }
    }
}
