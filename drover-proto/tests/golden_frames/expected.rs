//! What each vector means, built in Rust.

use drover_proto::latest::*;

use crate::control;
use crate::vectors::AnyMessage;

/// The message that the vector of this name holds.
///
/// # Panics
///
/// If nobody has said yet what the vector means.
pub(crate) fn expected(name: &str) -> AnyMessage {
    handshake(name)
        .or_else(|| worker(name).map(AnyMessage::from))
        .or_else(|| master(name).map(AnyMessage::from))
        .or_else(|| control::request(name).map(AnyMessage::from))
        .or_else(|| control::response(name).map(AnyMessage::from))
        .unwrap_or_else(|| panic!("{name} is a new vector: say in expected.rs what it means"))
}

const TOKEN: &str = "00112233445566778899aabbccddeeff";

fn handshake(name: &str) -> Option<AnyMessage> {
    let hello = Hello { min_version: 1, max_version: 1, token: TOKEN.into(), ..Default::default() };
    let limits = Limits {
        max_frame_bytes: 1_114_112,
        start_timeout_ms: 30_000,
        drain_timeout_ms: 20_000,
        quit_timeout_ms: 5_000,
    };
    Some(match name {
        "hello" => hello.into(),
        "hello_with_everything" => Hello {
            max_version: 3,
            pid: 4711,
            sdk: Some(Sdk { name: "drover-worker".into(), version: "0.1.0".into(), language: "rust".into() }),
            capabilities: vec!["resume".into(), "later".into()],
            ..hello
        }
        .into(),
        "hello_without_a_token" => Hello { token: String::new(), pid: 4711, ..hello }.into(),
        "unknown_field_in_hello" => Hello { token: "ab".into(), ..hello }.into(),
        "welcome" => welcome(Welcome {
            version: 1,
            identity: Some(Identity { app: "web".into(), slot: 0, generation: 1, worker_id: 1 }),
            limits: Some(limits),
            ..Default::default()
        }),
        "welcome_with_everything" => welcome(Welcome {
            version: 2,
            identity: Some(Identity { app: "web".into(), slot: 3, generation: 18, worker_id: 1 << 32 }),
            limits: Some(limits),
            heartbeat_interval_ms: 5_000,
            capabilities: vec!["later".into()],
        }),
        "reject_unsupported_version" => reject(
            RejectCode::UnsupportedVersion,
            "no protocol version in common: the master speaks 2 to 3, the peer speaks 1",
            2..=3,
        ),
        "reject_unknown_token" => {
            reject(RejectCode::UnknownToken, "Hello carries no token: send the value of DROVER_TOKEN", 1..=1)
        }
        "reject_token_in_use" => {
            reject(RejectCode::TokenInUse, "worker 7 of web has a live connection already", 1..=1)
        }
        "reject_permission_denied" => {
            reject(RejectCode::PermissionDenied, "user 1000 may not speak for web", 1..=1)
        }
        "reject_malformed" => reject(RejectCode::Malformed, "the first frame is no usable Hello", 1..=1),
        "unknown_reject_code" => {
            let reject = Reject { code: 99, message: "later".into(), ..Default::default() };
            HelloReply { reply: Some(hello_reply::Reply::Reject(reject)) }.into()
        }
        "reply_with_nothing_in_it" | "unknown_reply_to_hello" => HelloReply { reply: None }.into(),
        "control_hello" => {
            ControlHello { min_version: 1, max_version: 1, client_version: "0.1.0".into() }.into()
        }
        "control_welcome" => {
            let welcome =
                ControlWelcome { version: 1, master_version: "0.1.0".into(), max_frame_bytes: 4_194_304 };
            ControlHelloReply { reply: Some(control_hello_reply::Reply::Welcome(welcome)) }.into()
        }
        "control_reject" => {
            let reject = Reject {
                code: RejectCode::PermissionDenied.into(),
                message: "this master belongs to user 0".into(),
                min_version: 1,
                max_version: 2,
            };
            ControlHelloReply { reply: Some(control_hello_reply::Reply::Reject(reject)) }.into()
        }
        _ => return None,
    })
}

