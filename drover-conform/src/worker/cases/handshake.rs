//! HS: the handshake.

use std::fs;
use std::time::Duration;

use drover_proto::latest::{Hello, HelloReply, Reject, RejectCode, hello_reply};

use crate::case::{Fault, failed};
use crate::frames::framed;
use crate::worker::said::{reply, welcome};
use crate::worker::stage::{WorkerCase, WorkerStage};
use crate::worker::tested::Worker;

/// How long nothing may come that would be there at once.
const SILENCE: Duration = Duration::from_millis(500);

/// How many processes may stand between the one that was started and the one that speaks.
const DEPTH: usize = 64;

/// How long a refused worker may take to leave. The page names no time; its start deadline would end it.
const LEAVING: Duration = Duration::from_secs(10);

/// So often may a worker connect again that was never welcomed; the page says three times.
const TRIES: usize = 10;

/// What no worker says of its own accord.
const WHY: &str = "no room for the worker 7f3a under this roof";

const PRINT: &str = "Print the message to stderr and exit with a code other than 0.";
const NO_REASON: &str =
    "An empty `HelloReply`, or the end of the stream instead of one, is a refusal without a reason.";

pub(super) const CASES: &[WorkerCase] = &[
    WorkerCase::new(
        "W-HS-01",
        "Hello is the first frame",
        "The worker sends `Hello` first, within 5 s of connecting.",
        |stage| Box::pin(says_hello(stage)),
    ),
    WorkerCase::new(
        "W-HS-02",
        "the versions of Hello",
        "the versions the worker speaks. Today 1 and 1",
        |stage| Box::pin(offers_versions(stage)),
    ),
    WorkerCase::new("W-HS-03", "the token of Hello", "the value of `DROVER_TOKEN`", |stage| {
        Box::pin(shows_its_token(stage))
    }),
    WorkerCase::new("W-HS-04", "the pid of Hello", "the worker's own process id.", |stage| {
        Box::pin(tells_its_pid(stage))
    }),
    WorkerCase::new(
        "W-HS-05",
        "nothing follows Hello before the answer",
        "Nothing else is sent before it, by either side.",
        |stage| Box::pin(waits_for_the_answer(stage)),
    ),
    WorkerCase::new("W-HS-06", "a Reject is printed, and ends it", PRINT, |stage| {
        Box::pin(leaves_when_rejected(stage, RejectCode::UnknownToken.into()))
    }),
    WorkerCase::new(
        "W-HS-07",
        "a Reject with an unknown code is one too",
        "`UNSPECIFIED`, or a number you do not know",
        |stage| Box::pin(leaves_when_rejected(stage, 4711)),
    ),
    WorkerCase::new("W-HS-08", "an empty reply is a refusal", NO_REASON, |stage| {
        Box::pin(leaves_after_an_empty_reply(stage))
    }),
    WorkerCase::new("W-HS-09", "the end instead of a reply, again and again", NO_REASON, |stage| {
        Box::pin(leaves_after_the_end(stage))
    }),
    WorkerCase::new(
        "W-HS-10",
        "a Welcome of a version that was not offered",
        "`version` is the highest that both sides speak; close if it is not one you offered.",
        |stage| Box::pin(closes_at_another_version(stage)),
    ),
    WorkerCase::new(
        "W-HS-11",
        "a Reject before Hello was read",
        "A master may refuse before it has read `Hello`. So if writing fails, read nevertheless: a `Reject` may be there.",
        |stage| Box::pin(reads_a_hasty_reject(stage)),
    ),
    WorkerCase::new(
        "W-HS-12",
        "the end instead of a reply, and then a master that welcomes it",
        "So connect again first, three times at most, after 10, 50 and 100 ms.",
        |stage| Box::pin(tries_again(stage)),
    ),
];

async fn says_hello(stage: &mut WorkerStage) -> Result<(), Fault> {
    stage.introduced().await.map(drop)
}

async fn offers_versions(stage: &mut WorkerStage) -> Result<(), Fault> {
    let (_, hello) = stage.introduced().await?;
    let (min, max) = (hello.min_version, hello.max_version);
    if min == 1 && max >= 1 {
        return Ok(());
    }
    Err(failed(format!("its Hello offers the versions {min} to {max}; 1 was expected to be among them")))
}

async fn shows_its_token(stage: &mut WorkerStage) -> Result<(), Fault> {
    let token = stage.token().to_owned();
    let (_, hello) = stage.introduced().await?;
    match hello.token == token {
        true => Ok(()),
        false if hello.token.is_empty() => {
            Err(failed(format!("its Hello has no token; `{token}` was expected")))
        }
        false => Err(failed(format!("its Hello shows the token `{}`; `{token}` was expected", hello.token))),
    }
}

