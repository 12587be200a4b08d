//! FW: what a worker of a later age may send.

use drover_proto::latest::{Error, ErrorCode, MasterFrame, WorkerFrame, master_frame, worker_frame::Body};

use super::framing::is_answered;
use super::handshake::is_closed;
use crate::case::{Fault, failed};
use crate::frames::unknown;
use crate::master::stage::{MasterCase, MasterStage, said};
use crate::peer::Peer;

pub(super) const CASES: &[MasterCase] = &[
    MasterCase::new("M-FW-01", "an unknown body", "| no | no | ignore it |", |stage| {
        Box::pin(ignores_an_unknown_body(stage))
    }),
    MasterCase::new(
        "M-FW-02",
        "an unknown body that expects a reply",
        "| no | yes | answer with `Error`, code `UNIMPLEMENTED` |",
        |stage| Box::pin(refuses_an_unknown_request(stage)),
    ),
    MasterCase::new(
        "M-FW-03",
        "an unknown body that must be understood",
        "| yes | either | close the connection |",
        |stage| Box::pin(closes_at_what_it_must_understand(stage)),
    ),
    MasterCase::new(
        "M-FW-04",
        "an Error, and one with an unknown code",
        "An answer is never answered, and an `Error` never is.",
        |stage| Box::pin(bears_errors(stage)),
    ),
    MasterCase::new(
        "M-FW-05",
        "a number of 64 bits",
        "Copy the `seq` you received into the `reply_to` of your answer, also when it is 0.",
        |stage| Box::pin(copies_numbers(stage)),
    ),
];

async fn ignores_an_unknown_body(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, _) = stage.started().await?;
    peer.send_bytes(&unknown(7, false, false), "an unknown body").await?;
    peer.send_bytes(&unknown(0, false, false), "an unknown body").await?;
    is_answered(&mut peer).await
}

async fn refuses_an_unknown_request(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, _) = stage.started().await?;
    peer.send_bytes(&unknown(7, true, false), "an unknown body").await?;
    match answer_to(&mut peer, 7).await? {
        Some(master_frame::Body::Error(error)) if error.code() == ErrorCode::Unimplemented => {
            is_answered(&mut peer).await
        }
        _ => Err(failed("it answers with something else; an Error with UNIMPLEMENTED was expected")),
    }
}

async fn closes_at_what_it_must_understand(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, _) = stage.started().await?;
    peer.send_bytes(&unknown(7, false, true), "an unknown body").await?;
    loop {
        match peer.next::<MasterFrame>("the end of the connection").await? {
            Some(_) => {}
            None => return is_closed(&mut peer).await,
        }
    }
}

async fn bears_errors(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, _) = stage.started().await?;
    for code in [ErrorCode::Failed.into(), 4711] {
        let error = Error { code, message: "nothing to worry about".to_owned() };
        let frame = said(Body::Error(error));
        peer.send(&WorkerFrame { seq: 9, reply_to: 4_242, expects_reply: true, ..frame }).await?;
    }
    is_answered(&mut peer).await
}

async fn copies_numbers(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, _) = stage.started().await?;
    for seq in [(1 << 53) + 1, (1 << 63) + 1, u64::MAX] {
        peer.send_bytes(&unknown(seq, true, false), "an unknown body").await?;
        answer_to(&mut peer, seq).await?;
    }
    Ok(())
}

async fn answer_to(peer: &mut Peer, seq: u64) -> Result<Option<master_frame::Body>, Fault> {
    loop {
        match peer.next::<MasterFrame>("an Error with UNIMPLEMENTED").await? {
            Some(heard) if heard.reply_to == seq => return Ok(heard.body),
            Some(_) => {}
            None => return Err(failed("it closed the connection; an Error with UNIMPLEMENTED was expected")),
        }
    }
}
