//! Both sides of the handshake, joined in memory: every message goes through the codec as bytes, as on a socket.

use std::time::Duration;

use bytes::BytesMut;
use drover_proto::codec::{CodecError, FrameCodec};
use drover_proto::frame::{FrameError, FrameLimit};
use drover_proto::handshake::{
    Claim, HandshakeError, MasterSession, MasterSide, Refusal, WorkerSession, WorkerSide, negotiate_control,
};
use drover_proto::latest::*;
use drover_proto::version::{SPOKEN, VersionRange};
use prost::Message;
use tokio_util::codec::{Decoder, Encoder};

/// The token that the master of these tests knows.
const TOKEN: &str = "00112233445566778899aabbccddeeff";

fn range(min: u32, max: u32) -> VersionRange {
    VersionRange::new(min, max).expect("a usable range")
}

fn identity() -> Identity {
    Identity { app: "web".into(), slot: 2, generation: 5, worker_id: 7 }
}

fn limits() -> Limits {
    Limits {
        max_frame_bytes: FrameLimit::WORKER.bytes(),
        start_timeout_ms: 30_000,
        drain_timeout_ms: 20_000,
        quit_timeout_ms: 5_000,
    }
}

/// Sends a message over a connection in memory: what arrives at the other end.
fn carried<Sent: Message, Received: Message + Default>(message: Sent) -> Received {
    let mut wire = BytesMut::new();
    FrameCodec::<Sent, Sent>::new(FrameLimit::WORKER).encode(message, &mut wire).expect("within the limit");
    let received =
        FrameCodec::<Received, Received>::new(FrameLimit::WORKER).decode(&mut wire).expect("a legal frame");
    assert!(wire.is_empty());
    received.expect("a whole frame was sent")
}

/// The master's judgement of a token: known, and not in use.
fn judge(claim: Claim, in_use: bool) -> Result<(HelloReply, MasterSession), Refusal> {
    match claim.token() {
        TOKEN if in_use => {
            Err(claim.refuse(RejectCode::TokenInUse, "worker 7 of web has a live connection already"))
        }
        TOKEN => Ok(claim.accept(identity(), limits(), Duration::from_secs(5))),
        _ => Err(claim.refuse(RejectCode::UnknownToken, "no living worker has this token")),
    }
}

/// A whole handshake: what each side is left with.
fn meet(
    worker: WorkerSide,
    master: MasterSide,
    in_use: bool,
) -> (Result<WorkerSession, HandshakeError>, Option<MasterSession>) {
    let (hello, awaiting) = worker.hello();
    let (reply, session) = match master.hello_received(carried(hello)).and_then(|claim| judge(claim, in_use))
    {
        Ok((reply, session)) => (reply, Some(session)),
        Err(refusal) => (refusal.to_reply(), None),
    };
    (awaiting.reply_received(carried(reply)), session)
}

fn refused(outcome: (Result<WorkerSession, HandshakeError>, Option<MasterSession>)) -> Reject {
    assert_eq!(outcome.1, None, "the master holds a session with a worker that it refused");
    match outcome.0 {
        Err(HandshakeError::Refused { code, message, min_version, max_version }) => {
            Reject { code: code.into(), message, min_version, max_version }
        }
        other => panic!("expected a refusal: {other:?}"),
    }
}

#[test]
fn both_sides_leave_a_handshake_knowing_the_same() {
    let sdk = Sdk { name: "drover-worker".into(), version: "0.1.0".into(), language: "rust".into() };
    let worker = WorkerSide::new(SPOKEN, TOKEN).pid(4711).sdk(sdk).capabilities(["resume"]);
    let (worker, master) = meet(worker, MasterSide::new(SPOKEN), false);

    let worker = worker.unwrap();
    assert_eq!((worker.version, &worker.identity, &worker.limits), (1, &identity(), &limits()));
    assert_eq!(worker.heartbeat_interval_ms, 5_000);
    assert!(worker.capabilities.is_empty());
    let expected = MasterSession {
        version: 1,
        pid: 4711,
        sdk: "drover-worker 0.1.0".into(),
        capabilities: vec!["resume".into()],
    };
    assert_eq!(master, Some(expected));
}

