//! Signals, by number or by name.

use std::fmt;
use std::str::FromStr;

use nix::sys::signal::Signal as Named;

/// A signal: what ends a worker, tells it something, or ended it.
///
/// # Examples
///
/// ```
/// use drover_master::Signal;
///
/// assert_eq!("term".parse(), Ok(Signal::TERM));
/// assert_eq!("SIGUSR1".parse::<Signal>().unwrap().to_string(), "SIGUSR1");
/// assert_eq!(Signal::new(15), Some(Signal::TERM));
/// assert_eq!(Signal::new(0), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Signal(i32);

/// A text that is not a signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a signal; expected a name such as USR1 or SIGUSR1, or a number from 1 to 64")]
pub struct SignalError {
    text: String,
}

/// The highest number: the last real-time signal (`signal(7)`).
const LAST: i32 = 64;

impl Signal {
    /// `SIGHUP`
    pub const HUP: Self = Self(libc::SIGHUP);
    /// `SIGINT`
    pub const INT: Self = Self(libc::SIGINT);
    /// `SIGQUIT`
    pub const QUIT: Self = Self(libc::SIGQUIT);
    /// `SIGABRT`
    pub const ABRT: Self = Self(libc::SIGABRT);
    /// `SIGKILL`, which no program can catch.
    pub const KILL: Self = Self(libc::SIGKILL);
    /// `SIGSEGV`
    pub const SEGV: Self = Self(libc::SIGSEGV);
    /// `SIGUSR1`
    pub const USR1: Self = Self(libc::SIGUSR1);
    /// `SIGUSR2`
    pub const USR2: Self = Self(libc::SIGUSR2);
    /// `SIGTERM`
    pub const TERM: Self = Self(libc::SIGTERM);
    /// `SIGCONT`
    pub const CONT: Self = Self(libc::SIGCONT);
    /// `SIGSTOP`, which no program can catch.
    pub const STOP: Self = Self(libc::SIGSTOP);
    /// `SIGWINCH`
    pub const WINCH: Self = Self(libc::SIGWINCH);

    /// The signal of this number, from 1 to 64.
    pub const fn new(number: i32) -> Option<Self> {
        if number >= 1 && number <= LAST { Some(Self(number)) } else { None }
    }

    /// The signal that the kernel names so: it knows no others.
    pub(crate) const fn of_kernel(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0
    }
}

/// Its name, such as `SIGKILL`; `SIG` and the number for those without one.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Named::try_from(self.0) {
            Ok(named) => f.pad(named.as_str()),
            Err(_) => f.pad(&format!("SIG{}", self.0)),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A number, or a name with or without `SIG`, in either case.
impl FromStr for Signal {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Self, SignalError> {
        let upper = text.to_ascii_uppercase();
        let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        let number = text.parse().ok().or_else(|| full.parse::<Named>().ok().map(|named| named as i32));
        number.and_then(Self::new).ok_or_else(|| SignalError { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_a_name_or_a_number() {
        for (text, number) in [("KILL", 9), ("SIGKILL", 9), ("sigkill", 9), ("9", 9), ("34", 34), ("64", 64)]
        {
            assert_eq!(text.parse::<Signal>().map(Signal::number), Ok(number), "{text}");
        }
        for text in ["", "0", "65", "-1", "NOPE", "SIG", "SIG9"] {
            let error = text.parse::<Signal>().unwrap_err();
            assert!(error.to_string().contains("is not a signal"), "{error}");
        }
        assert_eq!((Signal::TERM.to_string(), Signal(34).to_string()), ("SIGTERM".into(), "SIG34".into()));
    }
}
