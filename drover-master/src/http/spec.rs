//! Where the admin HTTP is served, and to whom.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::ListenAddr;

/// How the admin HTTP is served.
///
/// # Example
///
/// ```
/// use drover_master::http::AdminSpec;
///
/// let spec = AdminSpec::new("127.0.0.1:9900".parse().unwrap());
/// assert!(spec.control_token.is_none()); // it only shows
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminSpec {
    /// A loopback address, or the path of a Unix socket.
    pub listen: ListenAddr,
    /// The hosts by which a proxy makes it known, without a port. A request over TCP that names another host than these, the
    /// address, or `localhost` is refused: otherwise any web page could reach it by a name of its own (DNS rebinding).
    pub hosts: Vec<String>,
    /// Who shows it may change something. Default none: nobody may.
    pub control_token: Option<ControlToken>,
}

impl AdminSpec {
    /// Serves there, and only shows.
    pub const fn new(listen: ListenAddr) -> Self {
        Self { listen, hosts: Vec::new(), control_token: None }
    }

    /// The same, made known by a proxy under another host, too.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// The same, where whoever shows the token may change something.
    #[must_use]
    pub fn control_token(mut self, token: ControlToken) -> Self {
        self.control_token = Some(token);
        self
    }
}

/// The fewest characters of a token: 16 of base 64 are 96 bits, which nobody guesses.
const SHORTEST: usize = 16;

/// What a client has to show to change something: `Authorization: Bearer TOKEN`.
#[derive(Clone, PartialEq, Eq)]
pub struct ControlToken(String);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Its file can't be read.
    #[error("the token file `{}` can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// What is there can be guessed, or can't stand in a header.
    #[error(
        "the token has {length} characters; expected {SHORTEST} or more printable ones without blanks: `openssl rand -hex 16` makes one"
    )]
    Unfit {
        /// How many it has.
        length: usize,
    },
}

impl ControlToken {
    /// A token.
    ///
    /// # Errors
    ///
    /// [`TokenError::Unfit`].
    pub fn new(text: impl Into<String>) -> Result<Self, TokenError> {
        let text = text.into();
        if text.len() < SHORTEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Unfit { length: text.chars().count() });
        }
        Ok(Self(text))
    }

    /// The token that a file holds, without blanks around it. Reads the file system.
    ///
    /// # Errors
    ///
    /// [`TokenError`].
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let read = fs::read_to_string(path);
        let text = read.map_err(|source| TokenError::Read { path: path.to_owned(), source })?;
        Self::new(text.trim())
    }

    /// Whether what a client shows is the token. How long it takes does not tell how much of it is right.
    pub(super) fn is(&self, shown: &str) -> bool {
        let (own, shown) = (self.0.as_bytes(), shown.as_bytes());
        let differences = own.iter().zip(shown).fold(0, |so_far, (own, shown)| so_far | (own ^ shown));
        own.len() == shown.len() && std::hint::black_box(differences) == 0
    }
}

/// Never the token itself.
impl fmt::Debug for ControlToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ControlToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_enough_and_never_shown() {
        for unfit in ["", "short", "fifteen-letters", "with blanks in its midst", "mit-ümlaut-darin-äöü"]
        {
            assert!(matches!(ControlToken::new(unfit), Err(TokenError::Unfit { .. })), "{unfit}");
        }
        let token = ControlToken::new("0123456789abcdef").unwrap();
        assert!(token.is("0123456789abcdef"));
        for wrong in ["", "0123456789abcdeF", "0123456789abcdef0", "0123456789abcde"] {
            assert!(!token.is(wrong), "{wrong}");
        }
        assert!(!format!("{token:?}").contains("0123"));
    }

    #[test]
    fn a_file_of_a_token_may_end_in_a_new_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        assert!(matches!(ControlToken::read(&path), Err(TokenError::Read { .. })));
        fs::write(&path, "0123456789abcdef\n").unwrap();
        assert!(ControlToken::read(&path).unwrap().is("0123456789abcdef"));
    }
}
