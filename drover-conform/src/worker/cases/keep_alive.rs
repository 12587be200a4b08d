//! KA: a Pong for every Ping, in every state.

use drover_proto::latest::{Stopped, worker_frame::Body};

use super::life::starts_and_answers;
use crate::case::{Fault, failed};
use crate::frames::framed;
use crate::worker::client::Client;
use crate::worker::said::{frame, ping, reply, stop, welcome};
use crate::worker::stage::{WorkerCase, WorkerStage};

const BURST: u64 = 1000;

const ANSWERS: &str = "**Ping** asks whether the worker is alive, **Pong** answers it with the `seq` of the `Ping` in `reply_to`.";

pub(super) const CASES: &[WorkerCase] = &[
    WorkerCase::new("W-KA-01", "a Ping that comes with Welcome", ANSWERS, |stage| {
        Box::pin(answers_while_starting(stage))
    }),
    WorkerCase::new("W-KA-02", "Pings while started and when stopped", ANSWERS, |stage| {
        Box::pin(answers_in_its_later_states(stage))
    }),
    WorkerCase::new(
        "W-KA-03",
        "a Ping while a client holds up the drain",
        "Go on answering `Ping` meanwhile.",
        |stage| Box::pin(answers_while_draining(stage)),
    ),
    WorkerCase::new("W-KA-04", "a thousand Pings at once", ANSWERS, |stage| Box::pin(answers_a_burst(stage))),
];

async fn answers_while_starting(stage: &mut WorkerStage) -> Result<(), Fault> {
    let (worker, _) = stage.introduced().await?;
    let seq = worker.next_seq();
    let bytes = [framed(&reply(welcome())), framed(&frame(seq, ping()))].concat();
    worker.peer.send_bytes(&bytes, "Welcome and Ping in one write").await?;
    starts_and_answers(worker, seq).await
}

async fn answers_in_its_later_states(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    for _ in 0..3 {
        worker.answers_ping().await?;
    }
    worker.stops().await?;
    for _ in 0..3 {
        worker.answers_ping().await?;
    }
    Ok(())
}

async fn answers_while_draining(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    let client = Client::begun(worker).await?;
    let stop = worker.ask(stop()).await?;
    let meanwhile = worker.answers_ping().await?;
    drop(client);
    match meanwhile.iter().any(|said| said.body == Some(Body::Stopped(Stopped {}))) {
        // It had nothing to finish, or does not wait for clients.
        true => Ok(()),
        false => worker.says(&Body::Stopped(Stopped {}), stop).await,
    }
}

async fn answers_a_burst(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    let bytes: Vec<u8> = (1..=BURST).flat_map(|seq| framed(&frame(seq, ping()))).collect();
    worker.peer.send_bytes(&bytes, "1000 Pings in one write").await?;
    let mut open: std::collections::BTreeSet<u64> = (1..=BURST).collect();
    while !open.is_empty() {
        let heard = worker.heard("a Pong to every Ping").await?;
        let Some(Body::Pong(_)) = heard.body else { continue };
        if !open.remove(&heard.reply_to) {
            return Err(failed(format!(
                "its Pong answers {}; the number of a Ping without an answer was expected",
                heard.reply_to
            )));
        }
    }
    Ok(())
}
