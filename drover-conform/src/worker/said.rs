//! What a master says to a worker.

use std::time::Duration;

use drover_proto::frame::FrameLimit;
use drover_proto::latest::{
    HelloReply, Identity, Limits, MasterFrame, Ping, Quit, Stop, Welcome, hello_reply, master_frame,
};

use super::deadlines::{AMPLE, DRAIN, QUIT};
use super::process::APP;

/// A frame with this number. A Ping expects an answer, as a master's does.
pub(super) fn frame(seq: u64, body: master_frame::Body) -> MasterFrame {
    let expects_reply = seq != 0 && matches!(body, master_frame::Body::Ping(_));
    MasterFrame { seq, expects_reply, body: Some(body), ..Default::default() }
}

pub(super) const fn ping() -> master_frame::Body {
    master_frame::Body::Ping(Ping {})
}

pub(super) fn stop() -> master_frame::Body {
    stop_within(DRAIN)
}

pub(super) fn stop_within(time: Duration) -> master_frame::Body {
    master_frame::Body::Stop(Stop { deadline_ms: millis(time) })
}

pub(super) fn quit() -> master_frame::Body {
    quit_within(QUIT)
}

pub(super) fn quit_within(time: Duration) -> master_frame::Body {
    master_frame::Body::Quit(Quit { deadline_ms: millis(time) })
}

/// The Welcome of a master that keeps the rules and can do nothing beyond the base.
pub(super) fn welcome() -> Welcome {
    Welcome {
        version: 1,
        identity: Some(Identity { app: APP.to_owned(), slot: 0, generation: 1, worker_id: 1 }),
        limits: Some(Limits {
            max_frame_bytes: FrameLimit::WORKER.bytes(),
            start_timeout_ms: 30_000,
            drain_timeout_ms: millis(DRAIN),
            quit_timeout_ms: millis(QUIT),
        }),
        heartbeat_interval_ms: 0,
        capabilities: Vec::new(),
    }
}

/// The same, of a master that leaves much time: no deadline of the worker's is near, however busy the machine is.
pub(super) fn patient_welcome() -> Welcome {
    let limits = welcome().limits.unwrap_or_default();
    let limits = Limits { drain_timeout_ms: millis(AMPLE), quit_timeout_ms: millis(AMPLE), ..limits };
    Welcome { limits: Some(limits), ..welcome() }
}

/// As the protocol counts; what is beyond its numbers is the largest.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A Welcome as the answer to Hello.
pub(super) fn reply(welcome: Welcome) -> HelloReply {
    HelloReply { reply: Some(hello_reply::Reply::Welcome(welcome)) }
}
