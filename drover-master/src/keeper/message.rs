//! What a master and its keeper say to each other, a datagram of a `SOCK_SEQPACKET` pair each (`unix(7)`).
//!
//! This format is frozen: a keeper may be older than its master, and a master older than its keeper. Numbers are little-endian. What has more
//! bytes than are known is read without them; a kind that is not known is ignored.
//!
//! ```text
//!  to the keeper      1 HOLD    name, and one descriptor         to the master     3 STATE   pid i32, state u8, code i32, flags u8,
//!                     2 DROP    name                                                         user and system time u64 ns, max rss u64 KiB
//!                     3 LOOK    pid i32                                            7 STANDBY can it u8, text
//!                     4 REAP    pid i32
//!                     5 NOTIFY  text for the service manager    to a standby      1 HELD    name, and one descriptor
//!                     6 LEAVE   exit status u8                                     8 CHECK
//!                     7 UPGRADE check only u8, and a program                       9 BEGIN   pid i32, when the master went u64 ns
//!                     8 YIELD
//!  of a standby       9 ABLE    its pid and version             to the master    11 NOTHELD name
//!                    10 UNABLE  why
//! ```

use std::time::Duration;

use crate::machine::exit::{ExitStatus, Usage};
use crate::signal::Signal;

/// The longest name of what is held: a path of a socket (108 bytes), and some words before it.
pub(crate) const MAX_NAME: usize = 512;

/// The longest message; what is said to a service manager is a few lines.
pub(super) const MAX_MESSAGE: usize = 4096;

const HOLD: u8 = 1;
const DROP: u8 = 2;
const LOOK: u8 = 3;
const REAP: u8 = 4;
const NOTIFY: u8 = 5;
const LEAVE: u8 = 6;
const UPGRADE: u8 = 7;
const YIELD: u8 = 8;
const ABLE: u8 = 9;
const UNABLE: u8 = 10;

const NOT_HELD: u8 = 11;

const CHECK: u8 = 8;
const BEGIN: u8 = 9;

const LIVES: u8 = 0;
const EXITED: u8 = 1;
const SIGNALLED: u8 = 2;
const UNKNOWN: u8 = 3;

/// What a master says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeeperRequest {
    /// Hold the descriptor that comes with this under this name, in the place of the one before.
    Hold { name: String },
    /// Let go of what has this name.
    Drop { name: String },
    /// Say whether this child has ended, and leave it unreaped.
    Look { pid: i32 },
    /// Reap this child, which has ended.
    Reap { pid: i32 },
    /// Pass this on to the service manager.
    Notify { text: Vec<u8> },
    /// The end of the master that follows is meant. End with this.
    Leave { status: u8 },
    /// Start the program that comes with this, to go on in the place of this master; or only see whether it could.
    Upgrade { is_check: bool },
    /// The end of the master that follows is to make way for the program that stands by.
    Yield,
    /// Of a standby: it can go on.
    Able { text: String },
    /// Of a standby: it can't, and why.
    Unable { text: String },
}

impl KeeperRequest {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, body): (u8, &[u8]) = match self {
            Self::Hold { name } => (HOLD, name.as_bytes()),
            Self::Drop { name } => (DROP, name.as_bytes()),
            Self::Look { pid } => (LOOK, &pid.to_le_bytes()),
            Self::Reap { pid } => (REAP, &pid.to_le_bytes()),
            Self::Notify { text } => (NOTIFY, text),
            Self::Leave { status } => (LEAVE, std::slice::from_ref(status)),
            Self::Upgrade { is_check } => (UPGRADE, if *is_check { &[1] } else { &[0] }),
            Self::Yield => (YIELD, &[]),
            Self::Able { text } => (ABLE, text.as_bytes()),
            Self::Unable { text } => (UNABLE, text.as_bytes()),
        };
        // Only what is said for people could be longer.
        [&[kind], &body[..body.len().min(MAX_MESSAGE - 1)]].concat()
    }

    /// None of a kind that is not known, or of what is not a message at all.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, body) = bytes.split_first()?;
        let name = || Some(String::from_utf8(body.to_vec()).ok()?).filter(|name| name.len() <= MAX_NAME);
        Some(match *kind {
            HOLD => Self::Hold { name: name()? },
            DROP => Self::Drop { name: name()? },
            LOOK => Self::Look { pid: pid(body)? },
            REAP => Self::Reap { pid: pid(body)? },
            NOTIFY => Self::Notify { text: body.to_vec() },
            LEAVE => Self::Leave { status: *body.first()? },
            UPGRADE => Self::Upgrade { is_check: *body.first()? != 0 },
            YIELD => Self::Yield,
            ABLE => Self::Able { text: String::from_utf8_lossy(body).into_owned() },
            UNABLE => Self::Unable { text: String::from_utf8_lossy(body).into_owned() },
            _ => return None,
        })
    }
}

