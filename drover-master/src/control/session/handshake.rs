//! The handshake with a control client.

use drover_proto::codec::FrameCodec;
use drover_proto::frame::FrameLimit;
use drover_proto::handshake::{HELLO_TIMEOUT, Refusal, negotiate_control};
use drover_proto::latest::{
    ControlHello, ControlHelloReply, ControlWelcome, RejectCode, control_hello_reply,
};
use drover_proto::version::SPOKEN;
use futures_util::StreamExt as _;
use tokio::net::UnixStream;
use tokio_util::codec::Decoder;

use super::places::{GIVEN_AWAY, Silence};
use super::{PARTS, Requests, send};
use crate::patience::within;

/// Lets a client in, or tells it why not.
pub(super) async fn welcome(stream: UnixStream, uid: u32, mut silence: Silence<'_>) -> Option<Requests> {
    let codec = FrameCodec::<ControlHelloReply, ControlHello>::new(FrameLimit::CONTROL);
    let mut hellos = codec.framed(stream);
    let own = nix::unistd::geteuid().as_raw();
    let refusal = |code, message: String| Refusal { code, message, spoken: SPOKEN };
    // Whoever it is, its hello is read first: unix(7) resets a peer whose words were left unread, and it would
    // lose the refusal with them.
    let hello = tokio::select! {
        biased;
        hello = within(HELLO_TIMEOUT, hellos.next()) => hello.ok_or_else(|| {
            refusal(RejectCode::Malformed, format!("no ControlHello within {HELLO_TIMEOUT:?}"))
        }),
        () = silence.gives_way() => Err(refusal(RejectCode::Unspecified, GIVEN_AWAY.to_owned())),
    };
    drop(silence);
    let judged = match hello {
        // Somebody who only looked whether anybody is there.
        Ok(None) => return None,
        _ if uid != own && uid != 0 => {
            let message = format!("user {uid} may not control this master; its owner is user {own}");
            Err(refusal(RejectCode::PermissionDenied, message))
        }
        Ok(Some(Ok(hello))) => negotiate_control(SPOKEN, &hello),
        Ok(Some(Err(error))) => {
            Err(refusal(RejectCode::Malformed, format!("the first frame is not a ControlHello: {error}")))
        }
        Err(refusal) => Err(refusal),
    };
    let reply = match &judged {
        Ok(version) => control_hello_reply::Reply::Welcome(ControlWelcome {
            version: *version,
            master_version: env!("CARGO_PKG_VERSION").to_owned(),
            max_frame_bytes: FrameLimit::CONTROL.bytes(),
        }),
        Err(refusal) => {
            tracing::warn!(target: "drover::control", uid, reason = %refusal, "control client refused");
            control_hello_reply::Reply::Reject(refusal.to_reject())
        }
    };
    send(&mut hellos, ControlHelloReply { reply: Some(reply) }).await.ok()?;
    judged.ok()?;
    // What a hasty client sent after its hello is kept in the buffer.
    Some(hellos.map_codec(|_| FrameCodec::new(FrameLimit::CONTROL).with_parts(PARTS)))
}
