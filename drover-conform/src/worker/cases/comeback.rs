//! RC: a connection that is lost, and the successor of the master. A worker need not come back: one that drains at once has these cases
//! skipped.

use std::time::Duration;

use drover_proto::latest::{
    Hello, HelloReply, MasterFrame, Reject, RejectCode, ShutDown, Stopped, Subscribe, Welcome, WorkerFrame,
    hello_reply, master_frame, worker_frame::Body,
};

use super::requests::{self, BUS, ECHO};
use super::sending::{ASK, SUBSCRIBE};
use crate::case::{Fault, failed};
use crate::worker::client::Client;
use crate::worker::deadlines::{AMPLE, DRAIN, ORPHAN, QUIT, SLACK};
use crate::worker::said::{patient_welcome, quit_within, stop_within};
use crate::worker::stage::{WorkerCase, WorkerStage};
use crate::worker::tested::Worker;

/// For how long one master after the other dies at once, and how many times a worker may knock in this time: it pauses up to 200 ms.
const DYING: Duration = Duration::from_secs(1);
const KNOCKS: u32 = 50;

/// How long nobody accepts: longer than a worker looks for somebody who holds the socket.
const NOBODY: Duration = Duration::from_secs(2);

/// The topic that is subscribed to.
const TOPIC: &str = "kept over the end of a connection";

const SAID_AGAIN: &str =
    "A worker that has started, and was never asked to stop since, says `Started` again, once";
const THE_SAME: &str =
    "connect to `DROVER_SOCKET` as the first time, with the same `Hello` and the same token.";
const AGAIN: &str =
    "A `Stop` or `Quit` that is still open comes again, with what is left of its time. So does a `Resume`.";
const NO_SECOND: &str = "It is not a second request: a worker that drains does not begin anew.";

pub(super) const CASES: &[WorkerCase] = &[
    WorkerCase::new("W-RC-01", "the connection is lost, and there is a successor", SAID_AGAIN, |stage| {
        Box::pin(goes_on(stage))
    }),
    WorkerCase::new("W-RC-02", "connections are lost one after the other", THE_SAME, |stage| {
        Box::pin(comes_back_again_and_again(stage))
    }),
    WorkerCase::new(
        "W-RC-03",
        "a client has a request under way when the connection is lost",
        "Clients notice nothing.",
        |stage| Box::pin(keeps_its_clients(stage)),
    ),
    WorkerCase::new("W-RC-04", "the connection is lost while the worker drains", NO_SECOND, |stage| {
        Box::pin(drains_on(stage))
    }),
    WorkerCase::new("W-RC-05", "the connection is lost when the worker has drained", AGAIN, |stage| {
        Box::pin(answers_again(stage))
    }),
    WorkerCase::new(
        "W-RC-06",
        "a successor dies before its Welcome, and so do others",
        "connect again, after the same pauses",
        |stage| Box::pin(bears_successors_that_die(stage)),
    ),
    WorkerCase::new(
        "W-RC-07",
        "nobody accepts for 2 s",
        "somebody holds the socket, and a successor of the master will accept. That may take a while",
        |stage| Box::pin(waits_for_a_successor(stage)),
    ),
    WorkerCase::new("W-RC-08", "a successor refuses the worker", "final: drain and exit", |stage| {
        Box::pin(leaves_when_refused(stage))
    }),
    WorkerCase::new(
        "W-RC-09",
        "nobody ever accepts",
        "the grace is over, counted from the end of the connection that was lost",
        |stage| Box::pin(gives_up(stage)),
    ),
    requests::case(
        "W-RC-10",
        "a subscription, and a connection that is lost",
        "say the window and each `Subscribe` again, before `Started`",
        |stage| Box::pin(subscribes_again(stage)),
    ),
    requests::case(
        "W-RC-11",
        "a request that is under way when the connection is lost",
        "and forget those you were asked, whose askers have been told `FAILED`",
        |stage| Box::pin(forgets_requests(stage)),
    ),
];

async fn goes_on(stage: &mut WorkerStage) -> Result<(), Fault> {
    stage.started_by(patient_welcome()).await?;
    let worker = stage.comes_back(patient_welcome()).await?;
    let said = worker.answers_ping().await?;
    let started = said.iter().filter(|frame| matches!(frame.body, Some(Body::Started(_)))).count();
    if started != 1 {
        return Err(failed(format!(
            "it said Started {started} times on the new connection; once was expected"
        )));
    }
    drains_and_leaves(worker).await
}

async fn comes_back_again_and_again(stage: &mut WorkerStage) -> Result<(), Fault> {
    stage.started_by(patient_welcome()).await?;
    for _ in 0..3 {
        let worker = stage.comes_back(patient_welcome()).await?;
        worker.answers_ping().await?;
    }
    drains_and_leaves(stage.worker()?).await
}

/// That it comes back at all is seen before: a client holds up a drain.
async fn has_come_back(stage: &mut WorkerStage) -> Result<&mut Worker, Fault> {
    stage.started_by(patient_welcome()).await?;
    let worker = stage.comes_back(patient_welcome()).await?;
    worker.answers_ping().await?;
    Ok(worker)
}

async fn keeps_its_clients(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = has_come_back(stage).await?;
    let mut client = Client::connect(worker).await?;
    client.begins().await?;
    stage.comes_back(patient_welcome()).await?.answers_ping().await?;
    client.completes().await;
    client.is_answered().await?;
    let mut next = Client::connect(stage.worker()?).await?;
    next.begins().await?;
    next.completes().await;
    next.is_answered().await
}