#[test]
fn a_worker_that_says_only_what_it_must_is_taken_in() {
    let (worker, master) = meet(WorkerSide::new(SPOKEN, TOKEN), MasterSide::new(SPOKEN), false);
    assert_eq!(worker.unwrap().identity, identity());
    let expected = MasterSession { version: 1, pid: 0, sdk: String::new(), capabilities: vec![] };
    assert_eq!(master, Some(expected));
}

#[test]
fn the_highest_version_that_both_speak_is_chosen() {
    for (worker, master, chosen) in [
        (range(1, 1), range(1, 1), 1),
        (range(1, 1), range(1, 9), 1),
        (range(1, 9), range(1, 1), 1),
        (range(1, 3), range(2, 5), 3),
        (range(2, 5), range(1, 3), 3),
        (range(3, 3), range(1, 9), 3),
        (range(2, u32::MAX), range(1, u32::MAX), u32::MAX),
    ] {
        let (at_worker, at_master) = meet(WorkerSide::new(worker, TOKEN), MasterSide::new(master), false);
        let met = (at_worker.unwrap().version, at_master.unwrap().version);
        assert_eq!(met, (chosen, chosen), "worker {worker}, master {master}");
    }
}

#[test]
fn sides_without_a_common_version_part_with_the_masters_range() {
    for (worker, master) in [
        (range(1, 1), range(2, 3)),
        (range(2, 3), range(1, 1)),
        (range(4, 4), range(5, 5)),
        (range(1, 1), range(u32::MAX, u32::MAX)),
    ] {
        let reject = refused(meet(WorkerSide::new(worker, TOKEN), MasterSide::new(master), false));
        let message =
            format!("no protocol version in common: the master speaks {master}, the peer speaks {worker}");
        let expected = Reject {
            code: RejectCode::UnsupportedVersion.into(),
            message,
            min_version: master.min(),
            max_version: master.max(),
        };
        assert_eq!(reject, expected);
    }
}

#[test]
fn a_hello_without_a_token_is_refused_with_what_to_send() {
    let reject = refused(meet(WorkerSide::new(SPOKEN, ""), MasterSide::new(range(1, 4)), false));
    let expected = Reject {
        code: RejectCode::UnknownToken.into(),
        message: "Hello carries no token: send the value of DROVER_TOKEN".into(),
        min_version: 1,
        max_version: 4,
    };
    assert_eq!(reject, expected);
}

#[test]
fn a_token_that_no_living_worker_has_is_refused() {
    let reject = refused(meet(WorkerSide::new(SPOKEN, "stolen"), MasterSide::new(SPOKEN), false));
    let expected = Reject {
        code: RejectCode::UnknownToken.into(),
        message: "no living worker has this token".into(),
        min_version: 1,
        max_version: 1,
    };
    assert_eq!(reject, expected);
}

#[test]
fn a_second_live_connection_with_a_token_is_refused() {
    let reject = refused(meet(WorkerSide::new(SPOKEN, TOKEN), MasterSide::new(SPOKEN), true));
    assert_eq!(reject.code(), RejectCode::TokenInUse);
    assert_eq!(reject.message, "worker 7 of web has a live connection already");
    assert_eq!((reject.min_version, reject.max_version), (1, 1));
}

#[test]
fn a_version_mismatch_is_told_before_the_token_is_judged() {
    let reject = refused(meet(WorkerSide::new(range(1, 1), ""), MasterSide::new(range(2, 2)), false));
    assert_eq!(reject.code(), RejectCode::UnsupportedVersion);
}

