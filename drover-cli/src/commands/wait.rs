//! `drover wait`: until apps or workers are ready, stopped, or have ended.

use drover_master::control::{ClientError, ControlClient, Name};
use drover_proto::latest::StatusReply;

use super::goal::{Aim, Verdict};
use super::interrupt::Interrupt;
use super::{find, report};
use crate::args::{Global, Goal, WaitArgs};
use crate::exit_status::ExitStatus;
use crate::output::message;

pub(super) async fn run(global: &Global, args: &WaitArgs) -> ExitStatus {
    let mut interrupt = Interrupt::new();
    tokio::select! {
        status = until_it_holds(global, args) => status,
        () = super::passed(args.timeout) => {
            message::error_text(&format!("not so within {:?}", args.timeout.unwrap_or_default()));
            ExitStatus::TimedOut
        }
        () = interrupt.pressed() => ExitStatus::Interrupted,
    }
}

async fn until_it_holds(global: &Global, args: &WaitArgs) -> ExitStatus {
    match follow(global, &args.names, args.goal).await {
        Ok(status) => status,
        // Nothing is left of a master that has ended, and of its workers.
        Err(Failure::Ended) if args.goal != Goal::Ready => ExitStatus::Done,
        Err(Failure::Ended) => {
            message::error_text("the master has ended");
            ExitStatus::Unreachable
        }
        Err(Failure::Told(status)) => status,
    }
}

enum Failure {
    /// The master ended while it was asked.
    Ended,
    /// The user knows.
    Told(ExitStatus),
}

async fn follow(global: &Global, names: &[Name], goal: Goal) -> Result<ExitStatus, Failure> {
    let mut client = find::connect(global).await.map_err(Failure::Told)?;
    let typed: Vec<String> = names.iter().map(ToString::to_string).collect();
    // A name that fits nothing is refused, with what there is instead.
    client.describe(&typed).await.map_err(|error| Failure::Told(report(&error)))?;
    let mut reply = client.status(&[]).await.map_err(ended_or_told)?;
    let aim = Aim::new(goal, names, &reply);
    let mut news = find::connect(global).await.map_err(Failure::Told)?;
    news.events(reply.last_seq, true).await.map_err(ended_or_told)?;
    if !global.quiet && aim.judge(&reply) == Verdict::NotYet {
        message::note(&format!("waits until {}", aim.text()));
    }
    loop {
        match aim.judge(&reply) {
            Verdict::Holds => return Ok(tell(&aim, &reply)),
            Verdict::Never(reason) => {
                message::error_text(&reason);
                return Ok(ExitStatus::NotReady);
            }
            Verdict::NotYet => {}
        }
        reply = next_status(&mut client, &mut news).await?;
    }
}

/// The status after something more has happened.
async fn next_status(client: &mut ControlClient, news: &mut ControlClient) -> Result<StatusReply, Failure> {
    if news.next_event().await.map_err(ended_or_told)?.is_none() {
        return Err(Failure::Ended);
    }
    client.status(&[]).await.map_err(ended_or_told)
}

fn ended_or_told(error: ClientError) -> Failure {
    match error {
        ClientError::Closed | ClientError::Connection(_) => Failure::Ended,
        error => Failure::Told(report(&error)),
    }
}

fn tell(aim: &Aim<'_>, reply: &StatusReply) -> ExitStatus {
    for line in aim.results(reply) {
        // A reader that has gone has its answer in the exit status.
        let _ = message::result(&line);
    }
    ExitStatus::Done
}