/// How a child of the keeper stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChildState {
    /// It runs.
    Lives,
    /// It has ended like this, and is not reaped.
    Ended(ExitStatus, Usage),
    /// It is not a child of the keeper: somebody has reaped it.
    Unknown,
}

/// What a keeper says to a program that stands by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StandbyOrder {
    /// The descriptor that comes with this is held under this name.
    Held { name: String },
    /// Say whether what is held can be gone on with.
    Check,
    /// The master of this pid is gone since this moment of the monotonic clock, in nanoseconds: go on.
    Begin { pid: i32, at: u64 },
}

impl StandbyOrder {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Held { name } => [&[HOLD], name.as_bytes()].concat(),
            Self::Check => vec![CHECK],
            Self::Begin { pid, at } => [&[BEGIN][..], &pid.to_le_bytes(), &at.to_le_bytes()].concat(),
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, mut body) = bytes.split_first()?;
        Some(match *kind {
            HOLD => Self::Held { name: String::from_utf8(body.to_vec()).ok()? },
            CHECK => Self::Check,
            BEGIN => Self::Begin {
                pid: i32::from_le_bytes(taken(&mut body)?),
                at: u64::from_le_bytes(taken(&mut body)?),
            },
            _ => return None,
        })
    }
}

/// What became of the program that was to stand by, as the master is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StandbyWord(pub(super) Result<String, String>);

impl StandbyWord {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (is_able, text) = match &self.0 {
            Ok(text) => (1, text),
            Err(text) => (0, text),
        };
        let mut bytes = [&[UPGRADE, is_able], text.as_bytes()].concat();
        bytes.truncate(MAX_MESSAGE);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (is_able, text) = bytes.strip_prefix(&[UPGRADE])?.split_first()?;
        let text = String::from_utf8_lossy(text).into_owned();
        Some(Self(if *is_able == 0 { Err(text) } else { Ok(text) }))
    }
}

/// The descriptor that was to be held under this name has not come along: the keeper has as many as it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotHeld {
    pub(super) name: String,
}

impl NotHeld {
    pub(super) fn encode(&self) -> Vec<u8> {
        [&[NOT_HELD], self.name.as_bytes()].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let name = bytes.strip_prefix(&[NOT_HELD])?;
        Some(Self { name: String::from_utf8(name.to_vec()).ok()? })
    }
}

/// What a keeper answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChildAnswer {
    pub(super) pid: i32,
    pub(super) state: ChildState,
}

impl ChildAnswer {
    const LENGTH: usize = 1 + 4 + 1 + 4 + 1 + 8 + 8;

    pub(super) fn encode(self) -> Vec<u8> {
        let (state, code, core_dumped, usage) = match self.state {
            ChildState::Lives => (LIVES, 0, false, Usage::default()),
            ChildState::Unknown | ChildState::Ended(ExitStatus::Taken, _) => {
                (UNKNOWN, 0, false, Usage::default())
            }
            ChildState::Ended(ExitStatus::Code(code), usage) => (EXITED, code, false, usage),
            ChildState::Ended(ExitStatus::Signal { signal, core_dumped }, usage) => {
                (SIGNALLED, signal.number(), core_dumped, usage)
            }
        };
        let cpu = u64::try_from(usage.cpu.as_nanos()).unwrap_or(u64::MAX);
        let mut bytes = Vec::with_capacity(Self::LENGTH);
        bytes.push(LOOK);
        bytes.extend(self.pid.to_le_bytes());
        bytes.push(state);
        bytes.extend(code.to_le_bytes());
        bytes.push(u8::from(core_dumped));
        bytes.extend(cpu.to_le_bytes());
        bytes.extend(usage.max_rss_kb.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[LOOK])?;
        let pid = i32::from_le_bytes(taken(&mut rest)?);
        let [state] = taken(&mut rest)?;
        let code = i32::from_le_bytes(taken(&mut rest)?);
        let [core_dumped] = taken(&mut rest)?;
        let cpu = Duration::from_nanos(u64::from_le_bytes(taken(&mut rest)?));
        let max_rss_kb = u64::from_le_bytes(taken(&mut rest)?);
        let usage = Usage { max_rss_kb, cpu };
        let state = match state {
            LIVES => ChildState::Lives,
            EXITED => ChildState::Ended(ExitStatus::Code(code), usage),
            SIGNALLED => {
                let status =
                    ExitStatus::Signal { signal: Signal::of_kernel(code), core_dumped: core_dumped != 0 };
                ChildState::Ended(status, usage)
            }
            _ => ChildState::Unknown,
        };
        Some(Self { pid, state })
    }
}

