//! LC: the life of a worker, as its master follows it.

use std::time::Duration;

use drover_proto::latest::{
    ErrorCode, Hello, MasterFrame, Operation, Phase, ShutDown, Started, Stopped, WorkerFrame, master_frame,
    worker_frame::Body,
};

use super::framing::is_answered;
use crate::case::{Fault, failed};
use crate::master::stage::{MasterCase, MasterStage, hello, said, welcome};
use crate::peer::Peer;

const NO_PLACE: &str = "It is logged and counted. The connection and the state stay as they are";

/// How long a master may serve on before it says Stop (`stop.pre_delay`), and until the next Ping of any heartbeat.
const SOON: Duration = Duration::from_secs(15);

pub(super) const CASES: &[MasterCase] = &[
    MasterCase::new("M-LC-01", "Started", "**Started** is said once, when the worker serves.", |stage| {
        Box::pin(takes_it_for_ready(stage))
    }),
    MasterCase::new("M-LC-02", "Started a second time", NO_PLACE, |stage| {
        Box::pin(refuses(stage, Body::Started(Started {})))
    }),
    MasterCase::new("M-LC-03", "Stopped, though nobody said Stop", NO_PLACE, |stage| {
        Box::pin(refuses(stage, Body::Stopped(Stopped {})))
    }),
    MasterCase::new("M-LC-04", "ShutDown, though nobody said Quit", NO_PLACE, |stage| {
        Box::pin(refuses(stage, Body::ShutDown(ShutDown {})))
    }),
    MasterCase::new(
        "M-LC-05",
        "Stop, Stopped, Quit, ShutDown, the end",
        "Say `ShutDown` when everything is released, and exit with 0.",
        |stage| Box::pin(follows_a_whole_life(stage)),
    ),
    MasterCase::new(
        "M-LC-06",
        "Stop, and Started on the way",
        "Frames can cross. The master may not have seen your `Started` when it sends `Quit`, or your `Stopped`.",
        |stage| Box::pin(bears_what_crosses(stage)),
    ),
    MasterCase::new(
        "M-LC-07",
        "Resume",
        "Only a worker with the capability `resume`, which is optional, gets it.",
        |stage| Box::pin(resumes(stage)),
    ),
    MasterCase::new(
        "M-KA-01",
        "a Ping in every interval",
        "**Ping** asks whether the worker is alive, **Pong** answers it with the `seq` of the `Ping` in `reply_to`.",
        |stage| Box::pin(asks_for_signs_of_life(stage)),
    ),
];

async fn takes_it_for_ready(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in, _) = stage.welcomed().await?;
    is_answered(&mut peer).await?;
    if stage.phase_of(&stand_in).await? != Phase::Starting {
        return Err(failed(
            "the worker counts as ready before it has said Started; it was expected to count as starting",
        ));
    }
    peer.send(&said(Body::Started(Started {}))).await?;
    stage.is(&stand_in, Phase::Started).await
}

async fn refuses(stage: &mut MasterStage, body: Body) -> Result<(), Fault> {
    let (mut peer, stand_in) = stage.started().await?;
    peer.send(&WorkerFrame { seq: 5, ..said(body) }).await?;
    loop {
        let heard = heard(&mut peer, "an Error with BAD_STATE").await?;
        match heard.body {
            Some(master_frame::Body::Error(error)) if heard.reply_to == 5 => {
                if error.code() != ErrorCode::BadState {
                    return Err(failed(format!(
                        "it refuses with {:?}; BAD_STATE was expected",
                        error.code()
                    )));
                }
                break;
            }
            _ => {}
        }
    }
    is_answered(&mut peer).await?;
    match stage.phase_of(&stand_in).await? {
        Phase::Started => Ok(()),
        other => Err(failed(format!("the worker counts as {} then; started was expected", other.name()))),
    }
}

async fn follows_a_whole_life(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in) = stage.started().await?;
    stage.operate(Operation::Stop).await?;
    let stop = until(&mut peer, "Stop", |body| matches!(body, master_frame::Body::Stop(_))).await?;
    stage.is(&stand_in, Phase::Stopping).await?;
    peer.send(&WorkerFrame { reply_to: stop, ..said(Body::Stopped(Stopped {})) }).await?;
    let quit = until(&mut peer, "Quit", |body| matches!(body, master_frame::Body::Quit(_))).await?;
    if quit == stop {
        return Err(failed("Stop and Quit have the same seq; one of its own was expected for each"));
    }
    peer.send(&WorkerFrame { reply_to: quit, ..said(Body::ShutDown(ShutDown {})) }).await?;
    stage.release(&stand_in);
    stage.is_ended(&stand_in).await
}

