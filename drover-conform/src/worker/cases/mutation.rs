//! FZ: mutated frames. Whatever comes, a worker goes on or leaves; it neither hangs nor crashes nor grows.

use std::fs;
use std::time::Duration;

use drover_proto::latest::{
    Error, MasterFrame, Message, Ping, Quit, Reply, Resume, Stop, WorkerFrame, master_frame,
    worker_frame::Body,
};
use prost::Message as _;

use crate::case::{Fault, failed};
use crate::mutator::{Mutation, Mutator};
use crate::worker::deadlines::{ORPHAN, SLACK};
use crate::worker::said::{frame, ping};
use crate::worker::stage::{WorkerCase, WorkerStage};
use crate::worker::tested::Worker;

/// How many cases share the mutations, so that they run side by side.
const PARTS: u32 = 5;

/// How long a worker may take to answer the Ping behind a mutation. Without an answer, the mutation may have swallowed the
/// Ping; then the connection is ended, which a worker that hangs would not hear.
const ANSWER: Duration = Duration::from_secs(1);

/// By how much the memory of a worker may grow, in KiB. A heap grows by itself; a length that was believed asks for 16 MiB to 4
/// GiB, and shows once it is written to.
const GROWTH_KB: u64 = 256 * 1024;

const SENTENCE: &str = "bytes that can't be decoded, a frame over the limit, text";

pub(super) const CASES: &[WorkerCase] = &[
    WorkerCase::new("W-FZ-01", "mutated frames, first part", SENTENCE, |stage| Box::pin(bears(stage, 0))),
    WorkerCase::new("W-FZ-02", "mutated frames, second part", SENTENCE, |stage| Box::pin(bears(stage, 1))),
    WorkerCase::new("W-FZ-03", "mutated frames, third part", SENTENCE, |stage| Box::pin(bears(stage, 2))),
    WorkerCase::new("W-FZ-04", "mutated frames, fourth part", SENTENCE, |stage| Box::pin(bears(stage, 3))),
    WorkerCase::new("W-FZ-05", "mutated frames, fifth part", SENTENCE, |stage| Box::pin(bears(stage, 4))),
];

/// What a mutation did to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    GoesOn,
    Gone,
}

async fn bears(stage: &mut WorkerStage, part: u32) -> Result<(), Fault> {
    let total = stage.settings.mutations;
    let mine = total / PARTS + u32::from(part < total % PARTS);
    let mut mutator = Mutator::new(stage.settings.seed.wrapping_add(part.into()));
    let mut effect = Effect::Gone;
    let mut memory = None;
    for number in 1..=mine {
        if effect == Effect::Gone {
            memory = resident_kb(stage.started().await?.pid);
        }
        let mutation = mutator.next(legal);
        effect = bears_one(stage, &mutation, memory).await.map_err(|fault| mutation.blamed(number, fault))?;
    }
    Ok(())
}

async fn bears_one(
    stage: &mut WorkerStage,
    mutation: &Mutation,
    before: Option<u64>,
) -> Result<Effect, Fault> {
    let worker = stage.worker()?;
    worker.peer.send_bytes(&mutation.bytes, &mutation.text).await?;
    let seq = worker.next_seq() + (1 << 40);
    worker.peer.send(&frame(seq, ping())).await?;
    let end = tokio::time::timeout(ANSWER, answer(worker, seq)).await;
    if let (Some(before), Some(after)) = (before, resident_kb(worker.pid))
        && after.saturating_sub(before) > GROWTH_KB
    {
        return Err(failed(format!(
            "it grew from {before} to {after} KiB; a growth of {GROWTH_KB} KiB at most was expected"
        )));
    }
    match end {
        Ok(Ok(Effect::GoesOn)) => return Ok(Effect::GoesOn),
        Ok(Ok(Effect::Gone)) | Err(_) => {}
        Ok(Err(fault)) => return Err(fault),
    }
    stage.close_socket();
    let worker = stage.worker()?;
    worker.peer.hang_up()?;
    worker.ends(ORPHAN + SLACK).await?;
    Ok(Effect::Gone)
}

async fn answer(worker: &mut Worker, seq: u64) -> Result<Effect, Fault> {
    loop {
        match worker.peer.read::<WorkerFrame>().await? {
            Some(heard) if heard.reply_to == seq && matches!(heard.body, Some(Body::Pong(_))) => {
                return Ok(Effect::GoesOn);
            }
            Some(_) => {}
            None => return Ok(Effect::Gone),
        }
    }
}

/// A frame that keeps the rules. Those that end a worker are rare: each costs a start.
fn legal(chance: &mut fastrand::Rng) -> (&'static str, Vec<u8>) {
    let text = "a sentence for people, of some length".to_owned();
    let (name, body) = match chance.u8(..16) {
        0..4 => ("a Ping", master_frame::Body::Ping(Ping {})),
        4..7 => ("an Error", master_frame::Body::Error(Error { code: 6, message: text })),
        7..11 => (
            "a Message",
            master_frame::Body::Message(Message {
                topic: text,
                payload: vec![0; 40].into(),
                scope: 2,
                ..Default::default()
            }),
        ),
        11..13 => ("a Reply", master_frame::Body::Reply(Reply { payload: vec![0xff; 30].into() })),
        13 => ("a Resume", master_frame::Body::Resume(Resume { deadline_ms: 30_000 })),
        14 => ("a Stop", master_frame::Body::Stop(Stop { deadline_ms: 3_000 })),
        _ => ("a Quit", master_frame::Body::Quit(Quit { deadline_ms: 2_000 })),
    };
    let seq = chance.u64(..) >> chance.u32(..64);
    let frame = MasterFrame { seq, expects_reply: seq != 0, body: Some(body), ..Default::default() };
    (name, frame.encode_to_vec())
}

/// What the process has in memory; none if it can't be told.
fn resident_kb(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}
