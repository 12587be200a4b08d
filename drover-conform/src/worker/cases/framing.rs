//! FR: frames.

use drover_proto::frame::FrameLimit;
use drover_proto::latest::{ErrorCode, Limits, Welcome, WorkerFrame, worker_frame::Body};

use super::life::starts_and_answers;
use super::master_death::master_dies;
use crate::case::{Fault, failed};
use crate::frames::{TEXT, framed, header_over, no_message, of_length};
use crate::worker::said::{frame, ping, reply, welcome};
use crate::worker::stage::{WorkerCase, WorkerStage};
use crate::worker::tested::Worker;

/// How many frames come in one write.
const BULK: u64 = 100;

/// A frame limit of a master that has little room.
const SMALL: u32 = 4096;

const READ_ALL: &str = "A stream has no boundaries: read until you have them all.";
const INSIDE: &str = "For a worker, an end inside a frame is an end like any other.";
const CLOSE: &str =
    "an `Error` `BAD_FRAME` if it can be sent, then close. The place of the next frame is unknown";

pub(super) const CASES: &[WorkerCase] = &[
    WorkerCase::new("W-FR-01", "Welcome and what follows, byte by byte", READ_ALL, |stage| {
        Box::pin(reads_single_bytes(stage))
    }),
    WorkerCase::new(
        "W-FR-02",
        "Welcome and a hundred Pings in one write",
        "Several frames may come in one read.",
        |stage| Box::pin(reads_many_frames(stage)),
    ),
    WorkerCase::new("W-FR-03", "the stream ends inside the header of a frame", INSIDE, |stage| {
        Box::pin(takes_a_cut_for_the_end(stage, &[1, 2, 3]))
    }),
    WorkerCase::new("W-FR-04", "the stream ends after the header of a frame", INSIDE, |stage| {
        Box::pin(takes_a_cut_for_the_end(stage, &[4, 5, 6]))
    }),
    WorkerCase::new("W-FR-05", "the stream ends before the last bytes of a frame", INSIDE, |stage| {
        Box::pin(takes_a_cut_for_the_end(stage, &[7, 8, 9]))
    }),
    WorkerCase::new(
        "W-FR-06",
        "a frame at the limit",
        "A frame may be at most 1,114,112 bytes long",
        |stage| Box::pin(takes_the_largest_frame(stage)),
    ),
    WorkerCase::new("W-FR-07", "a frame over the limit", CLOSE, |stage| {
        Box::pin(refuses(
            stage,
            header_over(FrameLimit::WORKER.bytes()),
            "the header of a frame over the limit",
        ))
    }),
    WorkerCase::new(
        "W-FR-08",
        "a frame over the limit that Welcome names",
        "`Welcome.limits.max_frame_bytes` is what counts after the handshake.",
        |stage| Box::pin(keeps_the_limit_of_welcome(stage)),
    ),
    WorkerCase::new(
        "W-FR-09",
        "text instead of a frame",
        "Every limit is below 16 MiB, so the first byte of a frame is 0. Anything else is not a frame",
        |stage| Box::pin(refuses(stage, TEXT.to_vec(), "text")),
    ),
    WorkerCase::new("W-FR-10", "a frame of length 0", "It may be 0: a message with nothing set.", |stage| {
        Box::pin(takes_an_empty_frame(stage))
    }),
    WorkerCase::new("W-FR-11", "bytes that are no message", CLOSE, |stage| {
        Box::pin(refuses(stage, no_message(), "a field without its value"))
    }),
];

async fn reads_single_bytes(stage: &mut WorkerStage) -> Result<(), Fault> {
    let (worker, _) = stage.introduced().await?;
    let seq = worker.next_seq();
    let mut bytes = framed(&reply(welcome()));
    bytes.extend(framed(&frame(seq, ping())));
    worker.peer.send_one_by_one(&bytes, "one byte of Welcome and Ping").await?;
    starts_and_answers(worker, seq).await
}

async fn reads_many_frames(stage: &mut WorkerStage) -> Result<(), Fault> {
    let (worker, _) = stage.introduced().await?;
    let mut bytes = framed(&reply(welcome()));
    let first = worker.next_seq();
    bytes.extend((first..first + BULK).flat_map(|seq| framed(&frame(seq, ping()))));
    worker.peer.send_bytes(&bytes, "Welcome and 100 Pings in one write").await?;
    for seq in first..first + BULK {
        let answer = worker.answer_to(seq, "a Pong").await?;
        if !matches!(answer.body, Some(Body::Pong(_))) {
            return Err(failed(format!(
                "Ping {seq} of {BULK} was answered with something else; a Pong was expected"
            )));
        }
    }
    Ok(())
}

async fn takes_a_cut_for_the_end(stage: &mut WorkerStage, cuts: &[usize]) -> Result<(), Fault> {
    // A Ping of ten bytes: 4 of the header, 4 of seq 300 and expects_reply, 2 of the body.
    let whole = framed(&frame(300, ping()));
    for cut in cuts {
        let cut = (*cut).min(whole.len() - 1);
        let worker = stage.started().await?;
        worker.peer.send_bytes(&whole[..cut], &format!("{cut} of {} bytes of a Ping", whole.len())).await?;
        master_dies(stage).await?;
    }
    Ok(())
}

async fn takes_the_largest_frame(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    let bytes = of_length(FrameLimit::WORKER.bytes());
    worker.peer.send_bytes(&bytes, "an unknown body, as large as a frame may be").await?;
    worker.answers_ping().await.map(drop)
}

async fn keeps_the_limit_of_welcome(stage: &mut WorkerStage) -> Result<(), Fault> {
    let limits = Limits { max_frame_bytes: SMALL, ..welcome().limits.unwrap_or_default() };
    let worker = stage.started_by(Welcome { limits: Some(limits), ..welcome() }).await?;
    worker.peer.send_bytes(&of_length(SMALL), "a frame at the limit").await?;
    worker.answers_ping().await?;
    worker.peer.send_bytes(&header_over(SMALL), "the header of a frame over the limit").await?;
    closes_with_reason(worker).await
}

async fn refuses(stage: &mut WorkerStage, bytes: Vec<u8>, what: &str) -> Result<(), Fault> {
    let worker = stage.started().await?;
    worker.peer.send_bytes(&bytes, what).await?;
    closes_with_reason(worker).await
}

async fn takes_an_empty_frame(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    worker.peer.send_bytes(&[0; 4], "a frame of length 0").await?;
    match worker.answers_ping().await?.into_iter().find(|said| said.reply_to != 0 || is_error(said)) {
        Some(_) => Err(failed("it answered a frame that asks nothing; no answer was expected")),
        None => Ok(()),
    }
}

/// It closes. An Error before that is welcome, if it is the right one.
async fn closes_with_reason(worker: &mut Worker) -> Result<(), Fault> {
    for said in worker.closes().await? {
        if let Some(Body::Error(error)) = &said.body
            && error.code() != ErrorCode::BadFrame
        {
            return Err(failed(format!("it closed with {:?}; BAD_FRAME was expected", error.code())));
        }
    }
    Ok(())
}

const fn is_error(frame: &WorkerFrame) -> bool {
    matches!(frame.body, Some(Body::Error(_)))
}
