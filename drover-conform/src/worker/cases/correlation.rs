//! RQ: which answer belongs to which request.

use std::collections::BTreeMap;

use drover_proto::latest::{Pong, ShutDown, Stopped, WorkerFrame, worker_frame::Body};

use crate::case::{Fault, failed};
use crate::worker::said::{frame, ping, quit, stop};
use crate::worker::stage::{WorkerCase, WorkerStage};

const COPY: &str = "Copy the `seq` you received into the `reply_to` of your answer, also when it is 0.";
const BITS: &str = "`seq` has 64 bits. Copy it into `reply_to` as your library gave it to you, be it a number, a `Long` or a `BigInt`.";

pub(super) const CASES: &[WorkerCase] = &[
    WorkerCase::new("W-RQ-01", "numbers beyond what a double holds", BITS, |stage| {
        Box::pin(copies_numbers(stage, &[(1 << 53) + 1, (1 << 62) + 3]))
    }),
    WorkerCase::new("W-RQ-02", "numbers beyond what a signed number holds", BITS, |stage| {
        Box::pin(copies_numbers(stage, &[(1 << 63) + 1, u64::MAX]))
    }),
    WorkerCase::new("W-RQ-03", "a large number, in Stop and Quit", COPY, |stage| {
        Box::pin(copies_them_all_its_life(stage))
    }),
    WorkerCase::new("W-RQ-04", "numbers in no order", COPY, |stage| {
        Box::pin(copies_numbers(stage, &[7, 3, 1000, 128, 127, 5, 16_384]))
    }),
    WorkerCase::new("W-RQ-05", "Stop without a number", COPY, |stage| {
        Box::pin(answers_without_a_number(stage))
    }),
    WorkerCase::new(
        "W-RQ-06",
        "each request is answered once",
        "A request has exactly one answer.",
        |stage| Box::pin(answers_once(stage)),
    ),
];

/// Answers of workers that read by several threads may come in any order.
async fn copies_numbers(stage: &mut WorkerStage, numbers: &[u64]) -> Result<(), Fault> {
    let worker = stage.started().await?;
    for seq in numbers {
        worker.peer.send(&frame(*seq, ping())).await?;
    }
    let mut open = numbers.to_vec();
    while !open.is_empty() {
        let heard = worker.heard("a Pong to each Ping").await?;
        let Some(Body::Pong(_)) = heard.body else { continue };
        match open.iter().position(|seq| *seq == heard.reply_to) {
            Some(at) => drop(open.remove(at)),
            None => {
                return Err(failed(format!(
                    "its Pong answers {}; one of {open:?} was expected",
                    heard.reply_to
                )));
            }
        }
    }
    Ok(())
}

async fn copies_them_all_its_life(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    let (first, second) = ((1 << 63) + 5, (1 << 63) + 9);
    worker.peer.send(&frame(first, stop())).await?;
    worker.says(&Body::Stopped(Stopped {}), first).await?;
    worker.peer.send(&frame(second, quit())).await?;
    worker.says(&Body::ShutDown(ShutDown {}), second).await
}

async fn answers_without_a_number(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    worker.peer.send(&frame(0, stop())).await?;
    worker.says(&Body::Stopped(Stopped {}), 0).await?;
    worker.leaves().await
}

async fn answers_once(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    let mut asked = Vec::new();
    for body in [ping(), ping(), stop(), ping()] {
        asked.push(worker.ask(body).await?);
    }
    let mut answers = BTreeMap::<u64, usize>::new();
    let mut count = |frame: &WorkerFrame| *answers.entry(frame.reply_to).or_default() += 1;
    // Stopped may come behind the last Pong: a drain takes its time.
    let mut is_stopped = false;
    while !is_stopped {
        let heard = worker.heard("Stopped").await?;
        is_stopped = matches!(heard.body, Some(Body::Stopped(_)));
        count(&heard);
    }
    asked.push(worker.ask(quit()).await?);
    while let Some(heard) = worker.peer.next::<WorkerFrame>("ShutDown, and the end,").await? {
        count(&heard);
        if heard.body == Some(Body::Pong(Pong {})) && !asked.contains(&heard.reply_to) {
            return Err(failed(format!(
                "its Pong answers {}, which nobody asked; the number of a Ping was expected",
                heard.reply_to
            )));
        }
    }
    for seq in asked {
        let count = answers.get(&seq).copied().unwrap_or(0);
        if count != 1 {
            return Err(failed(format!("frame {seq} was answered {count} times; once was expected")));
        }
    }
    Ok(())
}
