//! FW: what a master of a later age may send.

use bytes::BufMut;
use drover_proto::latest::{
    Error, ErrorCode, HelloReply, MasterFrame, ShutDown, Stopped, WorkerFrame, master_frame,
    worker_frame::Body,
};
use prost::Message;

use crate::case::{Fault, failed};
use crate::frames::{framed_bytes, unknown};
use crate::worker::deadlines::{QUIT, SLACK};
use crate::worker::said::{frame, ping, quit, reply, stop, welcome};
use crate::worker::stage::{WorkerCase, WorkerStage};

const UNKNOWN_FIELDS: &str =
    "Unknown fields are ignored. An unknown value of an enum reads as its `…_UNSPECIFIED`.";

pub(super) const CASES: &[WorkerCase] = &[
    WorkerCase::new("W-FW-01", "an unknown body", "| no | no | ignore it |", |stage| {
        Box::pin(ignores_an_unknown_body(stage))
    }),
    WorkerCase::new(
        "W-FW-02",
        "an unknown body that expects a reply",
        "| no | yes | answer with `Error`, code `UNIMPLEMENTED` |",
        |stage| Box::pin(refuses_an_unknown_request(stage, true)),
    ),
    WorkerCase::new(
        "W-FW-03",
        "an unknown body that must be understood",
        "| yes | either | close the connection |",
        |stage| Box::pin(closes_at_what_it_must_understand(stage)),
    ),
    WorkerCase::new(
        "W-FW-04",
        "no body at all, and a reply is expected",
        "The body is one of the messages below. If it is one you do not know, or there is none:",
        |stage| Box::pin(refuses_an_unknown_request(stage, false)),
    ),
    WorkerCase::new("W-FW-05", "unknown fields in every message", UNKNOWN_FIELDS, |stage| {
        Box::pin(ignores_unknown_fields(stage))
    }),
    WorkerCase::new("W-FW-06", "an Error", "An `Error` alone is not a reason to exit.", |stage| {
        Box::pin(survives_an_error(stage, ErrorCode::BadState.into()))
    }),
    WorkerCase::new("W-FW-07", "an Error with an unknown code", UNKNOWN_FIELDS, |stage| {
        Box::pin(survives_an_error(stage, 4711))
    }),
    WorkerCase::new(
        "W-FW-08",
        "unknown capabilities of the master",
        "`capabilities` names what the master does beyond the base",
        |stage| Box::pin(ignores_unknown_capabilities(stage)),
    ),
    WorkerCase::new(
        "W-FW-09",
        "an Error that asks for an answer",
        "An answer is never answered, and an `Error` never is.",
        |stage| Box::pin(does_not_answer_an_error(stage)),
    ),
];

async fn ignores_an_unknown_body(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    let seq = worker.next_seq();
    for seq in [seq, 0] {
        worker.peer.send_bytes(&unknown(seq, false, false), "an unknown body").await?;
    }
    let said = worker.answers_ping().await?;
    no_error(&said, "it answered what expects no reply")
}

async fn refuses_an_unknown_request(stage: &mut WorkerStage, has_body: bool) -> Result<(), Fault> {
    let worker = stage.started().await?;
    let seq = worker.next_seq();
    if has_body {
        worker.peer.send_bytes(&unknown(seq, true, false), "an unknown body, expects_reply").await?;
    } else {
        worker.peer.send(&MasterFrame { seq, expects_reply: true, ..Default::default() }).await?;
    }
    match worker.answer_to(seq, "an Error with UNIMPLEMENTED").await?.body {
        Some(Body::Error(error)) if error.code() == ErrorCode::Unimplemented => {
            worker.answers_ping().await.map(drop)
        }
        Some(Body::Error(error)) => {
            Err(failed(format!("it answered with {:?}; UNIMPLEMENTED was expected", error.code())))
        }
        _ => Err(failed("it answered with something else; an Error with UNIMPLEMENTED was expected")),
    }
}

async fn closes_at_what_it_must_understand(stage: &mut WorkerStage) -> Result<(), Fault> {
    for expects_reply in [false, true] {
        let worker = stage.started().await?;
        let seq = worker.next_seq();
        let bytes = unknown(seq, expects_reply, true);
        worker.peer.send_bytes(&bytes, "an unknown body, must_understand").await?;
        worker.closes().await?;
    }
    Ok(())
}

