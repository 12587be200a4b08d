//! FZ: mutated frames. Whatever a worker sends, the master serves on.

use drover_proto::latest::{
    Error, Extend, Gauge, MasterFrame, Message, Pong, Progress, Reply, Status, Stopped, WorkerFrame,
    worker_frame::Body,
};
use prost::Message as _;

use crate::case::Fault;
use crate::master::stage::{MasterCase, MasterStage, said};
use crate::mutator::{Mutation, Mutator};
use crate::peer::Peer;

/// How long the answer to the question behind a mutation may take; without one, the mutation may have swallowed it.
const ANSWER: std::time::Duration = std::time::Duration::from_millis(500);

pub(super) const CASES: &[MasterCase] = &[MasterCase::new(
    "M-FZ-01",
    "mutated frames",
    "bytes that can't be decoded, a frame over the limit, text",
    |stage| Box::pin(bears(stage)),
)];

async fn bears(stage: &mut MasterStage) -> Result<(), Fault> {
    let mut mutator = Mutator::new(stage.seed);
    let mut worker = None;
    let mut last = None;
    for number in 1..=stage.mutations {
        let mut peer = match worker.take() {
            Some(peer) => peer,
            None => another(stage, last.as_ref()).await?,
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
            Ok(Err(fault)) => return Err(mutation.blamed(number, fault)),
        }
        last = Some((number, mutation));
    }
    another(stage, last.as_ref()).await.map(drop)
}

/// One more worker, which the master takes whatever the last mutation was.
async fn another(stage: &mut MasterStage, last: Option<&(u32, Mutation)>) -> Result<Peer, Fault> {
    match (stage.started().await, last) {
        (Ok((peer, _)), _) => Ok(peer),
        (Err(fault), Some((number, mutation))) => Err(mutation.blamed(*number, fault)),
        (Err(fault), None) => Err(fault),
    }
}

/// A frame that keeps the rules.
fn legal(chance: &mut fastrand::Rng) -> (&'static str, Vec<u8>) {
    let text = "a sentence for people, of some length".to_owned();
    let gauge = Gauge { name: "queue_length".to_owned(), value: 12.5 };
    let (name, body) = match chance.u8(..8) {
        0 => ("a Pong", Body::Pong(Pong {})),
        1 => ("a Status", Body::Status(Status { text, in_flight: 3, requests: 9, gauges: vec![gauge] })),
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
