//! What a worker is asked from outside, to know whether it is ready.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::duration::shown_duration;
use super::{ConfigError, ListenAddr, fill_in};

/// A question from outside to a worker that can't say by itself that it is ready.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Probe {
    /// What is asked.
    pub kind: ProbeKind,
    /// The pause between two tries. Default 100 ms. Too low: a slow start is kept busy with answering. Too high: readiness
    /// is noticed late.
    pub interval: Duration,
    /// How long one try may take. Default 1 s. Too low: an answer that takes its time never counts. Too high: a try that
    /// hangs keeps the next one waiting, and when it is longer than the start may take, nothing tells why it failed.
    pub timeout: Duration,
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum ProbeKind {
    /// Is a TCP connection taken?
    Tcp {
        /// `HOST:PORT`; placeholders become what they are of each worker: see [`fill_in`].
        addr: String,
    },
    /// Is a GET answered well? Redirects are not followed.
    Http {
        /// Where.
        url: HttpUrl,
        /// What the request's `Host` says. Default: the host and the port of the URL; `localhost` for a Unix socket.
        host: Option<String>,
        /// The status codes that mean ready. Empty, the default: 200 to 399.
        status: Vec<u16>,
    },
    /// Does a program exit with code 0? It runs in the surroundings of the worker: its user, directory, limits and
    /// environment, with `DROVER_PID` and without sockets and tokens. What outlives a try is killed with its group.
    Exec {
        /// A path, or a name to be searched in `PATH`.
        #[serde(with = "crate::written")]
        program: OsString,
        /// Its arguments.
        #[serde(with = "crate::written")]
        args: Vec<OsString>,
    },
    /// Has it printed a line with this text in it, to either stream? The master listens instead of trying, so that the times of the
    /// probe mean nothing. What is printed is read for it, wherever it goes. Only for a start.
    Log {
        /// A text within a line, as it stands there without colours.
        text: String,
    },
}

impl Probe {
    /// Passes once a TCP connection to `HOST:PORT` is taken.
    pub fn tcp(addr: impl Into<String>) -> Self {
        Self::new(ProbeKind::Tcp { addr: addr.into() })
    }

    /// Passes once a GET is answered with a status from 200 to 399.
    pub fn http(url: HttpUrl) -> Self {
        Self::new(ProbeKind::Http { url, host: None, status: Vec::new() })
    }

    /// Passes once a program exits with code 0.
    pub fn exec(program: impl Into<OsString>, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self::new(ProbeKind::Exec { program: program.into(), args })
    }

    /// Passes once the worker has printed a line with this text in it.
    pub fn log(text: impl Into<String>) -> Self {
        Self::new(ProbeKind::Log { text: text.into() })
    }

    /// The text that it listens for, if it listens.
    pub(crate) const fn text(&self) -> Option<&String> {
        match &self.kind {
            ProbeKind::Log { text } => Some(text),
            _ => None,
        }
    }

    /// Asks for this, with the default times.
    pub fn new(kind: ProbeKind) -> Self {
        Self { kind, interval: Duration::from_millis(100), timeout: Duration::from_secs(1) }
    }

    /// The same for one worker: without placeholders.
    pub(crate) fn of_worker(&self, slot: u32, pid: u32) -> Result<Self, ConfigError> {
        let kind = match &self.kind {
            ProbeKind::Tcp { addr } => ProbeKind::Tcp { addr: placed(addr, slot, pid)? },
            ProbeKind::Http { url, host, status } => {
                let url = url.of_worker(slot, pid)?;
                ProbeKind::Http { url, host: host.clone(), status: status.clone() }
            }
            ProbeKind::Exec { .. } | ProbeKind::Log { .. } => self.kind.clone(),
        };
        Ok(Self { kind, ..*self })
    }

    /// Checks every value of the probe of an app with this many workers.
    pub(super) fn check(&self, app: &str, workers: u32) -> Result<(), ConfigError> {
        for slot in [0, workers.saturating_sub(1)] {
            self.of_worker(slot, ANY_PID)?.check_one(app)?;
        }
        Ok(())
    }

