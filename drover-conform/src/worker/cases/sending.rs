//! BU: what a worker says of its own accord, and the room that it has.

use drover_proto::latest::{
    Accepted, Consumed, Error, ErrorCode, MasterFrame, Message, Reply, Scope, Stopped, Subscribe,
    WorkerFrame, master_frame, worker_frame::Body,
};

use super::requests::{BUS, ECHO, ask, case, connected, message, replied, request};
use crate::case::{Fault, failed};
use crate::frames::framed;
use crate::worker::said::{frame, stop, welcome};
use crate::worker::stage::{WorkerCase, WorkerStage};
use crate::worker::tested::Worker;

/// Sends a one-way message to the program, with the payload as its topic, then answers.
const SEND: &str = "drover.conform.send";

/// Subscribes to the topic in the payload, then answers.
pub(super) const SUBSCRIBE: &str = "drover.conform.subscribe";

/// Asks the program, with the payload as its topic, and answers with what it got.
pub(super) const ASK: &str = "drover.conform.ask";

/// What the program is asked about.
const TOPIC: &str = "drover.conform.topic";

/// How many windows are sent.
const WINDOWS: u64 = 4;

const MAY_SEND: &str = "It may send them if `Welcome` names `bus`: at any time from `Welcome` to `ShutDown`.";
const ASKS: &str = "answered by one **Reply** or one `Error`.";

pub(super) const CASES: &[WorkerCase] = &[
    case("W-BU-20", "a message to the program", MAY_SEND, |stage| Box::pin(sends(stage))),
    case(
        "W-BU-21",
        "a subscription",
        "**Subscribe** to a `topic` makes a worker with `bus` one of those to whom `SCOPE_SUBSCRIBERS` goes",
        |stage| Box::pin(subscribes(stage)),
    ),
    case("W-BU-22", "a request to the program", ASKS, |stage| {
        Box::pin(asks(stage, master_frame::Body::Reply(Reply { payload: "42".into() }), b"42"))
    }),
    case("W-BU-23", "a request that the program refuses", ASKS, |stage| {
        let error = Error { code: ErrorCode::Failed.into(), message: "no such thing".to_owned() };
        Box::pin(asks(stage, master_frame::Body::Error(error), b"no such thing"))
    }),
    case(
        "W-BU-24",
        "a request that crosses a Stop",
        "It is sent them only while it is started; what was on the way already still comes when it stops.",
        |stage| Box::pin(answers_what_was_on_the_way(stage)),
    ),
    case(
        "W-BU-25",
        "more messages than its window holds",
        "With a `window` in a `Consumed` before `Started`, the master sends at most that many bytes",
        |stage| Box::pin(says_what_is_free(stage)),
    ),
    case("W-BU-26", "a master that carries no messages", MAY_SEND, |stage| Box::pin(keeps_quiet(stage))),
];

/// Waits for the answer to a request. What the worker says meanwhile is looked at by `look`, which may have an answer to it.
async fn attended(
    worker: &mut Worker,
    seq: u64,
    mut look: impl FnMut(&WorkerFrame) -> Option<master_frame::Body> + Send,
) -> Result<WorkerFrame, Fault> {
    loop {
        let heard = worker.heard("an answer to the request").await?;
        if heard.reply_to == seq && matches!(heard.body, Some(Body::Reply(_) | Body::Error(_))) {
            return Ok(heard);
        }
        if let Some(body) = look(&heard)
            && heard.expects_reply
        {
            let answer = MasterFrame { reply_to: heard.seq, body: Some(body), ..Default::default() };
            worker.peer.send(&answer).await?;
        }
    }
}

async fn sends(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = connected(stage).await?;
    let seq = worker.next_seq();
    worker.peer.send(&request(seq, SEND, TOPIC.into())).await?;
    let mut sent = None;
    let answer = attended(worker, seq, |heard| {
        if let Some(Body::Message(message)) = &heard.body {
            sent = Some(message.clone());
        }
        Some(master_frame::Body::Accepted(Accepted { delivered: 1, refused: 0 }))
    })
    .await?;
    replied(answer)?;
    // A Reply may overtake what was sent before it: an order is promised to messages alone.
    while sent.is_none() {
        if let Some(Body::Message(message)) = worker.heard("a Message to SCOPE_APP").await?.body {
            sent = Some(message);
        }
    }
    match sent {
        Some(Message { topic, scope, .. }) if topic == TOPIC && scope == i32::from(Scope::App) => Ok(()),
        Some(Message { topic, scope, .. }) => Err(failed(format!(
            "its message has the topic `{topic}` and the scope {scope}; `{TOPIC}` and SCOPE_APP were expected"
        ))),
        None => Err(failed("it answered, but sent no message; one to SCOPE_APP was expected")),
    }
}

