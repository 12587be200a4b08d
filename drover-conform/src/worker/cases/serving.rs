//! LI: the sockets that are handed over, and the clients on them.

use std::ffi::OsString;
use std::net::Shutdown;
use std::time::Duration;

use drover_proto::latest::{Resume, ShutDown, Started, Stopped, master_frame, worker_frame::Body};
use tokio::time::Instant;

use crate::case::{Fault, failed};
use crate::describe::Describe;
use crate::peer::PATIENCE;
use crate::worker::client::{Client, WATCHED};
use crate::worker::deadlines::{AMPLE, ORPHAN, QUIT, SLACK};
use crate::worker::said::{patient_welcome, ping, quit_within, reply, stop_within, welcome};
use crate::worker::sockets::longest_queue;
use crate::worker::stage::{WorkerCase, WorkerStage};
use crate::worker::tested::Worker;

/// How many clients wait at once: more than the backlog that a library asks for by habit (100, 50), and few descriptors.
const QUEUE: usize = 120;

/// How long a worker may look for a successor where nobody holds the socket, which is 1 s, with time for a busy machine.
const LOOKS: Duration = Duration::from_secs(2);

const ACCEPTS: &str = "A started worker accepts on the sockets, a stopping or stopped one does not";
const FINISHES: &str = "take no new work, finish what you have, say `Stopped`, stay alive.";

pub(super) const CASES: &[WorkerCase] = &[
    WorkerCase::new("W-LI-01", "a client is taken and answered", ACCEPTS, |stage| Box::pin(answers(stage))),
    WorkerCase::new("W-LI-02", "a client that comes while the worker drains", ACCEPTS, |stage| {
        Box::pin(takes_nobody_while_draining(stage))
    }),
    WorkerCase::new("W-LI-03", "a client that comes when the worker is stopped", ACCEPTS, |stage| {
        Box::pin(takes_nobody_when_stopped(stage))
    }),
    WorkerCase::new(
        "W-LI-04",
        "the socket of all still listens when a worker is stopped",
        "Do not call `shutdown(2)` on it: that ends the socket for every worker.",
        |stage| Box::pin(leaves_the_socket_alone(stage)),
    ),
    WorkerCase::new(
        "W-LI-05",
        "a hundred and twenty clients wait while the worker is stopped",
        "Do not call `listen(2)` again with a smaller backlog: it holds for every worker.",
        |stage| Box::pin(leaves_the_queue_its_length(stage)),
    ),
    WorkerCase::new(
        "W-LI-06",
        "a client that waits for Resume",
        "**Resume** means: take work again, and say `Started`.",
        |stage| Box::pin(takes_work_again(stage)),
    )
    .needs("resume"),
    WorkerCase::new("W-LI-07", "a request that is under way at Stop", FINISHES, |stage| {
        Box::pin(finishes_at_stop(stage))
    }),
    WorkerCase::new(
        "W-LI-08",
        "a request that is under way at Quit",
        "Without a `Stop` before it, it is one: finish what the time allows.",
        |stage| Box::pin(finishes_at_quit(stage)),
    ),
    WorkerCase::new(
        "W-LI-09",
        "a request that is under way when the master dies",
        "So drain and exit on your own, within `drain_timeout_ms` + `quit_timeout_ms`, whatever hangs",
        |stage| Box::pin(finishes_without_its_master(stage)),
    ),
    WorkerCase::new(
        "W-LI-10",
        "sockets that are for another process",
        "for which process they are. If it is not your own process id, leave them alone",
        |stage| Box::pin(leaves_the_sockets_of_others_alone(stage)),
    ),
];

async fn answers(stage: &mut WorkerStage) -> Result<(), Fault> {
    let mut client = Client::connect(stage.started().await?).await?;
    client.begins().await?;
    client.completes().await;
    client.is_answered().await
}

/// When exactly it ceases is its own matter, as long as it does.
async fn takes_nobody_while_draining(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started_by(patient_welcome()).await?;
    let mut busy = Client::connect(worker).await?;
    busy.begins().await?;
    worker.ask(stop_within(AMPLE)).await?;
    worker.answers_ping().await?;
    let until = Instant::now() + PATIENCE;
    while Client::connect(worker).await?.is_taken().await? {
        if Instant::now() >= until {
            return Err(failed(format!(
                "it still takes clients {PATIENCE:?} after it read the Stop; it was expected to leave them to other workers"
            )));
        }
    }
    Ok(())
}

async fn takes_nobody_when_stopped(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    worker.stops().await?;
    match Client::connect(worker).await?.is_taken().await? {
        true => Err(failed(
            "it took a client after it had said Stopped; the client was expected to wait in the queue",
        )),
        false => Ok(()),
    }
}