/// A whole life, in which every message has fields of every kind that nobody knows.
async fn ignores_unknown_fields(stage: &mut WorkerStage) -> Result<(), Fault> {
    let (worker, _) = stage.introduced().await?;
    worker.peer.send_bytes(&framed_bytes(&welcome_with_more()), "Welcome with unknown fields").await?;
    worker.becomes_ready().await?;
    let mut answers = Vec::new();
    for (body, number) in [(ping(), 13), (stop(), 10), (quit(), 12)] {
        let seq = worker.next_seq();
        let bytes = framed_bytes(&body_with_more(seq, body.clone(), number));
        worker.peer.send_bytes(&bytes, "a message with unknown fields").await?;
        let answer = worker.answer_to(seq, "Pong, Stopped or ShutDown").await?.body;
        answers.push(answer);
    }
    match answers[..] {
        [Some(Body::Pong(_)), Some(Body::Stopped(Stopped {})), Some(Body::ShutDown(ShutDown {}))] => {
            worker.ends_with_zero(QUIT + SLACK).await
        }
        _ => Err(failed(
            "it did not answer with Pong, Stopped and ShutDown, which were expected as if the fields were not there",
        )),
    }
}

async fn survives_an_error(stage: &mut WorkerStage, code: i32) -> Result<(), Fault> {
    let worker = stage.started().await?;
    let error = Error { code, message: "nothing to worry about".to_owned() };
    let body = Some(master_frame::Body::Error(error));
    worker.peer.send(&MasterFrame { reply_to: 4_242, body, ..Default::default() }).await?;
    worker.answers_ping().await?;
    worker.leaves().await
}

async fn ignores_unknown_capabilities(stage: &mut WorkerStage) -> Result<(), Fault> {
    let capabilities = vec!["teleport".to_owned(), String::new(), "x".repeat(300)];
    let worker = stage.started_by(drover_proto::latest::Welcome { capabilities, ..welcome() }).await?;
    worker.answers_ping().await.map(drop)
}

async fn does_not_answer_an_error(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    let seq = worker.next_seq();
    let error = Error { code: ErrorCode::Failed.into(), message: "an error that wants a reply".to_owned() };
    let body = master_frame::Body::Error(error);
    worker.peer.send(&MasterFrame { expects_reply: true, ..frame(seq, body) }).await?;
    let said = worker.answers_ping().await?;
    match said.iter().any(|said| said.reply_to == seq) {
        true => Err(failed("it answered an Error; no answer was expected")),
        false => Ok(()),
    }
}

fn no_error(said: &[WorkerFrame], why: &str) -> Result<(), Fault> {
    match said.iter().any(|said| matches!(said.body, Some(Body::Error(_)))) {
        true => Err(failed(format!("{why}; no answer was expected"))),
        false => Ok(()),
    }
}

/// Fields of each wire type: a number, eight bytes, a row of bytes, four bytes.
fn more(message: &mut Vec<u8>) {
    message.extend([0xb8, 0x3e, 0x96, 0x01]);
    message.extend([0xc1, 0x3e]);
    message.put_u64_le(0x0123_4567_89ab_cdef);
    message.extend([0xca, 0x3e, 5]);
    message.extend(*b"later");
    message.extend([0xd5, 0x3e]);
    message.put_u32_le(0x0123_4567);
}

fn within(number: u8, mut message: Vec<u8>) -> Vec<u8> {
    more(&mut message);
    let mut field = vec![number << 3 | 2];
    prost::encoding::encode_varint(message.len() as u64, &mut field);
    field.extend(message);
    field
}

/// A frame with this body, with more in the body and in the envelope.
fn body_with_more(seq: u64, body: master_frame::Body, number: u8) -> Vec<u8> {
    let whole = frame(seq, body).encode_to_vec();
    let envelope = MasterFrame { body: None, ..frame(seq, ping()) };
    let expects_reply = number == 13;
    let mut payload = MasterFrame { expects_reply, ..envelope }.encode_to_vec();
    let head = payload.len();
    // Behind the envelope: the tag, one byte of length, the body's own fields.
    let inner = whole[head + 2..].to_vec();
    payload.extend(within(number, inner));
    more(&mut payload);
    payload
}

fn welcome_with_more() -> Vec<u8> {
    let welcome = welcome();
    let identity = within(2, welcome.identity.clone().unwrap_or_default().encode_to_vec());
    let limits = within(3, welcome.limits.unwrap_or_default().encode_to_vec());
    // Version 1, then identity and limits.
    let mut message = vec![0x08, 0x01];
    message.extend(identity);
    message.extend(limits);
    let mut whole = within(1, message);
    more(&mut whole);
    debug_assert_eq!(HelloReply::decode(&whole[..]).ok(), Some(reply(welcome)));
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_more_fields_reads_as_what_has_not() {
        assert_eq!(HelloReply::decode(&welcome_with_more()[..]).unwrap(), reply(welcome()));
        for (body, number) in [(ping(), 13), (stop(), 10), (quit(), 12)] {
            let whole = body_with_more(300, body.clone(), number);
            assert_eq!(MasterFrame::decode(&whole[..]).unwrap(), frame(300, body));
        }
    }
}