async fn subscribes(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = connected(stage).await?;
    let seq = worker.next_seq();
    worker.peer.send(&request(seq, SUBSCRIBE, TOPIC.into())).await?;
    let mut subscribed = None;
    let answer = attended(worker, seq, |heard| {
        if let Some(Body::Subscribe(Subscribe { topic })) = &heard.body {
            subscribed = Some(topic.clone());
        }
        Some(master_frame::Body::Accepted(Accepted::default()))
    })
    .await?;
    replied(answer)?;
    match subscribed.as_deref() {
        Some(TOPIC) => {}
        Some(other) => return Err(failed(format!("it subscribed to `{other}`; `{TOPIC}` was expected"))),
        None => return Err(failed("it answered, but subscribed to nothing before, which was expected")),
    }
    let published = Message {
        topic: TOPIC.to_owned(),
        payload: "news".into(),
        scope: Scope::Subscribers.into(),
        worker: 9,
        ..Default::default()
    };
    worker.peer.send(&frame(0, master_frame::Body::Message(published))).await?;
    replied(ask(worker, ECHO, b"still there").await?).map(drop)
}

async fn asks(stage: &mut WorkerStage, answer: master_frame::Body, expected: &[u8]) -> Result<(), Fault> {
    let worker = connected(stage).await?;
    let seq = worker.next_seq();
    worker.peer.send(&request(seq, ASK, TOPIC.into())).await?;
    let mut fault = Some("it answered, but asked nothing before, which was expected");
    let got = attended(worker, seq, |heard| {
        let Some(Body::Message(message)) = &heard.body else {
            return Some(master_frame::Body::Accepted(Accepted::default()));
        };
        fault = match () {
            () if message.topic != TOPIC => {
                Some("its request has another topic; the payload of what it was asked was expected")
            }
            () if message.scope != i32::from(Scope::App) => {
                Some("its request has another scope; SCOPE_APP was expected")
            }
            () if heard.seq == 0 || !heard.expects_reply => {
                Some("its request has no seq, or expects no reply; both were expected")
            }
            () => None,
        };
        Some(answer.clone())
    })
    .await?;
    if let Some(fault) = fault {
        return Err(failed(fault));
    }
    let got = replied(got)?;
    match String::from_utf8_lossy(&got).contains(&*String::from_utf8_lossy(expected)) {
        true => Ok(()),
        false => Err(failed(format!(
            "it passed on `{}`; `{}` was expected",
            got.escape_ascii(),
            expected.escape_ascii()
        ))),
    }
}

async fn answers_what_was_on_the_way(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = connected(stage).await?;
    let (first, second) = (worker.next_seq(), worker.next_seq());
    let mut bytes = framed(&frame(first, stop()));
    bytes.extend(framed(&request(second, ECHO, b"late".to_vec())));
    worker.peer.send_bytes(&bytes, "Stop and a request in one write").await?;
    let (mut is_stopped, mut is_answered) = (false, false);
    while !(is_stopped && is_answered) {
        let heard = worker.heard("Stopped, and an answer to the request,").await?;
        is_stopped |= heard.body == Some(Body::Stopped(Stopped {}));
        is_answered |= heard.reply_to == second;
    }
    worker.leaves().await
}

/// A master that keeps the window, and a worker that makes room again.
async fn says_what_is_free(stage: &mut WorkerStage) -> Result<(), Fault> {
    let (worker, _) = stage.introduced().await?;
    let capabilities = vec![BUS.to_owned(), "app".to_owned()];
    let welcome = drover_proto::latest::Welcome { capabilities, ..welcome() };
    worker.peer.send(&crate::worker::said::reply(welcome)).await?;
    let window = worker.becomes_ready().await?.into_iter().rev().find_map(|said| match said.body {
        Some(Body::Consumed(Consumed { window, .. })) if window > 0 => Some(window),
        _ => None,
    });
    let Some(window) = window else {
        return Err(Fault::Skipped("the worker names no window".to_owned()));
    };
    let one = frame(0, message(ECHO, vec![7; usize::try_from(window / 8).unwrap_or(64).min(64 * 1024)]));
    let size = framed(&one).len() as u64 - 4;
    let (mut on_the_way, mut sent, mut consumed) = (0, 0, 0);
    while sent < window * WINDOWS {
        if on_the_way + size <= window {
            worker.peer.send(&one).await?;
            (on_the_way, sent) = (on_the_way + size, sent + size);
            continue;
        }
        if let Some(Body::Consumed(Consumed { bytes, .. })) =
            worker.heard("Consumed, of a window that is full,").await?.body
        {
            consumed += bytes;
            if bytes > on_the_way {
                return Err(failed(format!(
                    "it says that {bytes} bytes are free, of {on_the_way} that were on the way; no more was expected"
                )));
            }
            // All frames are of one size, and a message becomes free as a whole.
            if consumed % size != 0 {
                return Err(failed(format!(
                    "it says that {consumed} bytes are free; a multiple of {size} was expected, the length of each frame without its header"
                )));
            }
            on_the_way -= bytes;
        }
    }
    Ok(())
}

async fn keeps_quiet(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.welcomed().await?;
    let mut said = worker.becomes_ready().await?;
    said.extend(worker.answers_ping().await?);
    match said.iter().any(|said| matches!(said.body, Some(Body::Message(_) | Body::Subscribe(_)))) {
        true => Err(failed("it sent messages to a master that carries none; it was expected to keep them")),
        false => worker.leaves().await,
    }
}
