//! What workers have as their standard input.

use std::fmt;
use std::str::FromStr;

use super::ConfigError;

/// A worker's descriptor 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Stdin {
    /// `/dev/null`. The default.
    #[default]
    Null,
    /// A pipe that nothing is ever written to, and that does not end: a read waits. For programs that leave at the end of their
    /// standard input.
    Open,
    /// One of the app's listeners, by its name, as inetd gives a server its socket with `wait` (`inetd.conf(5)`); Java knows it as
    /// `System.inheritedChannel()`. It is descriptor 0 beside what `LISTEN_FDS` counts from 3. In reuseport mode it is the one of
    /// the worker's own slot.
    ///
    /// A socket that the master has opened blocks. Whether it does is a matter of the socket, not of a descriptor
    /// (`O_NONBLOCK`, `fcntl(2)`): a worker that changes it changes it for all that have it.
    Socket(String),
}

impl Stdin {
    /// The listener's name.
    pub(crate) fn socket(&self) -> Option<&str> {
        match self {
            Self::Null | Self::Open => None,
            Self::Socket(name) => Some(name),
        }
    }
}

/// As it stands in `drover.toml`.
impl fmt::Display for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Open => f.write_str("open"),
            Self::Socket(name) => write!(f, "socket:{name}"),
        }
    }
}

impl FromStr for Stdin {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text.strip_prefix("socket:") {
            Some(name) if !name.is_empty() => Ok(Self::Socket(name.to_owned())),
            None if text == "null" => Ok(Self::Null),
            None if text == "open" => Ok(Self::Open),
            _ => Err(ConfigError::Stdin { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_nothing_or_never_ends_or_is_a_socket_by_its_name() {
        assert_eq!("null".parse(), Ok(Stdin::Null));
        assert_eq!("open".parse(), Ok(Stdin::Open));
        assert_eq!("socket:http".parse(), Ok(Stdin::Socket("http".into())));
        for text in ["", "http", "socket", "socket:", "Null"] {
            let error = text.parse::<Stdin>().unwrap_err().to_string();
            assert_eq!(
                error,
                format!("`{text}` is not a standard input: write `null`, `open` or `socket:NAME`")
            );
        }
    }
}