async fn drains_on(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = has_come_back(stage).await?;
    let Some(mut client) = Client::begun(worker).await? else {
        return Err(Fault::Skipped("no client can hold up its drain (--no-listener)".to_owned()));
    };
    worker.ask(stop_within(AMPLE)).await?;
    worker.answers_ping().await?;
    let worker = stage.comes_back(patient_welcome()).await?;
    let seq = worker.ask(stop_within(AMPLE)).await?;
    let said = worker.answers_ping().await?;
    if said.iter().any(|frame| matches!(frame.body, Some(Body::Stopped(_)))) {
        return Err(failed(
            "it said Stopped while a client waits for its answer; that it drains on was expected",
        ));
    }
    client.completes().await;
    client.is_answered().await?;
    worker.says(&Body::Stopped(Stopped {}), seq).await?;
    leaves(worker).await
}

async fn answers_again(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = has_come_back(stage).await?;
    worker.stops().await?;
    // As if that answer had been lost.
    let worker = stage.comes_back(patient_welcome()).await?;
    let seq = worker.ask(stop_within(AMPLE)).await?;
    worker.says(&Body::Stopped(Stopped {}), seq).await?;
    leaves(worker).await
}

async fn bears_successors_that_die(stage: &mut WorkerStage) -> Result<(), Fault> {
    has_come_back(stage).await?.peer.hang_up()?;
    let mut knocks = 0;
    let dying = async {
        loop {
            drop(stage.next_connection(AMPLE).await?);
            knocks += 1;
        }
    };
    let knocked: Result<Result<(), Fault>, _> = tokio::time::timeout(DYING, dying).await;
    if let Ok(Err(fault)) = knocked {
        return Err(fault);
    }
    if knocks > KNOCKS {
        return Err(failed(format!(
            "it connected {knocks} times within {DYING:?}; pauses of up to 200 ms were expected"
        )));
    }
    let worker = stage.comes_back(patient_welcome()).await?;
    worker.answers_ping().await?;
    leaves(worker).await
}

async fn waits_for_a_successor(stage: &mut WorkerStage) -> Result<(), Fault> {
    has_come_back(stage).await?.peer.hang_up()?;
    tokio::time::sleep(NOBODY).await;
    let worker = stage.comes_back(patient_welcome()).await?;
    worker.answers_ping().await?;
    leaves(worker).await
}

async fn leaves_when_refused(stage: &mut WorkerStage) -> Result<(), Fault> {
    stage.started().await?.peer.hang_up()?;
    let mut peer = stage.next_connection(AMPLE).await?;
    peer.next::<Hello>("Hello").await?;
    let reject = Reject {
        code: RejectCode::UnknownToken.into(),
        message: "the token belongs to no living worker".to_owned(),
        min_version: 1,
        max_version: 1,
    };
    peer.send(&HelloReply { reply: Some(hello_reply::Reply::Reject(reject)) }).await?;
    drop(peer);
    stage.worker()?.goes(ORPHAN + SLACK).await.map(drop)
}

async fn gives_up(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started().await?;
    worker.peer.hang_up()?;
    // Until it gives up, and as long again to drain.
    worker.goes((DRAIN + QUIT) * 2 + SLACK).await.map(drop)
}

/// The Welcome of a patient master that carries messages.
fn carrying() -> Welcome {
    Welcome { capabilities: vec![BUS.to_owned(), "app".to_owned()], ..patient_welcome() }
}

async fn subscribes_again(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started_by(carrying()).await?;
    let seq = worker.next_seq();
    worker.peer.send(&requests::request(seq, SUBSCRIBE, TOPIC.into())).await?;
    let subscribe = worker.heard_of("Subscribe", is_subscribe).await?;
    let accepted = master_frame::Body::Accepted(Default::default());
    worker
        .peer
        .send(&MasterFrame { reply_to: subscribe.seq, body: Some(accepted), ..Default::default() })
        .await?;
    requests::replied(worker.answer_to(seq, "a Reply").await?)?;
    let worker = stage.comes_back(carrying()).await?;
    worker.heard_of("the same Subscribe", is_subscribe).await?;
    let payload = requests::replied(requests::ask(worker, ECHO, b"still there").await?)?;
    match payload == b"still there" {
        true => Ok(()),
        false => Err(failed("its Reply has another payload; that of the request was expected")),
    }
}

fn is_subscribe(frame: &WorkerFrame) -> bool {
    matches!(&frame.body, Some(Body::Subscribe(Subscribe { topic })) if topic == TOPIC)
}

/// It asks for the sake of a request, and the connection is lost before it has its answer.
async fn forgets_requests(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.started_by(carrying()).await?;
    let old = 4_711;
    worker.peer.send(&requests::request(old, ASK, TOPIC.into())).await?;
    worker.heard_of("a request", |frame| matches!(frame.body, Some(Body::Message(_)))).await?;
    let worker = stage.comes_back(carrying()).await?;
    let mut said = worker.answers_ping().await?;
    // Whoever would answer it hears of its own question's end first.
    for _ in 0..3 {
        said.extend(worker.answers_ping().await?);
    }
    if said.iter().any(|frame| frame.reply_to == old) {
        return Err(failed(
            "it answered a request of the connection that was lost; that it forgets it was expected",
        ));
    }
    requests::replied(requests::ask(worker, ECHO, b"").await?).map(drop)
}

async fn drains_and_leaves(worker: &mut Worker) -> Result<(), Fault> {
    let seq = worker.ask(stop_within(AMPLE)).await?;
    worker.says(&Body::Stopped(Stopped {}), seq).await?;
    leaves(worker).await
}

/// In time enough for any machine.
async fn leaves(worker: &mut Worker) -> Result<(), Fault> {
    let seq = worker.ask(quit_within(AMPLE)).await?;
    worker.says(&Body::ShutDown(ShutDown {}), seq).await?;
    worker.ends_with_zero(AMPLE).await
}