fn welcome(welcome: Welcome) -> AnyMessage {
    HelloReply { reply: Some(hello_reply::Reply::Welcome(welcome)) }.into()
}

fn reject(code: RejectCode, message: &str, spoken: std::ops::RangeInclusive<u32>) -> AnyMessage {
    let reject = Reject {
        code: code.into(),
        message: message.into(),
        min_version: *spoken.start(),
        max_version: *spoken.end(),
    };
    HelloReply { reply: Some(hello_reply::Reply::Reject(reject)) }.into()
}

fn message(topic: &str, payload: &'static [u8], scope: Scope) -> Message {
    Message { topic: topic.into(), payload: payload.into(), scope: scope.into(), ..Default::default() }
}

fn worker(name: &str) -> Option<WorkerFrame> {
    use worker_frame::Body;
    let asks = |seq, body| WorkerFrame { seq, expects_reply: true, body: Some(body), ..Default::default() };
    let says = |reply_to, body| WorkerFrame { reply_to, body: Some(body), ..Default::default() };
    Some(match name {
        "started" => says(0, Body::Started(Started {})),
        "started_answers_resume" => says(3, Body::Started(Started {})),
        "unknown_field_in_the_envelope" => WorkerFrame { seq: 1, ..says(0, Body::Started(Started {})) },
        "a_field_twice" => says(2, Body::Started(Started {})),
        "stopped" => says(2, Body::Stopped(Stopped {})),
        "shut_down" => says(4, Body::ShutDown(ShutDown {})),
        "extend" => says(0, Body::Extend(Extend { timeout_ms: 60_000 })),
        "status" => {
            let text = "caches 40 % warm, größer → bald".into();
            says(0, Body::Status(Status { text, in_flight: 300, requests: 100_123, gauges: vec![] }))
        }
        "status_with_nothing_in_it" => says(0, Body::Status(Status::default())),
        "status_with_gauges" => {
            let gauge = |name: &str, value| Gauge { name: name.into(), value };
            let gauges = vec![gauge("queue_length", 12.5), gauge("lag_seconds", -0.25)];
            says(0, Body::Status(Status { text: "ok".into(), gauges, ..Default::default() }))
        }
        "unknown_field_in_a_body" => {
            says(0, Body::Status(Status { text: "ok".into(), ..Default::default() }))
        }
        "pong" => says(128, Body::Pong(Pong {})),
        "progress" => says(0, Body::Progress(Progress {})),
        "consumed" => says(0, Body::Consumed(Consumed { bytes: 1 << 19, window: 0 })),
        "window" => says(0, Body::Consumed(Consumed { bytes: 0, window: 1 << 20 })),
        "subscribe" => asks(10, Body::Subscribe(Subscribe { topic: "prices".into() })),
        "unsubscribe" => asks(11, Body::Unsubscribe(Unsubscribe { topic: "prices".into() })),
        "message_to_the_app" => says(0, Body::Message(message("jobs/done", b"\x00\x01\xfe\xff", Scope::App))),
        "request_to_a_worker" => asks(
            7,
            Body::Message(Message {
                worker: (1 << 32) + 3,
                timeout_ms: 1500,
                ..message("cache/get", "größe".as_bytes(), Scope::Worker)
            }),
        ),
        "confirmed_message_to_a_slot" => {
            asks(8, Body::Message(Message { slot: 3, confirm: true, ..message("warm", b"", Scope::Slot) }))
        }
        "publication" => {
            WorkerFrame { seq: 9, ..says(0, Body::Message(message("prices", b"42", Scope::Subscribers))) }
        }
        "message_to_all" => says(0, Body::Message(message("flush", b"", Scope::All))),
        "reply_of_a_worker" => says(12, Body::Reply(Reply { payload: b"pong"[..].into() })),
        "empty_reply" => says(12, Body::Reply(Reply::default())),
        "worker_error" => {
            let message = "this worker does not know the body".into();
            says(5, Body::Error(Error { code: ErrorCode::Unimplemented.into(), message }))
        }
        "unknown_error_code" => says(2, Body::Error(Error { code: 99, message: String::new() })),
        "largest_numbers" => WorkerFrame {
            seq: u64::MAX,
            reply_to: u64::MAX,
            expects_reply: true,
            must_understand: true,
            body: Some(Body::Extend(Extend { timeout_ms: u64::MAX })),
        },
        "unknown_body_from_the_worker" => WorkerFrame { seq: 4, expects_reply: true, ..Default::default() },
        "empty_frame" => WorkerFrame::default(),
        _ => return None,
    })
}