/// Whoever connects then waits for another worker.
async fn leaves_the_socket_alone(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    worker.stops().await?;
    if worker.process.shuts_socket(WATCHED).await {
        return Err(failed("the worker shut the socket of all down; one that still listens was expected"));
    }
    Client::connect(worker).await.map(drop)
}

async fn leaves_the_queue_its_length(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    worker.stops().await?;
    let wanted = longest_queue().map_or(QUEUE, |longest| QUEUE.min(longest));
    let mut waiting = Vec::with_capacity(wanted);
    while waiting.len() < wanted {
        match Client::connect(worker).await {
            Ok(client) => waiting.push(client),
            Err(Fault::Failed(why)) => {
                return Err(failed(format!(
                    "only {} clients can wait on its socket, of {wanted} that were expected to: {why}",
                    waiting.len()
                )));
            }
            Err(skipped) => return Err(skipped),
        }
    }
    Ok(())
}

async fn takes_work_again(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    for _ in 0..2 {
        worker.stops().await?;
        let mut client = Client::connect(worker).await?;
        let seq = worker.ask(master_frame::Body::Resume(Resume { deadline_ms: 30_000 })).await?;
        worker.says(&Body::Started(Started {}), seq).await?;
        client.begins().await?;
        client.completes().await;
        client.is_answered().await?;
    }
    Ok(())
}

async fn finishes_at_stop(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started_by(patient_welcome()).await?;
    let seq = finishes_after(worker, stop_within(AMPLE)).await?;
    worker.says(&Body::Stopped(Stopped {}), seq).await
}

async fn finishes_at_quit(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started_by(patient_welcome()).await?;
    let seq = finishes_after(worker, quit_within(AMPLE)).await?;
    worker.says(&Body::ShutDown(ShutDown {}), seq).await?;
    worker.ends_with_zero(QUIT + SLACK).await
}

/// A client has begun a request when the worker is asked to go, and is answered nevertheless.
async fn finishes_after(worker: &mut Worker, body: master_frame::Body) -> Result<u64, Fault> {
    let mut client = Client::connect(worker).await?;
    client.begins().await?;
    let seq = worker.ask(body).await?;
    has_heard_and_goes_on(worker).await?;
    client.completes().await;
    client.is_answered().await?;
    Ok(seq)
}

/// Waits for the Pong behind what was asked last: it has been read then. No request is finished yet.
async fn has_heard_and_goes_on(worker: &mut Worker) -> Result<(), Fault> {
    let seq = worker.ask(ping()).await?;
    loop {
        let said = worker.heard("a Pong").await?;
        match said.body {
            Some(Body::Pong(_)) if said.reply_to == seq => return Ok(()),
            Some(Body::Stopped(_) | Body::ShutDown(_)) => {
                return Err(failed(format!(
                    "it said {} while a request was under way that it had taken; it was expected to finish that first",
                    said.describe()
                )));
            }
            _ => {}
        }
    }
}

/// Only the worker's direction is left open, so that its end tells when the worker has noticed.
async fn finishes_without_its_master(stage: &mut WorkerStage) -> Result<(), Fault> {
    let mut client = Client::connect(stage.started_by(patient_welcome()).await?).await?;
    client.begins().await?;
    stage.close_socket();
    let worker = stage.worker()?;
    worker.peer.shut_down(Shutdown::Write)?;
    worker.closes().await?;
    // It may look for a successor before it drains.
    tokio::time::sleep(LOOKS).await;
    client.completes().await;
    client.is_answered().await?;
    worker.ends(ORPHAN + SLACK).await.map(drop)
}

/// Behind a shell that stays in front, `LISTEN_PID` is the shell's. A worker that can't do without its sockets may leave.
async fn leaves_the_sockets_of_others_alone(stage: &mut WorkerStage) -> Result<(), Fault> {
    if !stage.settings.has_listener {
        return Err(Fault::Skipped("the worker is handed no socket (--no-listener)".to_owned()));
    }
    let shell = ["sh", "-c", "\"$@\"; exit $?", "sh"].map(OsString::from);
    stage.settings.command.splice(0..0, shell);
    stage.log.remark("a shell stays in front of the worker: the sockets are for the shell");
    let Ok((worker, _)) = stage.introduced().await else { return Ok(()) };
    worker.peer.send(&reply(welcome())).await?;
    if worker.becomes_ready().await.is_err() {
        return Ok(());
    }
    match Client::connect(worker).await?.is_taken().await? {
        true => Err(failed(
            "it took a client of a socket that LISTEN_PID gives to another process; it was expected to leave that alone",
        )),
        false => Ok(()),
    }
}
