//! HC: the end of a connection, and its return.

use std::net::Shutdown;

use drover_proto::latest::{
    MasterFrame, Operation, Phase, ShutDown, Started, Stopped, WorkerFrame, master_frame, worker_frame::Body,
};

use super::handshake::back;
use super::life::until;
use crate::case::{Fault, failed};
use crate::frames::unknown;
use crate::master::stage::{MasterCase, MasterStage, StandIn, said};
use crate::peer::Peer;

/// The master may not have seen the end of the first connection yet, and refuse the second: so many tries.
const TRIES: u32 = 50;

pub(super) const CASES: &[MasterCase] = &[
    MasterCase::new(
        "M-HC-01",
        "a worker that comes back with its token",
        "A worker that has started, and was never asked to stop since, says `Started` again, once",
        |stage| Box::pin(takes_it_back(stage)),
    ),
    MasterCase::new(
        "M-HC-02",
        "a Stop is open when the connection is lost",
        "A `Stop` or `Quit` that is still open comes again, with what is left of its time.",
        |stage| Box::pin(says_it_again(stage)),
    ),
    MasterCase::new(
        "M-HC-03",
        "the worker closes its writing half",
        "**Whoever reads the end of the stream closes at once.**",
        |stage| Box::pin(closes_after_half_a_close(stage)),
    ),
    MasterCase::new(
        "M-HC-04",
        "a worker that does not come back",
        "A worker that was ready has 5 s to come back with its token, then it gets SIGTERM.",
        |stage| Box::pin(ends_who_does_not_return(stage)),
    ),
];

async fn takes_it_back(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in) = stage.started().await?;
    peer.hang_up()?;
    let mut peer = comes_back(stage, &stand_in).await?;
    peer.send(&said(Body::Started(Started {}))).await?;
    peer.send_bytes(&unknown(7, true, false), "an unknown body").await?;
    // Whatever it says to that Started comes before this answer.
    while let Some(heard) = peer.next::<MasterFrame>("an answer").await? {
        match heard.body {
            _ if heard.reply_to == 7 => return stage.is(&stand_in, Phase::Started).await,
            Some(master_frame::Body::Error(error)) => {
                return Err(failed(format!("it answered the Started that is said again: {}", error.message)));
            }
            _ => {}
        }
    }
    Err(failed("it closed the connection after the Started that is said again"))
}

async fn says_it_again(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in) = stage.started().await?;
    stage.operate(Operation::Stop).await?;
    until(&mut peer, "Stop", |body| matches!(body, master_frame::Body::Stop(_))).await?;
    peer.hang_up()?;
    let mut peer = comes_back(stage, &stand_in).await?;
    let stop = until(&mut peer, "Stop", |body| matches!(body, master_frame::Body::Stop(_))).await?;
    peer.send(&WorkerFrame { reply_to: stop, ..said(Body::Stopped(Stopped {})) }).await?;
    let quit = until(&mut peer, "Quit", |body| matches!(body, master_frame::Body::Quit(_))).await?;
    peer.send(&WorkerFrame { reply_to: quit, ..said(Body::ShutDown(ShutDown {})) }).await?;
    stage.release(&stand_in);
    stage.is_ended(&stand_in).await
}

async fn closes_after_half_a_close(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, _) = stage.started().await?;
    peer.shut_down(Shutdown::Write)?;
    while peer.next::<MasterFrame>("the end of the connection").await?.is_some() {}
    Ok(())
}

async fn ends_who_does_not_return(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in) = stage.started().await?;
    peer.hang_up()?;
    stage.is_ended(&stand_in).await
}

async fn comes_back(stage: &MasterStage, stand_in: &StandIn) -> Result<Peer, Fault> {
    let mut last = failed("it was never tried");
    for _ in 0..TRIES {
        match back(stage, stand_in).await {
            Ok(peer) => return Ok(peer),
            Err(fault) => last = fault,
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Err(last)
}