fn master(name: &str) -> Option<MasterFrame> {
    use master_frame::Body;
    let asks = |seq, body| MasterFrame { seq, expects_reply: true, body: Some(body), ..Default::default() };
    let answers = |reply_to, body| MasterFrame { reply_to, body: Some(body), ..Default::default() };
    let unknown = MasterFrame::default();
    Some(match name {
        "ping" | "numbers_longer_than_needed" => asks(1, Body::Ping(Ping {})),
        "unknown_fields_of_each_wire_type" => {
            MasterFrame { expects_reply: false, ..asks(1, Body::Ping(Ping {})) }
        }
        "stop" => asks(2, Body::Stop(Stop { deadline_ms: 20_000 })),
        "fields_out_of_order" => asks(2, Body::Stop(Stop { deadline_ms: 100 })),
        "stop_one_way" => {
            MasterFrame { body: Some(Body::Stop(Stop { deadline_ms: 20_000 })), ..Default::default() }
        }
        "zeros_that_need_not_be_sent" => {
            MasterFrame { body: Some(Body::Stop(Stop { deadline_ms: 0 })), ..Default::default() }
        }
        "resume" => asks(3, Body::Resume(Resume { deadline_ms: 30_000 })),
        "quit" => asks(4, Body::Quit(Quit { deadline_ms: 5_000 })),
        "quit_that_must_be_understood" => {
            MasterFrame { must_understand: true, ..asks(5, Body::Quit(Quit { deadline_ms: 0 })) }
        }
        "two_bodies" => MasterFrame { expects_reply: false, ..asks(5, Body::Quit(Quit { deadline_ms: 5 })) },
        "master_error" => {
            let error = Error { code: ErrorCode::BadState.into(), message: "Stopped without a Stop".into() };
            MasterFrame { reply_to: 7, body: Some(Body::Error(error)), ..Default::default() }
        }
        "message_from_the_app" => {
            let body = Body::Message(message("config", b"{}", Scope::Worker));
            MasterFrame { body: Some(body), ..Default::default() }
        }
        "request_from_a_worker" => asks(
            12,
            Body::Message(Message {
                worker: (1 << 32) + 1,
                timeout_ms: 1500,
                ..message("cache/get", "größe".as_bytes(), Scope::Worker)
            }),
        ),
        "publication_received" => {
            let message = Message { worker: 3, ..message("prices", b"42", Scope::Subscribers) };
            MasterFrame { body: Some(Body::Message(message)), ..Default::default() }
        }
        "reply_from_the_master" => answers(7, Body::Reply(Reply { payload: b"\x00"[..].into() })),
        "accepted" => answers(9, Body::Accepted(Accepted { delivered: 3, refused: 1 })),
        "receiver_not_ready" => {
            let message = "worker 3 of web is stopping".into();
            answers(7, Body::Error(Error { code: ErrorCode::NotReady.into(), message }))
        }
        "unknown_body_from_the_master" => unknown,
        "unknown_body_that_expects_a_reply" => MasterFrame { seq: 9, expects_reply: true, ..unknown },
        "unknown_body_that_must_be_understood" => {
            MasterFrame { seq: 10, expects_reply: true, must_understand: true, ..unknown }
        }
        _ => return None,
    })
}
