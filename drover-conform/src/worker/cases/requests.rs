//! BU: messages of the application, for workers with the capability `bus` that keep the convention of docs/reference/conformance.md.

use std::collections::BTreeSet;

use drover_proto::latest::{
    Error, ErrorCode, MasterFrame, Message, Reply, Scope, Welcome, WorkerFrame, master_frame,
    worker_frame::Body,
};

use crate::case::{Fault, failed};
use crate::worker::said::{frame, welcome};
use crate::worker::stage::{WorkerCase, WorkerStage};
use crate::worker::tested::Worker;

/// The capability without which a worker takes no messages.
pub(super) const BUS: &str = "bus";

/// Answers with the payload of the request.
pub(super) const ECHO: &str = "drover.conform.echo";

/// Answers with an Error, code FAILED.
const FAIL: &str = "drover.conform.fail";

/// Nobody knows it.
const NOBODYS: &str = "drover.conform.nobody-knows-this";

/// How many requests are open at once. A quarter of what a master lets one sender have open.
const MANY: u64 = 250;

const ONCE: &str = "A request is answered exactly once";
const COPIES: &str = "A worker that is asked copies the `seq` of the request into its `reply_to`";

pub(super) const CASES: &[WorkerCase] = &[
    case("W-BU-01", "a request and its Reply", "**Reply** answers a request with a `payload`.", |stage| {
        Box::pin(echoes(stage, 3, 100))
    }),
    case(
        "W-BU-02",
        "a request that fails",
        "or answers with `Error`, whose code and message are passed on to the asker.",
        |stage| Box::pin(tells_of_a_failure(stage)),
    ),
    case("W-BU-03", "a request on a topic that nobody knows", ONCE, |stage| {
        Box::pin(answers_unknown_topics(stage))
    }),
    case("W-BU-04", "the largest payload", "a `payload` of up to 1,048,576 bytes (1 MiB)", |stage| {
        Box::pin(echoes(stage, 3, 1_048_576))
    }),
    case("W-BU-05", "no payload", "**Reply** answers a request with a `payload`.", |stage| {
        Box::pin(echoes(stage, 3, 0))
    }),
    case("W-BU-06", "a request with a large number", COPIES, |stage| {
        Box::pin(echoes(stage, (1 << 63) + 1, 10))
    }),
    case("W-BU-07", "250 requests at once", ONCE, |stage| Box::pin(answers_many(stage))),
    case(
        "W-BU-08",
        "a message that is not a request",
        "0: a one-way frame, which is never answered",
        |stage| Box::pin(leaves_messages_unanswered(stage)),
    ),
    case(
        "W-BU-09",
        "a message without a topic",
        "**Message** carries a `topic` of up to 255 bytes, which may be empty",
        |stage| Box::pin(takes_any_topic(stage)),
    ),
];

/// A case for workers that take messages.
pub(super) const fn case(
    id: &'static str,
    done: &'static str,
    sentence: &'static str,
    play: for<'a> fn(&'a mut WorkerStage) -> crate::case::Playing<'a>,
) -> WorkerCase {
    WorkerCase::new(id, done, sentence, play).needs(BUS)
}

/// A worker that is started, under a master that carries messages.
pub(super) async fn connected(stage: &mut WorkerStage) -> Result<&mut Worker, Fault> {
    let capabilities = vec![BUS.to_owned(), "app".to_owned()];
    stage.started_by(Welcome { capabilities, ..welcome() }).await
}

/// A message of the program to this worker.
pub(super) fn message(topic: &str, payload: Vec<u8>) -> master_frame::Body {
    let scope = Scope::Worker.into();
    master_frame::Body::Message(Message {
        topic: topic.to_owned(),
        payload: payload.into(),
        scope,
        ..Default::default()
    })
}

/// A message as a request.
pub(super) fn request(seq: u64, topic: &str, payload: Vec<u8>) -> MasterFrame {
    MasterFrame { expects_reply: true, ..frame(seq, message(topic, payload)) }
}

