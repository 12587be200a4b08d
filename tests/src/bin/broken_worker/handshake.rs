//! The first frame in each direction.

use drover_proto::latest::{
    Hello, HelloReply, RejectCode, Started, Welcome, hello_reply, worker_frame::Body,
};

use crate::life::leave;
use crate::link::{Link, Reading};
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

pub(crate) fn introduce(vice: Vice, link: &Link, reading: &mut Reading) -> Result<Welcome, String> {
    let hello = hello(vice);
    // A master that refuses may have closed already; its Reject is there to be read.
    let _ = link.send(&hello);
    if vice.is("says Started before Welcome") {
        link.say(0, Body::Started(Started {}));
    }
    let Some(reply) = reading.next::<Hello, HelloReply>()? else {
        if vice.is("calls the end a success") {
            leave(0);
        }
        return Err("refused without a reason".to_owned());
    };
    match reply.reply {
        Some(hello_reply::Reply::Welcome(welcome))
            if welcome.version != 1 && !vice.is("takes any version") =>
        {
            Err(format!("version {} was not offered", welcome.version))
        }
        Some(hello_reply::Reply::Welcome(welcome)) => Ok(welcome),
        Some(hello_reply::Reply::Reject(reject))
            if vice.is("hides a reason of an unknown kind") && RejectCode::try_from(reject.code).is_err() =>
        {
            Err("refused".to_owned())
        }
        Some(hello_reply::Reply::Reject(reject)) => Err(format!("refused: {}", reject.message)),
        None => Err("refused without a reason".to_owned()),
    }
}