async fn bears_what_crosses(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in, _) = stage.welcomed().await?;
    stage.operate(Operation::Stop).await?;
    // Its end may begin with Stop or, before it was ready, with Quit.
    let seq = until(&mut peer, "Stop or Quit", |body| {
        matches!(body, master_frame::Body::Stop(_) | master_frame::Body::Quit(_))
    })
    .await?;
    peer.send(&WorkerFrame { seq: 5, ..said(Body::Started(Started {})) }).await?;
    is_answered_without(&mut peer, 5).await?;
    let _ = seq;
    stage.release(&stand_in);
    stage.is_ended(&stand_in).await
}

/// All before it was read, and none of it was refused.
async fn is_answered_without(peer: &mut Peer, refused: u64) -> Result<(), Fault> {
    const SEQ: u64 = 99;
    peer.send(&WorkerFrame { seq: SEQ, expects_reply: true, ..Default::default() }).await?;
    loop {
        let heard = heard(peer, "an answer to what was asked").await?;
        match heard.reply_to {
            SEQ => return Ok(()),
            number if number == refused => {
                return Err(failed(
                    "it refuses what has crossed its own frame; it was expected to ignore it",
                ));
            }
            _ => {}
        }
    }
}

async fn resumes(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in) = stage.connected().await?;
    let capabilities = vec!["resume".to_owned()];
    peer.send(&Hello { capabilities, ..hello(&stand_in) }).await?;
    welcome(&mut peer).await?;
    peer.send(&said(Body::Started(Started {}))).await?;
    stage.is(&stand_in, Phase::Started).await?;
    stage.operate(Operation::Suspend).await?;
    let stop = until(&mut peer, "Stop", |body| matches!(body, master_frame::Body::Stop(_))).await?;
    peer.send(&WorkerFrame { reply_to: stop, ..said(Body::Stopped(Stopped {})) }).await?;
    stage.is(&stand_in, Phase::Stopped).await?;
    stage.operate(Operation::Resume).await?;
    let resume = until(&mut peer, "Resume", |body| matches!(body, master_frame::Body::Resume(_))).await?;
    peer.send(&WorkerFrame { reply_to: resume, ..said(Body::Started(Started {})) }).await?;
    stage.is(&stand_in, Phase::Started).await
}

async fn asks_for_signs_of_life(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in, welcome) = stage.welcomed().await?;
    let interval = Duration::from_millis(welcome.heartbeat_interval_ms);
    if interval.is_zero() || interval > SOON {
        return Err(Fault::Skipped(format!("the app's heartbeat comes every {interval:?}")));
    }
    peer.send(&said(Body::Started(Started {}))).await?;
    let mut last = 0;
    for _ in 0..2 {
        let seq = until(&mut peer, "Ping", |body| matches!(body, master_frame::Body::Ping(_))).await?;
        if seq <= last {
            return Err(failed(format!("its Ping has seq {seq}, after {last}; a larger one was expected")));
        }
        last = seq;
        let pong = Body::Pong(drover_proto::latest::Pong {});
        peer.send(&WorkerFrame { reply_to: seq, ..said(pong) }).await?;
    }
    stage.is(&stand_in, Phase::Started).await
}

/// Waits until it says something of this kind, and tells its `seq`.
pub(super) async fn until(
    peer: &mut Peer,
    expected: &str,
    is_it: fn(&master_frame::Body) -> bool,
) -> Result<u64, Fault> {
    let found = async {
        loop {
            match peer.read::<MasterFrame>().await? {
                Some(MasterFrame { seq, body: Some(body), .. }) if is_it(&body) => return Ok(seq),
                Some(_) => {}
                None => return Err(failed(format!("it closed the connection; {expected} was expected"))),
            }
        }
    };
    match tokio::time::timeout(SOON, found).await {
        Ok(found) => found,
        Err(_) => Err(failed(format!("it did not say {expected}, which was expected within {SOON:?}"))),
    }
}

async fn heard(peer: &mut Peer, expected: &str) -> Result<MasterFrame, Fault> {
    let next = peer.next::<MasterFrame>(expected).await?;
    next.ok_or_else(|| failed(format!("it closed the connection; {expected} was expected")))
}