async fn tells_its_pid(stage: &mut WorkerStage) -> Result<(), Fault> {
    let (worker, hello) = stage.introduced().await?;
    let Some(started) = worker.process.pid() else {
        return Err(failed("it is gone; a worker that waits for an answer was expected"));
    };
    match hello.pid {
        0 => Err(failed(format!("its Hello has no pid; {started} was expected, or that of a child of it"))),
        pid if descends(pid, started) => Ok(()),
        pid => Err(failed(format!(
            "its Hello has the pid {pid}; {started} was expected, or that of a child of it"
        ))),
    }
}

/// Whether the process is this one, or below it: a wrapper may stand between.
fn descends(pid: u32, from: u32) -> bool {
    let parent = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Behind the name, which may contain anything: the state, then the parent (proc_pid_stat(5)).
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    std::iter::successors(Some(pid), |pid| parent(*pid)).take(DEPTH).any(|pid| pid == from)
}

async fn waits_for_the_answer(stage: &mut WorkerStage) -> Result<(), Fault> {
    let (worker, _) = stage.introduced().await?;
    if !worker.peer.is_silent(SILENCE).await {
        return Err(failed("it sent something, or closed, before it was answered; silence was expected"));
    }
    worker.peer.send(&reply(welcome())).await?;
    worker.becomes_ready().await.map(drop)
}

async fn leaves_when_rejected(stage: &mut WorkerStage, code: i32) -> Result<(), Fault> {
    let (worker, _) = stage.introduced().await?;
    worker.peer.send(&reject(code)).await?;
    worker.peer.hang_up()?;
    fails(worker).await?;
    has_told_why(worker)
}

async fn leaves_after_an_empty_reply(stage: &mut WorkerStage) -> Result<(), Fault> {
    let (worker, _) = stage.introduced().await?;
    worker.peer.send(&HelloReply::default()).await?;
    worker.peer.hang_up()?;
    fails(worker).await
}

async fn leaves_after_the_end(stage: &mut WorkerStage) -> Result<(), Fault> {
    stage.introduced().await?.0.peer.hang_up()?;
    for _ in 0..=TRIES {
        match stage.connection_or_end(LEAVING).await? {
            Ok(mut peer) => peer.hang_up()?,
            Err(_) => return fails(stage.worker()?).await,
        }
    }
    Err(failed(format!("it has connected more than {TRIES} times again; its end was expected")))
}

async fn tries_again(stage: &mut WorkerStage) -> Result<(), Fault> {
    stage.introduced().await?.0.peer.hang_up()?;
    let Ok(mut peer) = stage.connection_or_end(LEAVING).await? else {
        let why = "it takes the end of its first connection for a refusal at once, as it may";
        return Err(Fault::Skipped(why.to_owned()));
    };
    stage.is_the_same(peer.next::<Hello>("Hello").await?)?;
    peer.send(&reply(welcome())).await?;
    let worker = stage.worker()?;
    worker.peer = peer;
    worker.becomes_ready().await.map(drop)
}

async fn closes_at_another_version(stage: &mut WorkerStage) -> Result<(), Fault> {
    let (worker, hello) = stage.introduced().await?;
    let version = hello.max_version.saturating_add(1);
    worker.peer.send(&reply(drover_proto::latest::Welcome { version, ..welcome() })).await?;
    worker.closes().await.map(drop)
}

/// The master reads nothing: what the worker writes may fail, and the answer is there all the same.
async fn reads_a_hasty_reject(stage: &mut WorkerStage) -> Result<(), Fault> {
    let worker = stage.connected().await?;
    worker
        .peer
        .send_bytes(&framed(&reject(RejectCode::TokenInUse.into())), "Reject, before Hello is read")
        .await?;
    // From here on the worker's writes fail with EPIPE (unix(7)).
    worker.peer.shut_down(std::net::Shutdown::Read)?;
    fails(worker).await?;
    has_told_why(worker)
}

fn reject(code: i32) -> HelloReply {
    let reject = Reject { code, message: WHY.to_owned(), min_version: 1, max_version: 1 };
    HelloReply { reply: Some(hello_reply::Reply::Reject(reject)) }
}

async fn fails(worker: &mut Worker) -> Result<(), Fault> {
    match worker.ends(LEAVING).await?.code() {
        Some(0) => Err(failed("it exited with code 0 though it was refused; another code was expected")),
        _ => Ok(()),
    }
}

fn has_told_why(worker: &Worker) -> Result<(), Fault> {
    match worker.process.has_printed(WHY) {
        true => Ok(()),
        false => {
            Err(failed(format!("it did not print the message of the Reject, which was expected: {WHY}")))
        }
    }
}
