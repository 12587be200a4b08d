//! What it does when its connection is lost: it looks for another master on the same socket.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use drover_proto::latest::{Hello, HelloReply, RejectCode, Welcome, hello_reply};

use crate::handshake::hello;
use crate::life::pause;
use crate::link::{Link, Reading};
use crate::vice::Vice;

/// For how long nobody may hold the socket.
const NOBODY: Duration = Duration::from_secs(1);

/// How long the hasty one waits for its Welcome.
const HASTE: Duration = Duration::from_millis(500);

/// What came of a connection.
enum Answer {
    Welcome(Welcome),
    Refusal,
    /// It ended before.
    Nothing,
}

/// The Welcome of another master; none: there is no master any more.
pub(crate) fn another_master(
    vice: Vice,
    link: &Link,
    reading: &mut Reading,
    ended: Instant,
    grace: Duration,
) -> Option<Welcome> {
    let deadline =
        ended + if vice.is("waits for its Welcome for ever") { Duration::from_secs(3600) } else { grace };
    let mut pauses = [10, 50, 100].into_iter().map(Duration::from_millis);
    let mut nobody_since = None;
    let socket = std::env::var_os("DROVER_SOCKET")?;
    loop {
        match UnixStream::connect(&socket) {
            Ok(stream) => {
                nobody_since = None;
                match introduced(vice, link, reading, stream, deadline) {
                    Answer::Welcome(welcome) => return Some(welcome),
                    Answer::Refusal if !vice.is("knocks after a refusal") => return None,
                    Answer::Nothing if vice.is("waits half a second for its Welcome") => return None,
                    Answer::Refusal | Answer::Nothing => {}
                }
            }
            Err(_) => {
                let since = *nobody_since.get_or_insert_with(now);
                if since.elapsed() >= NOBODY.min(grace / 2) {
                    return None;
                }
            }
        }
        let wait = pauses.next().unwrap_or(Duration::from_millis(200));
        if now() + wait > deadline && !vice.is("knocks after a refusal") {
            return None;
        }
        if !vice.is("knocks without a pause") {
            pause(wait);
        }
    }
}

fn introduced(
    vice: Vice,
    link: &Link,
    reading: &mut Reading,
    stream: UnixStream,
    deadline: Instant,
) -> Answer {
    let mut patience = deadline.saturating_duration_since(now()).max(Duration::from_millis(1));
    if vice.is("waits half a second for its Welcome") {
        patience = patience.min(HASTE);
    }
    let Ok(copy) = stream.try_clone() else { return Answer::Nothing };
    // It fails only for a time of zero.
    let _ = copy.set_read_timeout(Some(patience));
    reading.go_on(copy);
    link.go_on(stream);
    let mut hello = hello(vice);
    if vice.is("comes back as somebody else") {
        hello.token = "somebody else".to_owned();
    }
    // A master that refuses may have closed already; its Reject is there to be read.
    let _ = link.send(&hello);
    let reply = match reading.next::<Hello, HelloReply>() {
        Ok(Some(reply)) => reply.reply,
        Ok(None) => return Answer::Nothing,
        Err(_) => return Answer::Refusal,
    };
    match reply {
        Some(hello_reply::Reply::Welcome(welcome)) if welcome.version == 1 => {
            reading.wait_for_ever();
            Answer::Welcome(welcome)
        }
        Some(hello_reply::Reply::Reject(reject)) if reject.code() == RejectCode::TokenInUse => {
            Answer::Nothing
        }
        _ => Answer::Refusal,
    }
}

#[expect(clippy::disallowed_methods, reason = "a deadline, in a process that has no runtime")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
