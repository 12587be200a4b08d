//! BP: a master that does not read for a while.

use std::time::Duration;

use drover_proto::latest::{WorkerFrame, worker_frame::Body};
use tokio::io::AsyncWriteExt;

use crate::case::{Fault, failed};
use crate::frames::framed;
use crate::transcript::Who;
use crate::worker::said::{frame, ping};
use crate::worker::stage::{WorkerCase, WorkerStage};

/// How many Pings are asked before the first answer is read: the answers are more than a socket's buffer holds (some 200
/// KiB, of which the kernel takes a part for itself).
const FLOOD: u64 = 20_000;

/// How long nothing is read.
const DEAF: Duration = Duration::from_millis(1500);

pub(super) const CASES: &[WorkerCase] = &[WorkerCase::new(
    "W-BP-01",
    "the master does not read for 1.5 s",
    "Both sides read and write independently: a side that only reads once its write is through, and a peer that does the same, wait for each other for ever.",
    |stage| Box::pin(outlives_a_deaf_master(stage)),
)];

/// Where its writes are held up it may cease to read; once the master reads again, nothing may be missing.
async fn outlives_a_deaf_master(stage: &mut WorkerStage) -> Result<(), Fault> {
    let log = stage.log.clone();
    let worker = stage.started().await?;
    let bytes: Vec<u8> = (1..=FLOOD).flat_map(|seq| framed(&frame(seq, ping()))).collect();
    log.add(Who::Drover, &bytes, bytes.len(), &format!("{FLOOD} Pings, and nothing is read"));
    let mut written = 0;
    let deaf = async {
        while written < bytes.len() {
            match worker.peer.stream.write(&bytes[written..]).await {
                Ok(count) => written += count,
                Err(error) => {
                    return Err(failed(format!(
                        "it closed the connection, {error}; {FLOOD} Pongs were expected"
                    )));
                }
            }
        }
        // All was taken; the answers wait.
        std::future::pending::<Result<(), Fault>>().await
    };
    if let Ok(Err(fault)) = tokio::time::timeout(DEAF, deaf).await {
        return Err(fault);
    }
    log.remark(&format!("it has taken {written} of {} bytes; now the master reads", bytes.len()));
    let mut answered = 0;
    while answered < FLOOD {
        // What it did not take yet goes as the answers come.
        if written < bytes.len() {
            match worker.peer.stream.try_write(&bytes[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    return Err(failed(format!(
                        "it closed the connection, {error}; {FLOOD} Pongs were expected"
                    )));
                }
            }
        }
        let heard = worker.peer.next::<WorkerFrame>("a Pong").await.map_err(|fault| match fault {
            Fault::Failed(why) => failed(format!("{why}, after {answered} of {FLOOD} Pongs")),
            other => other,
        })?;
        match heard {
            Some(heard) if matches!(heard.body, Some(Body::Pong(_))) => answered += 1,
            Some(_) => {}
            None => {
                return Err(failed(format!(
                    "it closed the connection after {answered} Pongs; {FLOOD} were expected"
                )));
            }
        }
    }
    worker.leaves().await
}