fn pid(body: &[u8]) -> Option<i32> {
    // 0 and below mean groups, and everybody.
    Some(i32::from_le_bytes(*body.first_chunk()?)).filter(|pid| *pid > 0)
}

fn taken<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, others) = rest.split_first_chunk()?;
    *rest = others;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> Vec<(KeeperRequest, &'static [u8])> {
        vec![
            (KeeperRequest::Hold { name: "a/1".into() }, b"\x01a/1"),
            (KeeperRequest::Drop { name: "a/1".into() }, b"\x02a/1"),
            (KeeperRequest::Look { pid: 0x0102_0304 }, b"\x03\x04\x03\x02\x01"),
            (KeeperRequest::Reap { pid: 7 }, b"\x04\x07\0\0\0"),
            (KeeperRequest::Notify { text: b"READY=1".to_vec() }, b"\x05READY=1"),
            (KeeperRequest::Leave { status: 3 }, b"\x06\x03"),
            (KeeperRequest::Upgrade { is_check: true }, b"\x07\x01"),
            (KeeperRequest::Yield, b"\x08"),
            (KeeperRequest::Able { text: "7 0.1".into() }, b"\x097 0.1"),
            (KeeperRequest::Unable { text: "no".into() }, b"\x0ano"),
        ]
    }

    #[test]
    fn the_bytes_of_each_message_are_these_for_ever() {
        for (request, bytes) in requests() {
            assert_eq!(request.encode(), bytes);
            assert_eq!(KeeperRequest::decode(bytes), Some(request));
        }
        for (order, bytes) in [
            (StandbyOrder::Held { name: "a/1".into() }, &b"\x01a/1"[..]),
            (StandbyOrder::Check, b"\x08"),
            (StandbyOrder::Begin { pid: 7, at: 9 }, b"\x09\x07\0\0\0\x09\0\0\0\0\0\0\0"),
        ] {
            assert_eq!((&*order.encode(), StandbyOrder::decode(bytes)), (bytes, Some(order)));
        }
        for (word, bytes) in
            [(StandbyWord(Ok("7".into())), &b"\x07\x017"[..]), (StandbyWord(Err("no".into())), b"\x07\0no")]
        {
            assert_eq!((&*word.encode(), StandbyWord::decode(bytes)), (bytes, Some(word)));
        }
        let (unheld, bytes) = (NotHeld { name: "a/1".into() }, &b"\x0ba/1"[..]);
        assert_eq!((&*unheld.encode(), NotHeld::decode(bytes)), (bytes, Some(unheld)));
        let usage = Usage { max_rss_kb: 5, cpu: Duration::from_nanos(6) };
        let signal = ExitStatus::Signal { signal: Signal::KILL, core_dumped: true };
        for (state, bytes) in [
            (ChildState::Lives, &b"\x03\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..]),
            (
                ChildState::Ended(ExitStatus::Code(42), usage),
                b"\x03\x09\0\0\0\x01\x2a\0\0\0\0\x06\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0",
            ),
            (
                ChildState::Ended(signal, usage),
                b"\x03\x09\0\0\0\x02\x09\0\0\0\x01\x06\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0",
            ),
            (ChildState::Unknown, b"\x03\x09\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ] {
            let answer = ChildAnswer { pid: 9, state };
            assert_eq!(answer.encode(), bytes);
            assert_eq!(ChildAnswer::decode(bytes), Some(answer));
            assert_eq!(ChildAnswer::decode(&[bytes, b"more"].concat()), Some(answer), "of a later version");
        }
    }

    #[test]
    fn whatever_comes_is_read_or_ignored_and_no_pid_is_a_group() {
        for (request, bytes) in requests() {
            let longer = KeeperRequest::decode(&[bytes, &[1, 2]].concat());
            let has_fixed_length = matches!(
                request,
                KeeperRequest::Look { .. }
                    | KeeperRequest::Reap { .. }
                    | KeeperRequest::Leave { .. }
                    | KeeperRequest::Upgrade { .. }
                    | KeeperRequest::Yield
            );
            assert_eq!(longer == Some(request), has_fixed_length, "{bytes:?}");
            for end in 0..bytes.len() {
                let _ = KeeperRequest::decode(&bytes[..end]);
            }
        }
        for bad in [&b""[..], b"\x0bwhat", b"\x03\0\0\0\0", b"\x04\xff\xff\xff\xff", b"\x01\xff"] {
            assert_eq!(KeeperRequest::decode(bad), None, "{bad:?}");
            assert_eq!(ChildAnswer::decode(bad), None, "{bad:?}");
        }
        assert_eq!(KeeperRequest::decode(&[&[HOLD], &vec![b'a'; MAX_NAME + 1][..]].concat()), None);
    }
}
