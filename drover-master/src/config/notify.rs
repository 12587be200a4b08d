//! What workers that notify their master are held to, and how programs reload that do it by themselves.

use std::time::Duration;

use super::{AppSpec, ConfigError, Kind, Protocol};

/// The highest number of a notification descriptor. Programs take a single digit; each number below it is looked at in every
/// child.
const HIGHEST: u32 = 255;

/// The first descriptor that may be one: below it are the standard streams, which a master keeps for itself.
const LOWEST: usize = 3;

/// Which processes of a worker may speak for it by `sd_notify(3)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NotifyAccess {
    /// The process that the master has made, and the one that it names by `MAINPID`. A `systemd-notify`, or any process of its user that
    /// has exited meanwhile, may say `READY=1` and `STATUS=`, so that a script can.
    #[default]
    Main,
    /// Every process of its tree. A helper that says `STOPPING=1` ends the worker, and one that says `WATCHDOG=1` hides that it hangs.
    All,
}

/// The signal by which a worker reads its configuration again, and stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReloadSignal {
    /// The signal, such as SIGHUP. Sent to the worker's process alone, and to its main process if it has named another.
    pub signal: i32,
    /// Whether it says that it is through (`RELOADING=1`, then `READY=1`), within `start.timeout`. Without, a worker that lives
    /// when the signal is sent has reloaded as far as the master can know. Only with [`Protocol::Notify`].
    pub waits: bool,
}

/// Checks what has to do with notifications.
pub(super) fn check(spec: &AppSpec) -> Result<(), ConfigError> {
    let fault = |key, fault: String| Err(ConfigError::Notify { app: spec.name.clone(), key, fault });
    if let Some(number) = spec.notify_fd {
        let lowest = LOWEST + spec.listeners.len();
        if spec.protocol != Protocol::Notify {
            return fault("notify_fd", "has no meaning without the protocol `notify`".to_owned());
        }
        if (number as usize) < lowest || number > HIGHEST {
            let why = "the standard streams and the app's listeners lie below";
            return fault("notify_fd", format!("is {number}, expected {lowest} to {HIGHEST}: {why}"));
        }
    }
    if spec.notify_access == NotifyAccess::All {
        if spec.protocol != Protocol::Notify {
            return fault("notify_access", "has no meaning without the protocol `notify`".to_owned());
        }
        if spec.notify_fd.is_some() {
            return fault(
                "notify_access",
                "has no meaning with notify_fd, which any of its processes may hold".to_owned(),
            );
        }
    }
    if let Some(every) = spec.watchdog {
        let reason = match (spec.protocol, spec.notify_fd) {
            _ if every == Duration::ZERO => "is zero; to have no watchdog, set none",
            (Protocol::None, _) => {
                "has no meaning for workers without a protocol, which can't tell of progress"
            }
            (_, Some(_)) => "has no meaning with notify_fd, by which a worker can only say that it is ready",
            (Protocol::Notify | Protocol::Drover, None) => return check_reload(spec),
        };
        return fault("watchdog", reason.to_owned());
    }
    check_reload(spec)
}

fn check_reload(spec: &AppSpec) -> Result<(), ConfigError> {
    let Some(ReloadSignal { signal, waits }) = spec.reload else { return Ok(()) };
    let is_told = spec.protocol == Protocol::Notify && spec.notify_fd.is_none();
    let reason = match spec.protocol {
        Protocol::Drover => "has no meaning for workers of the protocol, which are replaced".to_owned(),
        _ if spec.kind == Kind::Oneshot => "has no meaning for a oneshot, which ends by itself".to_owned(),
        _ if matches!(signal, libc::SIGKILL | libc::SIGSTOP) || !(1..=64).contains(&signal) => {
            format!("names signal {signal}, which no program can act on")
        }
        _ if waits && !is_told => {
            "waits for a word of workers that can't say it; it needs the protocol `notify` and no notify_fd"
                .to_owned()
        }
        Protocol::None | Protocol::Notify => return Ok(()),
    };
    Err(ConfigError::Notify { app: spec.name.clone(), key: "reload", fault: reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Command, ListenSpec};

    fn fault(change: impl FnOnce(&mut AppSpec)) -> Option<String> {
        let mut spec = AppSpec::new("web", Command::new("web"));
        spec.protocol = Protocol::Notify;
        change(&mut spec);
        spec.check().err().map(|error| error.to_string())
    }

    #[test]
    fn what_can_not_be_meant_is_refused_with_the_reason() {
        let hang_up = |waits| Some(ReloadSignal { signal: libc::SIGHUP, waits });
        for (change, words) in [
            (&(|spec: &mut AppSpec| spec.notify_fd = Some(2)) as &dyn Fn(&mut AppSpec), "expected 3 to 255"),
            (&|spec| spec.notify_fd = Some(256), "expected 3 to 255"),
            (&|spec| (spec.protocol, spec.notify_fd) = (Protocol::None, Some(3)), "without the protocol"),
            (
                &|spec| (spec.protocol, spec.notify_access) = (Protocol::None, NotifyAccess::All),
                "without the protocol",
            ),
            (&|spec| (spec.notify_fd, spec.notify_access) = (Some(3), NotifyAccess::All), "with notify_fd"),
            (&|spec| spec.watchdog = Some(Duration::ZERO), "is zero"),
            (
                &|spec| (spec.protocol, spec.watchdog) = (Protocol::None, Some(Duration::MAX)),
                "can't tell of progress",
            ),
            (&|spec| (spec.notify_fd, spec.watchdog) = (Some(3), Some(Duration::MAX)), "with notify_fd"),
            (&|spec| (spec.protocol, spec.reload) = (Protocol::Drover, hang_up(false)), "which are replaced"),
            (&|spec| (spec.protocol, spec.reload) = (Protocol::None, hang_up(true)), "can't say it"),
            (&|spec| (spec.notify_fd, spec.reload) = (Some(3), hang_up(true)), "can't say it"),
            (&|spec| (spec.kind, spec.reload) = (Kind::Oneshot, hang_up(true)), "a oneshot"),
            (
                &|spec| spec.reload = Some(ReloadSignal { signal: libc::SIGKILL, waits: false }),
                "no program can act on",
            ),
        ] {
            let fault = fault(change).unwrap();
            assert!(fault.contains(words), "{fault}");
        }
        let colliding = fault(|spec| {
            spec.listeners = vec![ListenSpec::new("http", "127.0.0.1:0".parse().unwrap())];
            spec.notify_fd = Some(3);
        });
        assert!(colliding.is_some_and(|fault| fault.contains("is 3, expected 4 to 255")));
        let fine = fault(|spec| {
            (spec.watchdog, spec.reload) = (Some(Duration::from_secs(1)), hang_up(true));
        });
        assert_eq!(fine, None);
    }
}