    /// Checks every value of the probe of one worker.
    fn check_one(&self, app: &str) -> Result<(), ConfigError> {
        let fault = |fault: String| Err(ConfigError::Probe { app: app.to_owned(), fault });
        match &self.kind {
            ProbeKind::Tcp { addr } => match addr.parse()? {
                ListenAddr::Tcp(addr) if !addr.ends_with(":0") => Ok(()),
                ListenAddr::Tcp(_) | ListenAddr::Udp(_) | ListenAddr::Unix(_) => {
                    let reason = "a probe needs HOST:PORT with the port that the program listens on";
                    Err(ConfigError::ListenAddr { text: addr.clone(), reason })
                }
            },
            ProbeKind::Http { host: Some(host), .. } if !is_field(host) => {
                fault(format!("its host `{}` can't be part of a request", host.escape_debug()))
            }
            ProbeKind::Http { status, .. } => match status.iter().find(|code| !STATUS.contains(code)) {
                Some(code) => fault(format!("its status {code} can't end an answer: only 200 to 599 do")),
                None => Ok(()),
            },
            ProbeKind::Exec { program, .. } if program.is_empty() => fault("its command is empty".to_owned()),
            ProbeKind::Exec { .. } => Ok(()),
            ProbeKind::Log { text } => match text_fault(text) {
                Some(what) => fault(format!("its text {what}")),
                None => Ok(()),
            },
        }
    }
}

/// What keeps a text from ever standing in a line; follows "its text".
pub(super) fn text_fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("is empty: every line would pass")
    } else if text.contains(['\n', '\r', '\x1b']) {
        Some("has a line's end or an escape in it, which no line has")
    } else {
        None
    }
}

/// Stands for a process that is not there yet.
const ANY_PID: u32 = 1;

fn placed(addr: &str, slot: u32, pid: u32) -> Result<String, ConfigError> {
    let placed = fill_in(addr, slot, pid).map(Into::into);
    placed.map_err(|fault| ConfigError::Placeholder { text: addr.to_owned(), fault })
}

/// The codes that an answer can end with; those below announce it (RFC 9110, section 15).
const STATUS: std::ops::RangeInclusive<u16> = 200..=599;

/// Whether this can stand in a line of a request as it is.
fn is_field(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// As it stands in settings.
impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, interval, timeout } = self;
        if self.text().is_some() {
            return write!(f, "{kind}");
        }
        let (interval, timeout) = (shown_duration(*interval), shown_duration(*timeout));
        write!(f, "{kind}, every {interval}, at most {timeout} a try")
    }
}

/// As it stands in settings: `tcp HOST:PORT`.
impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { addr } => write!(f, "tcp {addr}"),
            Self::Http { url, host, status } => {
                write!(f, "http {url}")?;
                if let Some(host) = host {
                    write!(f, ", host {host}")?;
                }
                if !status.is_empty() {
                    write!(f, ", status {status:?}")?;
                }
                Ok(())
            }
            Self::Exec { program, args } => {
                write!(f, "exec {}", program.display())?;
                args.iter().try_for_each(|arg| write!(f, " {}", arg.display()))
            }
            Self::Log { text } => write!(f, "log {text:?}"),
        }
    }
}

/// Where a GET goes: `http://HOST[:PORT][/PATH]`, or `unix:SOCKET[:/PATH]`. There is no TLS. Placeholders become what they are
/// of each worker: see [`fill_in`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HttpUrl {
    /// As it was given, with its placeholders; what follows is of the first slot, until a worker is known.
    text: String,
    pub(crate) at: HttpAt,
    /// With its query; begins with `/`.
    pub(crate) path: String,
}

/// What is connected to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum HttpAt {
    Tcp {
        /// `HOST:PORT`.
        addr: String,
        /// As the URL has it.
        host: String,
    },
    Unix(#[serde(with = "crate::written")] PathBuf),
}

impl FromStr for HttpUrl {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let first = Self::parsed(&placed(text, 0, ANY_PID)?)?;
        Ok(Self { text: text.to_owned(), ..first })
    }
}

impl HttpUrl {
    /// Without placeholders.
    fn of_worker(&self, slot: u32, pid: u32) -> Result<Self, ConfigError> {
        if !self.text.contains('{') {
            return Ok(self.clone());
        }
        Self::parsed(&placed(&self.text, slot, pid)?)
    }

