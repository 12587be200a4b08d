//! Who may ask what.
//!
//! A browser on this machine reaches a loopback address for whatever page it shows. Two headers that a page can't forge tell
//! such a request from one that a person meant: `Host` (a page that reaches the address by a name of its own, DNS rebinding,
//! has that name in it) and `Origin` (a page from elsewhere has its own in it).

use super::spec::AdminSpec;
use crate::config::ListenAddr;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intrusion {
    /// It names another host, or none.
    Host,
    /// A page from elsewhere sends it.
    Origin,
    /// Nothing may be changed here.
    ReadOnly,
    /// It does not show the token.
    Token,
}

impl Intrusion {
    /// What is wrong, and what to do.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Host => {
                "this host is not one that the page is served under; ask for localhost or the address, or name the host in master.http.hosts"
            }
            Self::Origin => "a page from elsewhere may not ask this",
            Self::ReadOnly => {
                "nothing may be changed here; set master.http.control_token_file to allow it, or use the drover command"
            }
            Self::Token => "show the token of master.http.control_token_file: Authorization: Bearer TOKEN",
        }
    }
}

/// What of a request says who sends it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Requester<'r> {
    pub(super) host: Option<&'r str>,
    pub(super) origin: Option<&'r str>,
    pub(super) authorization: Option<&'r str>,
}

/// Whether it may look.
pub(super) fn may_look(spec: &AdminSpec, sender: Requester<'_>) -> Result<(), Intrusion> {
    // No browser reaches a Unix socket but through a proxy, which has its own rules.
    if let ListenAddr::Tcp(own) = &spec.listen
        && !sender.host.is_some_and(|host| is_known(host, own, &spec.hosts))
    {
        return Err(Intrusion::Host);
    }
    match sender.origin {
        Some(origin) if !is_same(origin, sender.host) => Err(Intrusion::Origin),
        _ => Ok(()),
    }
}

/// Whether it may change something, as far as that is more than looking.
pub(super) fn may_change(spec: &AdminSpec, sender: Requester<'_>) -> Result<(), Intrusion> {
    let Some(token) = &spec.control_token else { return Err(Intrusion::ReadOnly) };
    let shown = sender.authorization.and_then(|value| {
        let (scheme, shown) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim())
    });
    if shown.is_some_and(|shown| token.is(shown)) { Ok(()) } else { Err(Intrusion::Token) }
}

fn is_known(host: &str, own: &str, others: &[String]) -> bool {
    let host = without_port(host);
    let known = ["localhost", "127.0.0.1", "[::1]", without_port(own)];
    known.into_iter().chain(others.iter().map(String::as_str)).any(|known| known.eq_ignore_ascii_case(host))
}

/// `HOST` of `HOST:PORT`; an address of IPv6 stays in its brackets (RFC 3986, 3.2.2).
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') => host,
        _ => authority,
    }
}

/// Whether a page of this origin was served by this host. `null`, the origin of what hides it, is of nobody.
fn is_same(origin: &str, host: Option<&str>) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::spec::ControlToken;

    fn spec(listen: &str) -> AdminSpec {
        AdminSpec::new(listen.parse().unwrap()).host("Status.Example.org")
    }

    fn looks(listen: &str, host: Option<&str>, origin: Option<&str>) -> Result<(), Intrusion> {
        may_look(&spec(listen), Requester { host, origin, authorization: None })
    }

    #[test]
    fn a_host_is_the_address_or_one_that_was_named() {
        for host in [
            "localhost",
            "localhost:9900",
            "LOCALHOST:1",
            "127.0.0.1:9900",
            "[::1]:9900",
            "[::1]",
            "127.0.0.9:9900",
            "status.example.org",
            "status.example.org:443",
        ] {
            assert_eq!(looks("127.0.0.9:9900", Some(host), None), Ok(()), "{host}");
        }
        for host in ["evil.example.org", "127.0.0.1.evil.org:9900", "localhost.evil.org", "", "10.0.0.1:9900"]
        {
            assert_eq!(looks("127.0.0.9:9900", Some(host), None), Err(Intrusion::Host), "{host}");
        }
        assert_eq!(looks("127.0.0.9:9900", None, None), Err(Intrusion::Host));
        assert_eq!(looks("unix:/run/admin.sock", Some("anything"), None), Ok(()));
        assert_eq!(looks("unix:/run/admin.sock", None, None), Ok(()));
    }

    #[test]
    fn a_page_from_elsewhere_is_refused_on_both_kinds_of_sockets() {
        for listen in ["127.0.0.1:9900", "unix:/run/admin.sock"] {
            for origin in ["http://localhost:9900", "https://LOCALHOST:9900"] {
                assert_eq!(looks(listen, Some("localhost:9900"), Some(origin)), Ok(()), "{origin}");
            }
            for origin in [
                "null",
                "http://evil.org",
                "http://localhost:8080",
                "http://localhost",
                "file://localhost:9900",
                "",
            ] {
                let refused = looks(listen, Some("localhost:9900"), Some(origin));
                assert_eq!(refused, Err(Intrusion::Origin), "{listen} {origin}");
            }
        }
    }

    #[test]
    fn only_the_token_lets_something_be_changed() {
        let with = |authorization| Requester { authorization, ..Requester::default() };
        let closed = spec("127.0.0.1:1");
        assert_eq!(may_change(&closed, with(Some("Bearer 0123456789abcdef"))), Err(Intrusion::ReadOnly));
        let open = closed.control_token(ControlToken::new("0123456789abcdef").unwrap());
        for right in ["Bearer 0123456789abcdef", "bearer  0123456789abcdef"] {
            assert_eq!(may_change(&open, with(Some(right))), Ok(()), "{right}");
        }
        for wrong in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("Basic 0123456789abcdef"),
            Some("0123456789abcdef"),
        ] {
            assert_eq!(may_change(&open, with(wrong)), Err(Intrusion::Token), "{wrong:?}");
        }
    }
}