/// Sends a request and waits for its answer.
pub(super) async fn ask(worker: &mut Worker, topic: &str, payload: &[u8]) -> Result<WorkerFrame, Fault> {
    let seq = worker.next_seq();
    worker.peer.send(&request(seq, topic, payload.to_vec())).await?;
    worker.answer_to(seq, "a Reply or an Error").await
}

/// The payload of a Reply; anything else is a fault.
pub(super) fn replied(frame: WorkerFrame) -> Result<Vec<u8>, Fault> {
    match frame.body {
        Some(Body::Reply(Reply { payload })) => Ok(payload.to_vec()),
        Some(Body::Error(error)) => Err(failed(format!(
            "it answered with {:?}, `{}`; a Reply was expected",
            error.code(),
            error.message
        ))),
        _ => Err(failed("its answer is neither Reply nor Error; a Reply was expected")),
    }
}

async fn echoes(stage: &mut WorkerStage, seq: u64, length: usize) -> Result<(), Fault> {
    let worker = connected(stage).await?;
    let payload: Vec<u8> = (0..=255).cycle().take(length).collect();
    worker.peer.send(&request(seq, ECHO, payload.clone())).await?;
    let answer = replied(worker.answer_to(seq, "a Reply").await?)?;
    match answer == payload {
        true => Ok(()),
        false => Err(failed(format!(
            "it echoed {} bytes; the {length} of the request were expected",
            answer.len()
        ))),
    }
}

async fn tells_of_a_failure(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = connected(stage).await?;
    match ask(worker, FAIL, b"").await?.body {
        Some(Body::Error(error)) if error.code() == ErrorCode::Failed => Ok(()),
        Some(Body::Error(Error { code, .. })) => {
            Err(failed(format!("it answered with Error code {code}; FAILED was expected")))
        }
        _ => Err(failed("it answered with something else; an Error was expected")),
    }
}

async fn answers_unknown_topics(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = connected(stage).await?;
    match ask(worker, NOBODYS, b"hello").await?.body {
        Some(Body::Error(_)) => Ok(()),
        _ => Err(failed("it answered with something else; an Error was expected")),
    }
}

async fn answers_many(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = connected(stage).await?;
    let mut open = BTreeSet::new();
    for _ in 0..MANY {
        let seq = worker.next_seq();
        worker.peer.send(&request(seq, ECHO, seq.to_be_bytes().to_vec())).await?;
        open.insert(seq);
    }
    while !open.is_empty() {
        let heard = worker.heard("a Reply to each request").await?;
        let seq = heard.reply_to;
        if !matches!(heard.body, Some(Body::Reply(_) | Body::Error(_))) {
            continue;
        }
        if replied(heard)? != seq.to_be_bytes() {
            return Err(failed(format!(
                "the answer to {seq} is that to another request; its own payload was expected"
            )));
        }
        if !open.remove(&seq) {
            return Err(failed(format!("it answered {seq} a second time; one answer was expected")));
        }
    }
    Ok(())
}

async fn leaves_messages_unanswered(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = connected(stage).await?;
    for topic in [ECHO, FAIL, NOBODYS] {
        worker.peer.send(&frame(0, message(topic, b"one way".to_vec()))).await?;
    }
    let seq = worker.next_seq();
    worker.peer.send(&request(seq, ECHO, Vec::new())).await?;
    loop {
        let heard = worker.heard("a Reply to the request").await?;
        match heard.body {
            Some(Body::Reply(_) | Body::Error(_)) if heard.reply_to == seq => return Ok(()),
            Some(Body::Reply(_) | Body::Error(_)) => {
                return Err(failed("it answered a one-way message; no answer was expected"));
            }
            _ => {}
        }
    }
}

async fn takes_any_topic(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = connected(stage).await?;
    for topic in [String::new(), "ü".repeat(127)] {
        worker.peer.send(&frame(0, message(&topic, b"hello".to_vec()))).await?;
    }
    replied(ask(worker, ECHO, b"still there").await?).map(drop)
}
