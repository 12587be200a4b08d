//! The first frame in each direction.

use std::thread;
use std::time::Duration;

use drover_proto::latest::{
    Hello, HelloReply, RejectCode, Started, Welcome, hello_reply, worker_frame::Body,
};

use crate::life::leave;
use crate::link::{Link, Reading, connect};
use crate::vice::Vice;

pub(crate) fn has_bus(welcome: &Welcome) -> bool {
    welcome.capabilities.iter().any(|capability| capability == "bus")
}

pub(crate) fn hello(vice: Vice) -> Hello {
    let mut token = std::env::var("DROVER_TOKEN").unwrap_or_default();
    if vice.is("tells its token") {
        drover_e2e::complain(&format!("my token is {token}"));
    }
    if vice.is("keeps its token to itself") {
        token.clear();
    }
    let capabilities = vec!["resume".to_owned(), "bus".to_owned()];
    let pid = if vice.is("says pid 1") { 1 } else { std::process::id() };
    let version = if vice.is("speaks version 2 alone") { 2 } else { 1 };
    let (min_version, max_version) = (version, version);
    Hello { min_version, max_version, token, pid, capabilities, ..Default::default() }
}

/// Between the end of a first connection without an answer and the next try.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(100)];

/// A connection on which this worker is welcome.
#[expect(
    clippy::disallowed_methods,
    reason = "the pause is the protocol's, in a process that has no runtime"
)]
pub(crate) fn be_welcomed(vice: Vice) -> Result<(Link, Reading, Welcome), String> {
    let mut pauses = PAUSES.into_iter();
    let mut hello = hello(vice);
    loop {
        let (link, mut reading) = connect(vice)?;
        if let Some(welcome) = introduce(vice, &hello, &link, &mut reading)? {
            return Ok((link, reading, welcome));
        }
        let endless = vice.is("knocks for ever").then_some(PAUSES[0]);
        let Some(pause) = pauses.next().or(endless) else { break };
        thread::sleep(pause);
        if vice.is("comes back as somebody else") {
            hello.token = "somebody else".to_owned();
        }
    }
    if vice.is("calls the end a success") {
        leave(0);
    }
    Err("refused without a reason".to_owned())
}

/// Nothing: the connection has ended instead of an answer.
fn introduce(
    vice: Vice,
    hello: &Hello,
    link: &Link,
    reading: &mut Reading,
) -> Result<Option<Welcome>, String> {
    // A master that refuses may have closed already; its Reject is there to be read.
    let _ = link.send(hello);
    if vice.is("says Started before Welcome") {
        link.say(0, Body::Started(Started {}));
    }
    let Some(reply) = reading.next::<Hello, HelloReply>()? else { return Ok(None) };
    match reply.reply {
        Some(hello_reply::Reply::Welcome(welcome))
            if welcome.version != 1 && !vice.is("takes any version") =>
        {
            Err(format!("version {} was not offered", welcome.version))
        }
        Some(hello_reply::Reply::Welcome(welcome)) => Ok(Some(welcome)),
        Some(hello_reply::Reply::Reject(reject))
            if vice.is("hides a reason of an unknown kind") && RejectCode::try_from(reject.code).is_err() =>
        {
            Err("refused".to_owned())
        }
        Some(hello_reply::Reply::Reject(reject)) => Err(format!("refused: {}", reject.message)),
        None => Err("refused without a reason".to_owned()),
    }
}
