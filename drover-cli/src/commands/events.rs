//! `drover events`: what happened.

use drover_master::control::Follow;

use super::interrupt::Interrupt;
use super::{find, report};
use crate::args::{EventsArgs, Global};
use crate::exit_status::ExitStatus;
use crate::output::{json, message, story};

pub(super) async fn run(global: &Global, args: &EventsArgs) -> ExitStatus {
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    if let Err(error) = client.events(args.since, args.follow).await {
        return report(&error);
    }
    let mut interrupt = Interrupt::new();
    loop {
        let next = tokio::select! {
            next = client.next_event() => next,
            () = interrupt.pressed() => return ExitStatus::Done,
        };
        match next {
            Ok(Some(Follow::Event(event))) => {
                let line = if args.json { json::event(&event) } else { story::event_line(&event) };
                let printed = message::result(&line);
                if printed.is_err() {
                    return message::written(printed);
                }
            }
            Ok(Some(Follow::Missed(missed))) if args.json => {
                let _ = message::result(&json::missed(&missed));
            }
            Ok(Some(Follow::Missed(missed))) => {
                message::note(&format!(
                    "{} events were missed; the next is number {}",
                    missed.count, missed.next_seq
                ));
            }
            Ok(None) => return ExitStatus::Done,
            Err(error) => return report(&error),
        }
    }
}
