//! LC: the life of a worker, message by message.

use std::time::Duration;

use drover_proto::latest::{ShutDown, Stopped, worker_frame::Body};

use crate::case::{Fault, failed};
use crate::frames::framed;
use crate::worker::client::Client;
use crate::worker::deadlines::{QUIT, SLACK};
use crate::worker::said::{frame, quit, reply, stop, welcome};
use crate::worker::stage::{WorkerCase, WorkerStage};
use crate::worker::tested::Worker;

/// How many Pings follow Started, after each of which nothing else may have come.
const LOOKS: usize = 5;

const STOP: &str = "take no new work, finish what you have, say `Stopped`, stay alive.";
const EARLY_STOP: &str =
    "A `Stop` that comes before `Started` is answered by `Stopped` too, and `Started` is not said any more.";
const QUIT_SAYS: &str = "Say `ShutDown` when everything is released, and exit with 0.";
const ANY_STATE: &str = "**Quit** means: leave. It may come in any state.";

pub(super) const CASES: &[WorkerCase] = &[
    WorkerCase::new(
        "W-LC-01",
        "Started, once",
        "**Started** is said once, when the worker serves.",
        |stage| Box::pin(says_started_once(stage)),
    ),
    WorkerCase::new("W-LC-02", "Stop, and the worker stays", STOP, |stage| {
        Box::pin(stays_when_stopped(stage))
    }),
    WorkerCase::new("W-LC-03", "a Stop that comes with Welcome", EARLY_STOP, |stage| {
        Box::pin(stops_before_it_has_started(stage))
    }),
    WorkerCase::new("W-LC-04", "Stop, Quit, the end", QUIT_SAYS, |stage| Box::pin(lives_a_whole_life(stage))),
    WorkerCase::new(
        "W-LC-05",
        "Quit without Stop",
        "Without a `Stop` before it, it is one: finish what the time allows.",
        |stage| Box::pin(quits_at_once(stage)),
    ),
    WorkerCase::new("W-LC-06", "a Quit that comes with Stop", ANY_STATE, |stage| {
        Box::pin(quits_right_after_stop(stage))
    }),
    WorkerCase::new("W-LC-07", "a Quit while a client holds up the drain", ANY_STATE, |stage| {
        Box::pin(quits_while_draining(stage))
    }),
    WorkerCase::new("W-LC-08", "a Quit that comes with Welcome", ANY_STATE, |stage| {
        Box::pin(quits_before_it_has_started(stage))
    }),
];

async fn says_started_once(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    for _ in 0..LOOKS {
        let said = worker.answers_ping().await?;
        if said.iter().any(|said| matches!(said.body, Some(Body::Started(_)))) {
            return Err(failed("it said Started a second time; once was expected"));
        }
    }
    Ok(())
}

async fn stays_when_stopped(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    worker.stops().await?;
    worker.answers_ping().await?;
    match tokio::time::timeout(Duration::from_millis(300), worker.process.ended()).await {
        Ok(exit) => Err(failed(format!("it {exit}, though nobody had said Quit; it was expected to stay"))),
        Err(_) => worker.answers_ping().await.map(drop),
    }
}

/// Its Started may be on the way already; behind Stopped it has no place.
async fn stops_before_it_has_started(stage: &mut WorkerStage) -> Result<(), Fault> {
    let (worker, _) = stage.introduced().await?;
    let seq = worker.next_seq();
    let bytes = [framed(&reply(welcome())), framed(&frame(seq, stop()))].concat();
    worker.peer.send_bytes(&bytes, "Welcome and Stop in one write").await?;
    worker.says(&Body::Stopped(Stopped {}), seq).await?;
    let said = worker.answers_ping().await?;
    match said.iter().any(|said| matches!(said.body, Some(Body::Started(_)))) {
        true => Err(failed("it said Started after Stopped; nothing was expected to follow")),
        false => worker.leaves().await,
    }
}

async fn lives_a_whole_life(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    worker.stops().await?;
    worker.leaves().await
}

async fn quits_at_once(stage: &mut WorkerStage) -> Result<(), Fault> {
    stage.started().await?.leaves().await
}

async fn quits_right_after_stop(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    let (first, second) = (worker.next_seq(), worker.next_seq());
    let bytes = [framed(&frame(first, stop())), framed(&frame(second, quit()))].concat();
    worker.peer.send_bytes(&bytes, "Stop and Quit in one write").await?;
    left(worker, second).await
}

async fn quits_while_draining(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    let client = Client::begun(worker).await?;
    worker.ask(stop()).await?;
    worker.answers_ping().await?;
    let seq = worker.ask(quit()).await?;
    // How long a worker waits for a client is its own matter; that it has heard the Quit shows once nothing holds it up.
    drop(client);
    left(worker, seq).await
}

async fn quits_before_it_has_started(stage: &mut WorkerStage) -> Result<(), Fault> {
    let (worker, _) = stage.introduced().await?;
    let seq = worker.next_seq();
    let bytes = [framed(&reply(welcome())), framed(&frame(seq, quit()))].concat();
    worker.peer.send_bytes(&bytes, "Welcome and Quit in one write").await?;
    left(worker, seq).await
}

async fn left(worker: &mut Worker, quit: u64) -> Result<(), Fault> {
    worker.says(&Body::ShutDown(ShutDown {}), quit).await?;
    worker.ends_with_zero(QUIT + SLACK).await
}

/// Waits for Started and a Ping's answer, in any order.
pub(super) async fn starts_and_answers(worker: &mut Worker, seq: u64) -> Result<(), Fault> {
    let before = worker.becomes_ready().await?;
    match before.iter().any(|said| said.reply_to == seq && matches!(said.body, Some(Body::Pong(_)))) {
        true => Ok(()),
        false => worker.answer_to(seq, "a Pong").await.map(drop),
    }
}
