//! HC: the end of the connection, which is the death of the master.

use std::net::Shutdown;

use crate::case::{Fault, failed};
use crate::frames::framed;
use crate::worker::client::Client;
use crate::worker::deadlines::{ORPHAN, SLACK};
use crate::worker::process::Exit;
use crate::worker::said::{frame, ping, stop};
use crate::worker::stage::{WorkerCase, WorkerStage};

/// How many answers are left unread, so that the end is a reset (unix(7)).
const UNREAD: u64 = 100;

const IN_TIME: &str = "So drain and exit on your own, within `drain_timeout_ms` + `quit_timeout_ms`, whatever hangs: set a timer that ends the process.";
const CLOSES: &str = "**Whoever reads the end of the stream closes at once.**";

pub(super) const CASES: &[WorkerCase] = &[
    WorkerCase::new("W-HC-01", "the master dies while the worker is started", IN_TIME, |stage| {
        Box::pin(follows_its_master(stage))
    }),
    WorkerCase::new(
        "W-HC-02",
        "a worker that gets done exits with 0",
        "Exit with 0 if you finished.",
        |stage| Box::pin(ends_with_success(stage)),
    ),
    WorkerCase::new("W-HC-03", "the master dies while the worker starts", IN_TIME, |stage| {
        Box::pin(follows_while_starting(stage))
    }),
    WorkerCase::new("W-HC-04", "the master dies while a client holds up the drain", IN_TIME, |stage| {
        Box::pin(follows_while_draining(stage))
    }),
    WorkerCase::new("W-HC-05", "the master dies when the worker is stopped", IN_TIME, |stage| {
        Box::pin(follows_when_stopped(stage))
    }),
    WorkerCase::new("W-HC-06", "the master dies with answers unread", IN_TIME, |stage| {
        Box::pin(follows_after_a_reset(stage))
    }),
    WorkerCase::new("W-HC-07", "the master closes its writing half", CLOSES, |stage| {
        Box::pin(closes_after_half_a_close(stage))
    }),
    WorkerCase::new(
        "W-HC-08",
        "the master dies while it holds its breath",
        "Missing the end of the stream, and so outliving the master.",
        |stage| Box::pin(follows_after_silence(stage)),
    ),
];

/// The master's death, with nobody to come back to. The worker follows in time.
pub(super) async fn master_dies(stage: &mut WorkerStage) -> Result<Exit, Fault> {
    stage.close_socket();
    let worker = stage.worker()?;
    worker.peer.hang_up()?;
    worker.ends(ORPHAN + SLACK).await
}

async fn follows_its_master(stage: &mut WorkerStage) -> Result<(), Fault> {
    stage.started().await?;
    master_dies(stage).await.map(drop)
}

async fn ends_with_success(stage: &mut WorkerStage) -> Result<(), Fault> {
    stage.started().await?;
    match master_dies(stage).await?.code() {
        Some(0) => Ok(()),
        Some(code) => {
            Err(failed(format!("it had nothing to finish, and exited with code {code}; 0 was expected")))
        }
        None => Err(failed("it had nothing to finish, and was ended by a signal; exit code 0 was expected")),
    }
}

async fn follows_while_starting(stage: &mut WorkerStage) -> Result<(), Fault> {
    stage.welcomed().await?;
    master_dies(stage).await.map(drop)
}

async fn follows_while_draining(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    let client = Client::begun(worker).await?;
    worker.ask(stop()).await?;
    // It drains: the Stop has been read.
    worker.answers_ping().await?;
    stage.close_socket();
    let worker = stage.worker()?;
    worker.peer.hang_up()?;
    worker.goes(ORPHAN + SLACK).await?;
    drop(client);
    Ok(())
}

async fn follows_when_stopped(stage: &mut WorkerStage) -> Result<(), Fault> {
    stage.started().await?.stops().await?;
    master_dies(stage).await.map(drop)
}

async fn follows_after_a_reset(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    let bytes: Vec<u8> = (1..=UNREAD).flat_map(|seq| framed(&frame(seq, ping()))).collect();
    worker.peer.send_bytes(&bytes, "100 Pings, of which no answer is read").await?;
    // One answer has come, and is not taken.
    let _ = tokio::time::timeout(crate::peer::PATIENCE, worker.peer.stream.readable()).await;
    master_dies(stage).await.map(drop)
}

async fn closes_after_half_a_close(stage: &mut WorkerStage) -> Result<(), Fault> {
    stage.started().await?;
    stage.close_socket();
    let worker = stage.worker()?;
    worker.peer.shut_down(Shutdown::Write)?;
    worker.closes().await?;
    worker.ends(ORPHAN + SLACK).await.map(drop)
}

/// Nothing was said for a while: a worker that looks at its connection only when it is asked something would miss it.
async fn follows_after_silence(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    worker.answers_ping().await?;
    let _ = worker.peer.is_silent(std::time::Duration::from_secs(1)).await;
    master_dies(stage).await.map(drop)
}
