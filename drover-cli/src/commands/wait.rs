//! `drover wait`: until apps or workers are ready, stopped, or have ended.

use std::path::Path;

use drover_master::control::{Answers, ClientError, ControlClient, Follow};
use drover_proto::latest::{AppStatus, StatusReply};

use super::goal::{self, Aim, Verdict};
use super::interrupt::Interrupt;
use super::{find, patience, reach, refusal::report};
use crate::args::{Global, Goal, WaitArgs};
use crate::exit_status::ExitStatus;
use crate::output::message;

/// How often a connection may be closed in the handshake before that is taken for the master's end: one that ends resets
/// those in the kernel's queue, and is gone at the next.
const CONNECTS: usize = 3;

pub(super) async fn run(global: &Global, args: &WaitArgs) -> ExitStatus {
    let client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let mut interrupt = Interrupt::new();
    let is_meant = |app: &AppStatus| args.names.iter().any(|name| name.matches_app(&app.name));
    tokio::select! {
        held = until_it_holds(global, args, client) => match held {
            Ok(results) => tell(&results),
            Err(status) => status,
        },
        () = patience::tell_standing(global, is_meant) => ExitStatus::Done,
        () = super::deadline::passed(global.time.left()) => {
            message::error_text(&goal::not_within(args.goal, &args.names, args.timeout.unwrap_or_default()));
            ExitStatus::TimedOut
        }
        () = interrupt.pressed() => ExitStatus::Interrupted,
    }
}

/// Waits until every app of the master that is [found](find) is ready.
pub(super) async fn until_all_ready(global: &Global) -> Result<(), ExitStatus> {
    let args = WaitArgs { names: "*".parse().into_iter().collect(), goal: Goal::Ready, timeout: None };
    let client = find::connect(global).await?;
    until_it_holds(global, &args, client).await.map(|_| ())
}

/// What came of it, in lines.
async fn until_it_holds(
    global: &Global,
    args: &WaitArgs,
    mut client: ControlClient,
) -> Result<Vec<String>, ExitStatus> {
    let mut watched = watch(global, args, client).await;
    while let Err(Failure::Followed(_)) = watched {
        // Another master goes on, and so does this.
        client = find::connect(global).await?;
        watched = watch(global, args, client).await;
    }
    match watched {
        Ok(results) => Ok(results),
        // Nothing is left of a master that has ended, and of its workers.
        Err(Failure::Ended) if args.goal != Goal::Ready => Ok(Vec::new()),
        Err(Failure::Ended) => {
            message::error_text("the master has ended");
            Err(ExitStatus::Unreachable)
        }
        Err(Failure::Lost | Failure::Followed(_)) => {
            message::error(&ClientError::Closed);
            Err(ExitStatus::Unreachable)
        }
        Err(Failure::Told(status)) => Err(status),
    }
}

enum Failure {
    /// The master ended while it was asked.
    Ended,
    /// A connection is lost. That is not a sign of the master's end: it closes those that are idle, or not read, for long.
    Lost,
    /// The master crashed, and the one of this pid goes on in its place.
    Followed(u32),
    /// The user knows.
    Told(ExitStatus),
}

async fn watch(global: &Global, args: &WaitArgs, mut client: ControlClient) -> Result<Vec<String>, Failure> {
    let path = find::locate(global).await.map_err(Failure::Told)?;
    let typed: Vec<String> = args.names.iter().map(ToString::to_string).collect();
    // A name that fits nothing is refused, with what there is instead.
    client.describe(&typed).await.map_err(|error| match error {
        ClientError::Crashed { pid } => Failure::Followed(pid),
        error => Failure::Told(report(&error)),
    })?;
    let reply = client.status(&[]).await.map_err(lost_or_told)?;
    let aim = Aim::new(args.goal, &args.names, &reply);
    if !global.quiet && aim.judge(&reply) == Verdict::NotYet {
        message::note(&format!("waiting until {}", aim.text()));
    }
    let mut master = pid_of_master(&reply);
    let mut reply = reply;
    loop {
        match follow(client, reply, &aim).await {
            Err(Failure::Lost) => {}
            Err(Failure::Followed(pid)) => master = pid,
            verdict => return verdict,
        }
        client = connect_again(global, &path).await?;
        reply = client.status(&[]).await.map_err(lost_or_told)?;
        if pid_of_master(&reply) != master {
            return Err(Failure::Ended);
        }
    }
}

/// Judges this status, and every one after news.
async fn follow(
    mut client: ControlClient,
    mut reply: StatusReply,
    aim: &Aim<'_>,
) -> Result<Vec<String>, Failure> {
    let mut events = client.events(reply.last_seq, true).await.map_err(lost_or_told)?;
    loop {
        match aim.judge(&reply) {
            Verdict::Holds => return Ok(aim.results(&reply)),
            Verdict::Never(reason) => {
                message::error_text(&reason);
                return Err(Failure::Told(ExitStatus::NotReady));
            }
            Verdict::NotYet => {}
        }
        reply = next_status(&mut events).await?;
    }
}

/// The status after something more has happened.
async fn next_status(events: &mut Answers<'_, Follow>) -> Result<StatusReply, Failure> {
    if events.next().await.map_err(lost_or_told)?.is_none() {
        return Err(Failure::Ended);
    }
    events.status(&[]).await.map_err(lost_or_told)
}

/// Connects where a master was a moment ago.
async fn connect_again(global: &Global, path: &Path) -> Result<ControlClient, Failure> {
    for _ in 0..CONNECTS {
        match reach::connect(global, path).await {
            Ok(client) => return Ok(client),
            Err(ClientError::Unreachable { .. }) => break,
            Err(ClientError::Closed | ClientError::Connection(_)) => {}
            Err(error) => return Err(Failure::Told(find::unreached(global, &error))),
        }
    }
    Err(Failure::Ended)
}

fn pid_of_master(reply: &StatusReply) -> u32 {
    reply.master.as_ref().map_or(0, |master| master.pid)
}

fn lost_or_told(error: ClientError) -> Failure {
    match error {
        ClientError::Closed | ClientError::Connection(_) => Failure::Lost,
        ClientError::Crashed { pid } => Failure::Followed(pid),
        error => Failure::Told(report(&error)),
    }
}

fn tell(results: &[String]) -> ExitStatus {
    for line in results {
        // A reader that has gone has its answer in the exit status.
        let _ = message::result(line);
    }
    ExitStatus::Done
}