#[test]
fn a_range_that_is_none_is_malformed() {
    for (min_version, max_version) in [(0, 0), (0, 1), (2, 1)] {
        let hello = Hello { min_version, max_version, token: TOKEN.into(), ..Default::default() };
        let refusal = MasterSide::new(SPOKEN).hello_received(carried(hello)).unwrap_err();
        let reject = refusal.to_reject();
        assert_eq!(reject.code(), RejectCode::Malformed);
        let offered = format!("version range {min_version} to {max_version} is not usable");
        assert!(reject.message.contains(&offered), "{}", reject.message);
        assert_eq!((reject.min_version, reject.max_version), (1, 1));
    }
}

#[test]
fn a_reply_with_nothing_in_it_is_no_session() {
    let (_, awaiting) = WorkerSide::new(SPOKEN, TOKEN).hello();
    let outcome = awaiting.reply_received(carried(HelloReply { reply: None }));
    assert_eq!(outcome, Err(HandshakeError::EmptyReply));
}

#[test]
fn a_version_that_was_not_offered_is_no_session() {
    let offered = range(2, 3);
    for chosen in [0, 1, 4, u32::MAX] {
        let (_, awaiting) = WorkerSide::new(offered, TOKEN).hello();
        let welcome = Welcome { version: chosen, identity: Some(identity()), ..Default::default() };
        let reply = HelloReply { reply: Some(hello_reply::Reply::Welcome(welcome)) };
        let outcome = awaiting.reply_received(carried(reply));
        assert_eq!(outcome, Err(HandshakeError::VersionNotOffered { chosen, offered }));
    }
}

#[test]
fn a_reason_of_a_later_version_is_still_a_refusal_with_its_sentence() {
    let (_, awaiting) = WorkerSide::new(SPOKEN, TOKEN).hello();
    let reject = Reject { code: 99, message: "come back at noon".into(), min_version: 1, max_version: 7 };
    let reply = HelloReply { reply: Some(hello_reply::Reply::Reject(reject)) };
    let error = awaiting.reply_received(carried(reply)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the master refused the connection (Unspecified): come back at noon; it speaks protocol version 1 to 7"
    );
}

#[test]
fn the_first_frame_of_a_program_that_prints_is_known_as_text() {
    let mut wire = BytesMut::from("Listening on port 80\n");
    let error = FrameCodec::<HelloReply, Hello>::new(FrameLimit::WORKER).decode(&mut wire).unwrap_err();
    assert!(matches!(error, CodecError::Frame(FrameError::NotAFrame { .. })), "{error:?}");
}

#[test]
fn a_control_client_is_told_the_version_or_why_there_is_none() {
    for (client, master, chosen) in
        [(range(1, 1), range(1, 1), 1), (range(1, 5), range(2, 3), 3), (range(3, 3), range(1, 9), 3)]
    {
        let hello =
            ControlHello { min_version: client.min(), max_version: client.max(), ..Default::default() };
        assert_eq!(
            negotiate_control(master, &carried(hello)),
            Ok(chosen),
            "client {client}, master {master}"
        );
    }

    let hello = ControlHello { min_version: 1, max_version: 1, client_version: "0.1.0".into() };
    let refusal = negotiate_control(range(2, 3), &carried(hello)).unwrap_err();
    let reply = ControlHelloReply { reply: Some(control_hello_reply::Reply::Reject(refusal.to_reject())) };
    let Some(control_hello_reply::Reply::Reject(reject)) = carried::<_, ControlHelloReply>(reply).reply
    else {
        panic!("a refusal arrives as a refusal");
    };
    let expected = Reject {
        code: RejectCode::UnsupportedVersion.into(),
        message: "no protocol version in common: the master speaks 2 to 3, the peer speaks 1".into(),
        min_version: 2,
        max_version: 3,
    };
    assert_eq!(reject, expected);

    let unusable = ControlHello { min_version: 2, max_version: 1, ..Default::default() };
    let refusal = negotiate_control(SPOKEN, &carried(unusable)).unwrap_err();
    assert_eq!(refusal.code, RejectCode::Malformed);
}
