//! FR: frames.

use drover_proto::frame::FrameLimit;
use drover_proto::latest::{
    ErrorCode, MasterFrame, Phase, Started, Status, master_frame, worker_frame::Body,
};

use crate::case::{Fault, failed};
use crate::frames::{TEXT, framed, header_over, no_message, of_length};
use crate::master::stage::{MasterCase, MasterStage, hello, said, welcome};
use crate::peer::Peer;

/// How many frames come in one write.
const BULK: u64 = 1000;

const ENDS: &str =
    "A master that can't decode what a worker sends closes the connection and ends the worker by SIGTERM.";

pub(super) const CASES: &[MasterCase] = &[
    MasterCase::new(
        "M-FR-01",
        "Hello, byte by byte",
        "A stream has no boundaries: read until you have them all.",
        |stage| Box::pin(reads_single_bytes(stage)),
    ),
    MasterCase::new(
        "M-FR-02",
        "Started and a thousand Statuses in one write",
        "Several frames may come in one read.",
        |stage| Box::pin(reads_many_frames(stage)),
    ),
    MasterCase::new(
        "M-FR-03",
        "a frame at the limit",
        "A frame may be at most 1,114,112 bytes long",
        |stage| Box::pin(takes_the_largest_frame(stage)),
    ),
    MasterCase::new("M-FR-04", "a frame over the limit", ENDS, |stage| {
        Box::pin(ends(stage, header_over(FrameLimit::WORKER.bytes())))
    }),
    MasterCase::new("M-FR-05", "text instead of a frame", ENDS, |stage| Box::pin(ends(stage, TEXT.to_vec()))),
    MasterCase::new("M-FR-06", "bytes that are no message", ENDS, |stage| {
        Box::pin(ends(stage, no_message()))
    }),
    MasterCase::new("M-FR-07", "a frame of length 0", "It may be 0: a message with nothing set.", |stage| {
        Box::pin(takes_an_empty_frame(stage))
    }),
];

async fn reads_single_bytes(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in) = stage.connected().await?;
    peer.send_one_by_one(&framed(&hello(&stand_in)), "one byte of Hello").await?;
    welcome(&mut peer).await.map(drop)
}

async fn reads_many_frames(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in, _) = stage.welcomed().await?;
    let mut bytes = framed(&said(Body::Started(Started {})));
    for number in 1..=BULK {
        let status = Status {
            text: format!("status {number}"),
            in_flight: number,
            requests: number,
            gauges: Vec::new(),
        };
        bytes.extend(framed(&said(Body::Status(status))));
    }
    peer.send_bytes(&bytes, "Started and 1000 Statuses in one write").await?;
    stage.is(&stand_in, Phase::Started).await?;
    is_answered(&mut peer).await
}

async fn takes_the_largest_frame(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, _) = stage.started().await?;
    let bytes = of_length(FrameLimit::WORKER.bytes());
    peer.send_bytes(&bytes, "an unknown body, as large as a frame may be").await?;
    is_answered(&mut peer).await
}

async fn ends(stage: &mut MasterStage, bytes: Vec<u8>) -> Result<(), Fault> {
    let (mut peer, stand_in) = stage.started().await?;
    peer.send_bytes(&bytes, "what is not a frame").await?;
    while let Some(heard) = peer.next::<MasterFrame>("the end of the connection").await? {
        if let Some(master_frame::Body::Error(error)) = &heard.body
            && error.code() != ErrorCode::BadFrame
        {
            return Err(failed(format!("it closes with {:?}; BAD_FRAME was expected", error.code())));
        }
    }
    stage.is_ended(&stand_in).await
}

async fn takes_an_empty_frame(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, _) = stage.started().await?;
    peer.send_bytes(&[0; 4], "a frame of length 0").await?;
    is_answered(&mut peer).await
}

/// Asks something that nobody knows, and waits for the Error: all before it has been read then.
pub(super) async fn is_answered(peer: &mut Peer) -> Result<(), Fault> {
    const SEQ: u64 = (1 << 63) + 77;
    let frame = drover_proto::latest::WorkerFrame { seq: SEQ, expects_reply: true, ..Default::default() };
    peer.send(&frame).await?;
    loop {
        match peer.next::<MasterFrame>("an Error with UNIMPLEMENTED").await? {
            Some(heard) if heard.reply_to == SEQ => return Ok(()),
            Some(_) => {}
            None => return Err(failed("it closed the connection; that it goes on was expected")),
        }
    }
}