    fn parsed(text: &str) -> Result<Self, ConfigError> {
        let invalid = |reason| ConfigError::ProbeUrl { text: text.to_owned(), reason };
        let (at, path) = if let Some(rest) = text.strip_prefix("unix:") {
            let (socket, path) = match rest.find(":/") {
                Some(end) => (&rest[..end], &rest[end + 1..]),
                None => (rest, "/"),
            };
            if socket.is_empty() || socket.contains('\0') {
                return Err(invalid(
                    "the socket's path is empty or has a NUL in it; write unix:SOCKET:/PATH",
                ));
            }
            (HttpAt::Unix(PathBuf::from(socket)), path)
        } else if let Some(rest) = text.strip_prefix("http://") {
            let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            (tcp(host).map_err(invalid)?, path)
        } else if text.starts_with("https://") {
            return Err(invalid("a probe speaks no TLS; ask the program where it speaks plain HTTP"));
        } else {
            return Err(invalid("expected http://HOST:PORT/PATH or unix:SOCKET:/PATH"));
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        if !is_field(&path) {
            return Err(invalid("the path has blanks or letters beyond ASCII; encode them with %"));
        }
        if path.contains('#') {
            return Err(invalid("what follows `#` is never sent to a server; leave it out"));
        }
        Ok(Self { text: text.to_owned(), at, path })
    }
}

fn tcp(host: &str) -> Result<HttpAt, &'static str> {
    if host.contains('@') {
        return Err("a name and a password are not supported");
    }
    // The colons of an IPv6 address are within brackets.
    let port = match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => Some((&host[..colon], &host[colon + 1..])),
        _ => None,
    };
    let name = port.map_or(host, |(name, _)| name);
    let is_bracketed = name.starts_with('[') && name.ends_with(']');
    if !is_field(name) || (name.contains(':') && !is_bracketed) {
        return Err("the host is neither a name nor an address; write an IPv6 address in brackets");
    }
    let addr = match port {
        Some((_, port)) if port.parse().is_ok_and(|port: u16| port != 0) => host.to_owned(),
        Some(_) => return Err("the port must be a number from 1 to 65535"),
        None => format!("{host}:80"),
    };
    Ok(HttpAt::Tcp { addr, host: host.to_owned() })
}

/// As it was given.
impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_tells_where_to_connect_and_what_to_ask_for() {
        for (text, at, path) in [
            ("http://127.0.0.1:8080/health?deep=1", "127.0.0.1:8080", "/health?deep=1"),
            ("http://localhost", "localhost:80", "/"),
            ("http://[::1]:81?x", "[::1]:81", "/?x"),
            ("http://[::1]", "[::1]:80", "/"),
            ("unix:/run/web.sock:/health", "/run/web.sock", "/health"),
            ("unix:web.sock", "web.sock", "/"),
        ] {
            let url: HttpUrl = text.parse().unwrap();
            let found = match &url.at {
                HttpAt::Tcp { addr, .. } => addr.clone(),
                HttpAt::Unix(socket) => socket.display().to_string(),
            };
            assert_eq!((found.as_str(), url.path.as_str(), url.to_string().as_str()), (at, path, text));
        }
    }

    #[test]
    fn a_url_with_placeholders_is_another_for_each_worker() {
        let url: HttpUrl = "http://a:{8000+slot}/{pid}".parse().unwrap();
        let of_worker = url.of_worker(3, 42).unwrap();
        let HttpAt::Tcp { addr, host } = &of_worker.at else { panic!("{of_worker:?}") };
        assert_eq!((&**addr, &**host, &*of_worker.path), ("a:8003", "a:8003", "/42"));
        assert_eq!(url.to_string(), "http://a:{8000+slot}/{pid}");
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_reason() {
        for (text, reason) in [
            ("https://a/", "no TLS"),
            ("localhost:80", "expected http://"),
            ("http://", "the host"),
            ("http://::1/", "brackets"),
            ("http://a:0/", "the port"),
            ("http://a:x/", "the port"),
            ("http://me:secret@a/", "a password"),
            ("http://a/b c", "blanks"),
            ("http://a/b\r\nX: 1", "blanks"),
            ("http://a/#b", "`#`"),
            ("unix::/health", "empty"),
            ("http://a:{port}/", "`{port}` is not a placeholder"),
        ] {
            let error = text.parse::<HttpUrl>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn values_that_no_probe_can_mean_are_refused() {
        let http = |host: &str, status: &[u16]| {
            let url = "http://a/".parse().unwrap();
            Probe::new(ProbeKind::Http { url, host: Some(host.to_owned()), status: status.to_vec() })
        };
        let never: [&str; 0] = [];
        for (probe, fault) in [
            (http("a\r\nX: 1", &[]), r"`a\r\nX: 1`"),
            (http("", &[]), "host"),
            (http("a", &[200, 100]), "status 100"),
            (Probe::exec("", never), "empty"),
            (Probe::tcp("a:0"), "port"),
            (Probe::log(""), "its text is empty"),
            (Probe::log("a\nb"), "its text has a line's end"),
        ] {
            let error = probe.check("web", 2).unwrap_err().to_string();
            assert!(error.contains(fault), "{error}");
        }
        assert_eq!(http("a", &[200, 503]).check("web", 2), Ok(()));
    }
}
