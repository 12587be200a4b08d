//! FZ: mutated frames. Whatever a worker sends, the master serves on.

use drover_proto::latest::{
    Error, Extend, MasterFrame, Message, Pong, Progress, Reply, Status, Stopped, WorkerFrame,
    worker_frame::Body,
};
use prost::Message as _;

use super::Case;
use super::stage::{Stage, said};
use crate::case::{Fault, failed};
use crate::mutator::{Mutation, Mutator};

/// How long the answer to the question behind a mutation may take; without one, the mutation may have swallowed it.
const ANSWER: std::time::Duration = std::time::Duration::from_millis(500);

pub(super) const CASES: &[Case] = &[Case::new(
    "M-FZ-01",
    "mutated frames",
    "bytes that can't be decoded, a frame over the limit, text",
    |stage| Box::pin(bears(stage)),
)];

async fn bears(stage: &mut Stage) -> Result<(), Fault> {
    let mut mutator = Mutator::new(stage.seed);
    let mut worker = None;
    for number in 1..=stage.mutations {
        let mut peer = match worker.take() {
            Some(peer) => peer,
            None => stage.started().await.map_err(|fault| told(fault, number, None))?.0,
        };
        let mutation = mutator.next(legal);
        peer.send_bytes(&mutation.bytes, &mutation.text).await?;
        let seq = u64::from(number) + (1 << 40);
        peer.send(&WorkerFrame { seq, expects_reply: true, ..Default::default() }).await?;
        let goes_on = async {
            loop {
                match peer.read::<MasterFrame>().await? {
                    Some(heard) if heard.reply_to == seq => return Ok(true),
                    Some(_) => {}
                    None => return Ok(false),
                }
            }
        };
        match tokio::time::timeout(ANSWER, goes_on).await {
            Ok(Ok(true)) => worker = Some(peer),
            Ok(Ok(false)) | Err(_) => {}
            Ok(Err(fault)) => return Err(told(fault, number, Some(&mutation))),
        }
    }
    stage.started().await.map(drop)
}

/// A frame that keeps the rules.
fn legal(chance: &mut fastrand::Rng) -> (&'static str, Vec<u8>) {
    let text = "a sentence for people, of some length".to_owned();
    let (name, body) = match chance.u8(..8) {
        0 => ("a Pong", Body::Pong(Pong {})),
        1 => ("a Status", Body::Status(Status { text, in_flight: 3, requests: 9 })),
        2 => ("an Error", Body::Error(Error { code: 6, message: text })),
        3 => ("a Reply", Body::Reply(Reply { payload: vec![0xff; 30].into() })),
        4 => ("a Progress", Body::Progress(Progress {})),
        5 => ("an Extend", Body::Extend(Extend { timeout_ms: 1000 })),
        6 => ("a Stopped", Body::Stopped(Stopped {})),
        _ => {
            let payload = vec![0; 40].into();
            ("a Message", Body::Message(Message { topic: text, payload, scope: 4, ..Default::default() }))
        }
    };
    let seq = chance.u64(..) >> chance.u32(..64);
    (name, WorkerFrame { seq, expects_reply: seq != 0, ..said(body) }.encode_to_vec())
}

fn told(fault: Fault, number: u32, mutation: Option<&Mutation>) -> Fault {
    let what = mutation.map_or("the one before", |mutation| &mutation.text);
    match fault {
        Fault::Failed(why) => failed(format!("mutation {number}, {what}: {why}")),
        skipped @ Fault::Skipped(_) => skipped,
    }
}
