//! What a datagram of a worker says, from its bytes: `KEY=VALUE` lines, as `sd_notify(3)` has them. Pure.
//!
//! Keys that are not known are for others, and passed over. A line that can't be understood is left out and counted; the rest
//! of its datagram holds. Of a key that stands there twice the last one holds.

use std::time::Duration;

/// The longest name of a kept descriptor, as `sd_notify(3)` fixes it.
const LONGEST_NAME: usize = 255;

/// What kept descriptors are called whose name is missing or can't be used.
pub(crate) const UNNAMED: &str = "stored";

/// One datagram, understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NotifyMessage {
    /// READY=1.
    pub ready: bool,
    /// RELOADING=1.
    pub reloading: bool,
    /// STOPPING=1.
    pub stopping: bool,
    /// BARRIER=1.
    pub barrier: bool,
    /// MONOTONIC_USEC=: when the reload began, by CLOCK_MONOTONIC.
    pub monotonic: Option<Duration>,
    /// STATUS=.
    pub status: Option<String>,
    /// WATCHDOG=.
    pub watchdog: Option<WatchdogWord>,
    /// WATCHDOG_USEC=; zero: no watchdog any more.
    pub watchdog_every: Option<Duration>,
    /// EXTEND_TIMEOUT_USEC=.
    pub extend: Option<Duration>,
    /// MAINPID=.
    pub main_pid: Option<u32>,
    /// ERRNO=.
    pub errno: Option<i32>,
    /// EXIT_STATUS=.
    pub exit_status: Option<i32>,
    /// FDSTORE=1 or FDSTOREREMOVE=1.
    pub store: Option<Store>,
    /// How many lines could not be understood.
    pub malformed: usize,
}

/// What a worker says to its watchdog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatchdogWord {
    /// It makes progress.
    KeepAlive,
    /// It asks to be ended.
    Trigger,
}

/// What is to become of descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Store {
    /// Those beside the datagram are to be kept.
    Keep {
        /// What they are called; valid for LISTEN_FDNAMES.
        name: String,
        /// Whether one that has been hung up is let go of; FDPOLL=0 says no.
        is_polled: bool,
    },
    /// All of this name are to be let go of.
    Remove {
        /// The name.
        name: String,
    },
}

impl NotifyMessage {
    /// Leaves only a barrier, and with `is_brief` also that it is ready and its status. What is left out is named.
    pub(crate) fn keep(&mut self, is_brief: bool) -> Vec<&'static str> {
        let whole = std::mem::take(self);
        self.barrier = whole.barrier;
        if is_brief {
            (self.ready, self.status) = (whole.ready, whole.status.clone());
        }
        let said = [
            ("READY=1", whole.ready && !is_brief),
            ("STATUS=", whole.status.is_some() && !is_brief),
            ("RELOADING=1", whole.reloading),
            ("STOPPING=1", whole.stopping),
            ("WATCHDOG=", whole.watchdog.is_some()),
            ("WATCHDOG_USEC=", whole.watchdog_every.is_some()),
            ("EXTEND_TIMEOUT_USEC=", whole.extend.is_some()),
            ("MAINPID=", whole.main_pid.is_some()),
            ("ERRNO=", whole.errno.is_some()),
            ("EXIT_STATUS=", whole.exit_status.is_some()),
            ("FDSTORE=1", matches!(whole.store, Some(Store::Keep { .. }))),
            ("FDSTOREREMOVE=1", matches!(whole.store, Some(Store::Remove { .. }))),
        ];
        said.into_iter().filter(|(_, is_said)| *is_said).map(|(key, _)| key).collect()
    }

    /// Reads a datagram.
    pub(crate) fn parse(datagram: &[u8]) -> Self {
        let mut message = Self::default();
        let (mut keeps, mut removes, mut is_polled) = (false, false, true);
        let mut name = None;
        for line in datagram.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Some((key, value)) = split(line) else {
                message.malformed += 1;
                continue;
            };
            let is_one = value == b"1";
            let understood = match key {
                b"READY" => set(&mut message.ready, is_one),
                b"RELOADING" => set(&mut message.reloading, is_one),
                b"STOPPING" => set(&mut message.stopping, is_one),
                b"BARRIER" => set(&mut message.barrier, is_one),
                b"FDSTORE" => set(&mut keeps, is_one),
                b"FDSTOREREMOVE" => set(&mut removes, is_one),
                b"FDPOLL" => {
                    is_polled = value != b"0";
                    value == b"0" || is_one
                }
                b"FDNAME" => {
                    name = usable_name(value);
                    name.is_some()
                }
                b"STATUS" => {
                    message.status = Some(one_line(value));
                    true
                }
                b"WATCHDOG" => match value {
                    b"1" => put(&mut message.watchdog, Some(WatchdogWord::KeepAlive)),
                    b"trigger" => put(&mut message.watchdog, Some(WatchdogWord::Trigger)),
                    _ => false,
                },
                b"WATCHDOG_USEC" => put(&mut message.watchdog_every, microseconds(value)),
                b"EXTEND_TIMEOUT_USEC" => put(&mut message.extend, microseconds(value)),
                b"MONOTONIC_USEC" => put(&mut message.monotonic, microseconds(value)),
                b"MAINPID" => {
                    let pid = number::<i32>(value).filter(|pid| *pid > 0);
                    put(&mut message.main_pid, pid.map(i32::unsigned_abs))
                }
                b"ERRNO" => put(&mut message.errno, number(value).filter(|errno| *errno >= 0)),
                b"EXIT_STATUS" => {
                    put(&mut message.exit_status, number(value).filter(|code| (0..=255).contains(code)))
                }
                _ => true,
            };
            message.malformed += usize::from(!understood);
        }
        let name = || name.unwrap_or_else(|| UNNAMED.to_owned());
        message.store = match (keeps, removes) {
            // Without a name it would mean all that have none, which systemd does not take either.
            (_, true) => Some(Store::Remove { name: name() }),
            (true, false) => Some(Store::Keep { name: name(), is_polled }),
            (false, false) => None,
        };
        message
    }
}

