//! LC: requests that come again, rest and go on, and deadlines of any size.

use drover_proto::latest::{
    ErrorCode, MasterFrame, Quit, Resume, Started, Stop, Stopped, master_frame, worker_frame::Body,
};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::case::{Fault, failed};
use crate::peer::PATIENCE;
use crate::worker::deadlines::{DRAIN, QUIT, SLACK};
use crate::worker::said::{frame, stop};
use crate::worker::stage::{WorkerCase, WorkerStage};
use crate::worker::tested::Worker;

const RESUME: &str = "resume";

/// How often a worker rests and goes on: what a first round leaves behind shows in the second.
const ROUNDS: usize = 3;

const GOES_ON: &str = "**Resume** means: take work again, and say `Started`.";
const LEAVES_AT_ONCE: &str =
    "A worker need not handle SIGTERM from its master: the default action ends it, as it should.";
const NO_PLACE: &str = "It is logged and counted. The connection and the state stay as they are";
const DEADLINE: &str = "`deadline_ms` in `Stop`, `Resume` and `Quit` is how long the master waits from then on. It may be less than in `Welcome`.";

pub(super) const CASES: &[WorkerCase] = &[
    WorkerCase::new("W-LC-20", "Resume after Stopped, three times", GOES_ON, |stage| {
        Box::pin(goes_on(stage))
    })
    .needs(RESUME),
    WorkerCase::new("W-LC-21", "Quit after Resume", GOES_ON, |stage| {
        Box::pin(leaves_after_it_went_on(stage))
    })
    .needs(RESUME),
    WorkerCase::new("W-LC-22", "a second Stop", NO_PLACE, |stage| {
        Box::pin(takes_a_second_stop(stage, false))
    }),
    WorkerCase::new("W-LC-23", "a second Stop that expects a reply", NO_PLACE, |stage| {
        Box::pin(takes_a_second_stop(stage, true))
    }),
    WorkerCase::new("W-LC-24", "deadlines of the largest number", DEADLINE, |stage| {
        Box::pin(lives_by_deadlines(stage, u64::MAX))
    }),
    WorkerCase::new("W-LC-25", "deadlines beyond what a signed number holds", DEADLINE, |stage| {
        Box::pin(lives_by_deadlines(stage, 1 << 63))
    }),
    WorkerCase::new("W-LC-26", "a Quit that leaves no time", DEADLINE, |stage| {
        Box::pin(leaves_in_no_time(stage))
    }),
    WorkerCase::new("W-LC-27", "SIGTERM while started", LEAVES_AT_ONCE, |stage| {
        Box::pin(leaves_at_a_signal(stage, false))
    }),
    WorkerCase::new("W-LC-28", "SIGTERM when stopped", LEAVES_AT_ONCE, |stage| {
        Box::pin(leaves_at_a_signal(stage, true))
    }),
];

async fn goes_on(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    for _ in 0..ROUNDS {
        worker.stops().await?;
        resumes(worker).await?;
        worker.answers_ping().await?;
    }
    worker.stops().await?;
    worker.leaves().await
}

async fn leaves_after_it_went_on(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    worker.stops().await?;
    resumes(worker).await?;
    worker.leaves().await
}

async fn resumes(worker: &mut Worker) -> Result<(), Fault> {
    let deadline_ms = 30_000;
    let seq = worker.ask(master_frame::Body::Resume(Resume { deadline_ms })).await?;
    worker.says(&Body::Started(Started {}), seq).await
}

/// Whether it says Stopped again or that this has no place: it stays, and goes on.
async fn takes_a_second_stop(stage: &mut WorkerStage, expects_reply: bool) -> Result<(), Fault> {
    let worker = stage.started().await?;
    worker.stops().await?;
    let seq = worker.next_seq();
    worker.peer.send(&MasterFrame { expects_reply, ..frame(seq, stop()) }).await?;
    if expects_reply {
        match worker.answer_to(seq, "Stopped or an Error with BAD_STATE").await?.body {
            Some(Body::Stopped(_)) => {}
            Some(Body::Error(error)) if error.code() == ErrorCode::BadState => {}
            _ => {
                return Err(failed(
                    "its answer is neither Stopped nor an Error with BAD_STATE, of which one was expected",
                ));
            }
        }
    }
    worker.answers_ping().await?;
    worker.leaves().await
}

async fn lives_by_deadlines(stage: &mut WorkerStage, deadline_ms: u64) -> Result<(), Fault> {
    let worker = stage.started().await?;
    let seq = worker.ask(master_frame::Body::Stop(Stop { deadline_ms })).await?;
    worker.says(&Body::Stopped(Stopped {}), seq).await?;
    worker.answers_ping().await?;
    worker.ask(master_frame::Body::Quit(Quit { deadline_ms })).await?;
    worker.ends_with_zero(QUIT + SLACK).await
}

/// By the default action or by itself, with whatever code.
async fn leaves_at_a_signal(stage: &mut WorkerStage, is_stopped: bool) -> Result<(), Fault> {
    let worker = stage.started().await?;
    if is_stopped {
        worker.stops().await?;
    }
    let pid = worker.process.pid().and_then(|pid| i32::try_from(pid).ok());
    let Some(pid) = pid else { return Err(failed("it is gone; a worker that stays was expected")) };
    worker.log.remark("SIGTERM");
    // It fails only if the process is gone, which the wait tells.
    let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    match tokio::time::timeout(PATIENCE, worker.process.ended()).await {
        Ok(_) => Ok(()),
        Err(_) => {
            Err(failed(format!("it still runs {PATIENCE:?} after SIGTERM; it was expected to leave at once")))
        }
    }
}

/// What is under way may be lost; but it leaves, and in time.
async fn leaves_in_no_time(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    worker.ask(master_frame::Body::Quit(Quit { deadline_ms: 0 })).await?;
    worker.ends(DRAIN + QUIT + SLACK).await.map(drop)
}