/// The key and the value of a line.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
    let is_key = line[..at].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    (is_key && !line[at + 1..].contains(&0)).then(|| (&line[..at], &line[at + 1..]))
}

fn set(flag: &mut bool, is_one: bool) -> bool {
    *flag |= is_one;
    is_one
}

/// Keeps what was understood.
fn put<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let is_understood = value.is_some();
    if is_understood {
        *place = value;
    }
    is_understood
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    // A sign other than minus is nothing that C's own parsers write.
    std::str::from_utf8(value).ok().filter(|text| !text.starts_with('+'))?.parse().ok()
}

fn microseconds(value: &[u8]) -> Option<Duration> {
    number(value).map(Duration::from_micros)
}

/// A name as LISTEN_FDNAMES can carry it: printable ASCII without the colon that separates names there.
fn usable_name(value: &[u8]) -> Option<String> {
    let is_usable = (1..=LONGEST_NAME).contains(&value.len())
        && value.iter().all(|byte| (b' '..=b'~').contains(byte) && *byte != b':');
    is_usable.then(|| String::from_utf8_lossy(value).into_owned())
}

/// A text for people. What could move a terminal's cursor is none.
fn one_line(value: &[u8]) -> String {
    String::from_utf8_lossy(value).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_brief_word_keeps_readiness_and_status_and_names_the_rest() {
        let all = b"READY=1\nSTATUS=up\nSTOPPING=1\nWATCHDOG=1\nMAINPID=7\nFDSTORE=1\nBARRIER=1";
        let (mut brief, mut none) = (NotifyMessage::parse(all), NotifyMessage::parse(all));
        assert_eq!(brief.keep(true), ["STOPPING=1", "WATCHDOG=", "MAINPID=", "FDSTORE=1"]);
        assert_eq!(brief, NotifyMessage::parse(b"READY=1\nSTATUS=up\nBARRIER=1"));
        assert_eq!(none.keep(false)[..3], ["READY=1", "STATUS=", "STOPPING=1"]);
        assert_eq!(none, NotifyMessage::parse(b"BARRIER=1"));
        assert_eq!(NotifyMessage::parse(b"READY=1\nSTATUS=up").keep(true), [""; 0]);
    }

    fn parsed(text: &str) -> NotifyMessage {
        NotifyMessage::parse(text.as_bytes())
    }

    #[test]
    fn every_key_is_understood() {
        let none = NotifyMessage::default;
        let second = Some(Duration::from_secs(1));
        let keep = |name: &str, is_polled| Some(Store::Keep { name: name.to_owned(), is_polled });
        for (text, expected) in [
            ("", none()),
            ("READY=1", NotifyMessage { ready: true, ..none() }),
            ("\nREADY=1\n\n", NotifyMessage { ready: true, ..none() }),
            (
                "RELOADING=1\nMONOTONIC_USEC=1000000",
                NotifyMessage { reloading: true, monotonic: second, ..none() },
            ),
            ("STOPPING=1", NotifyMessage { stopping: true, ..none() }),
            ("STATUS=a=b\tc", NotifyMessage { status: Some("a=b c".to_owned()), ..none() }),
            ("STATUS=", NotifyMessage { status: Some(String::new()), ..none() }),
            ("WATCHDOG=1", NotifyMessage { watchdog: Some(WatchdogWord::KeepAlive), ..none() }),
            ("WATCHDOG=trigger", NotifyMessage { watchdog: Some(WatchdogWord::Trigger), ..none() }),
            ("WATCHDOG_USEC=1000000", NotifyMessage { watchdog_every: second, ..none() }),
            ("EXTEND_TIMEOUT_USEC=1000000", NotifyMessage { extend: second, ..none() }),
            ("MAINPID=4711", NotifyMessage { main_pid: Some(4711), ..none() }),
            ("ERRNO=13", NotifyMessage { errno: Some(13), ..none() }),
            ("EXIT_STATUS=3", NotifyMessage { exit_status: Some(3), ..none() }),
            ("BARRIER=1", NotifyMessage { barrier: true, ..none() }),
            ("FDSTORE=1", NotifyMessage { store: keep("stored", true), ..none() }),
            ("FDNAME=db 1\nFDPOLL=0\nFDSTORE=1", NotifyMessage { store: keep("db 1", false), ..none() }),
            (
                "FDSTOREREMOVE=1\nFDNAME=db",
                NotifyMessage { store: Some(Store::Remove { name: "db".to_owned() }), ..none() },
            ),
            ("X_OWN=1\nNOTIFYACCESS=all\nBUSERROR=x", none()),
            ("STATUS=a\nSTATUS=b", NotifyMessage { status: Some("b".to_owned()), ..none() }),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn a_line_that_can_not_be_understood_is_counted_and_the_rest_holds() {
        for text in [
            "READY=yes",
            "READY",
            "=1",
            "A B=1",
            "MAINPID=0",
            "MAINPID=-1",
            "MAINPID=99999999999",
            "WATCHDOG=2",
            "WATCHDOG_USEC=-1",
            "EXTEND_TIMEOUT_USEC=+1",
            "EXTEND_TIMEOUT_USEC=1s",
            "ERRNO=-2",
            "EXIT_STATUS=256",
            "FDPOLL=x",
            "STATUS=a\0b",
        ] {
            assert_eq!(parsed(text), NotifyMessage { malformed: 1, ..NotifyMessage::default() }, "{text:?}");
            let message = parsed(&format!("{text}\nREADY=1"));
            assert_eq!((message.ready, message.malformed), (true, 1), "{text:?}");
        }
    }

    #[test]
    fn a_name_that_no_list_could_carry_is_replaced() {
        for name in ["", "a:b", "ä", &"x".repeat(256)] {
            let message = parsed(&format!("FDSTORE=1\nFDNAME={name}"));
            let kept = Store::Keep { name: UNNAMED.to_owned(), is_polled: true };
            assert_eq!((message.store, message.malformed), (Some(kept), 1), "{name}");
        }
        let longest = "x".repeat(255);
        let message = parsed(&format!("FDSTORE=1\nFDNAME={longest}"));
        assert_eq!(message.store, Some(Store::Keep { name: longest, is_polled: true }));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_and_nothing_of_it_can_break_a_line_or_a_list(datagram in vec(any::<u8>(), 0..200)) {
            let message = NotifyMessage::parse(&datagram);
            prop_assert!(!message.status.unwrap_or_default().contains(char::is_control));
            if let Some(Store::Keep { name, .. } | Store::Remove { name }) = message.store {
                prop_assert!(!name.contains(':') && !name.is_empty() && name.len() <= LONGEST_NAME);
            }
        }

        #[test]
        fn the_order_of_lines_that_say_different_things_does_not_matter(
            lines in Just(vec![
                "READY=1", "STATUS=x", "MAINPID=7", "FDSTORE=1", "FDNAME=a", "FDPOLL=0", "RELOADING=1",
                "MONOTONIC_USEC=5", "WATCHDOG=1", "nonsense", "X=1",
            ]).prop_shuffle(),
        ) {
            let expected = parsed(
                "READY=1\nSTATUS=x\nMAINPID=7\nFDSTORE=1\nFDNAME=a\nFDPOLL=0\nRELOADING=1\nMONOTONIC_USEC=5\nWATCHDOG=1\n?",
            );
            prop_assert_eq!(parsed(&lines.join("\n")), expected);
        }
    }
}
