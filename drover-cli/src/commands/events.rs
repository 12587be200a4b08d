//! `drover events`: what happened.

use std::collections::VecDeque;
use std::io;

use drover_master::control::{Answers, ClientError, Follow, Name};
use drover_proto::latest::{Event, StatusReply};

use super::find::FollowEnd;
use super::interrupt::Interrupt;
use super::{find, refusal::report};
use crate::args::{EventsArgs, Global, Since};
use crate::exit_status::ExitStatus;
use crate::output::{json, message, story};

pub(super) async fn run(global: &Global, args: &EventsArgs) -> ExitStatus {
    let mut interrupt = Interrupt::new();
    tokio::select! {
        status = show(global, args) => status,
        () = interrupt.pressed() => ExitStatus::Done,
    }
}

async fn show(global: &Global, args: &EventsArgs) -> ExitStatus {
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let now = match client.status(&[]).await {
        Ok(now) => now,
        Err(error) => return report(&error),
    };
    let since = match args.since {
        Some(Since::Seq(seq)) => seq,
        _ => 0,
    };
    let (unknown, until) = (unknown(&args.names, &now), now.last_seq);
    let mut printer = Printer { args, unknown, last: VecDeque::new(), until, seen: since };
    loop {
        // The numbers go on with the next master.
        let events = match client.events(printer.seen, args.follow).await {
            Ok(events) => events,
            Err(error) => return report(&error),
        };
        let pid = match printer.all(events).await {
            FollowEnd::Done(status) => return status,
            FollowEnd::ReplacedBy(pid) => pid,
        };
        client = match find::successor(global, pid).await {
            Ok(client) => client,
            Err(status) => return status,
        };
    }
}

/// The names that fit nothing there is now. An app that is gone may have events all the same.
fn unknown<'n>(names: &'n [Name], now: &StatusReply) -> Vec<&'n Name> {
    let is_known = |name: &Name| {
        now.apps.iter().any(|app| {
            (name.is_of_apps() && name.matches_app(&app.name))
                || app
                    .workers
                    .iter()
                    .any(|worker| name.matches_worker(&app.name, worker.slot, Some(worker.id)))
        })
    };
    names.iter().filter(|name| !is_known(name)).collect()
}

struct Printer<'a> {
    args: &'a EventsArgs,
    /// Names of which nothing was found so far.
    unknown: Vec<&'a Name>,
    /// With `-n`: the last of those that are kept.
    last: VecDeque<Event>,
    /// The last event that there was at the beginning.
    until: u64,
    /// The last that came.
    seen: u64,
}

impl Printer<'_> {
    async fn all(&mut self, mut events: Answers<'_, Follow>) -> FollowEnd {
        loop {
            let next = events.next().await;
            let printed = match next {
                Ok(Some(Follow::Event(event))) => {
                    self.seen = event.seq;
                    self.event(*event)
                }
                Ok(Some(Follow::Missed(missed))) if self.args.json => {
                    let _ = message::result(&json::missed(&missed));
                    Ok(())
                }
                Ok(Some(Follow::Missed(missed))) => {
                    message::note(&format!(
                        "{} events were missed; the next is number {}",
                        missed.count, missed.next_seq
                    ));
                    Ok(())
                }
                // What a later master adds to the stream.
                Ok(Some(_)) => Ok(()),
                Ok(None) => {
                    let printed = self.flush();
                    let is_written = printed.is_ok();
                    return FollowEnd::Done(if is_written {
                        self.verdict()
                    } else {
                        message::written(printed)
                    });
                }
                Err(ClientError::Crashed { pid }) if self.args.follow => return FollowEnd::ReplacedBy(pid),
                Err(error) => return FollowEnd::Done(report(&error)),
            };
            if printed.is_err() {
                return FollowEnd::Done(message::written(printed));
            }
        }
    }

    fn event(&mut self, event: Event) -> io::Result<()> {
        if event.seq > self.until {
            self.flush()?;
        }
        if !self.is_wanted(&event) {
            return if event.seq >= self.until { self.flush() } else { Ok(()) };
        }
        let Some(count) = self.args.lines.filter(|_| event.seq <= self.until) else {
            return self.print(&event);
        };
        let is_last = event.seq == self.until;
        self.last.push_back(event);
        self.last.drain(..self.last.len().saturating_sub(count as usize));
        if is_last { self.flush() } else { Ok(()) }
    }

    /// Prints what was held back.
    fn flush(&mut self) -> io::Result<()> {
        let last = std::mem::take(&mut self.last);
        last.iter().try_for_each(|event| self.print(event))
    }

    fn print(&self, event: &Event) -> io::Result<()> {
        message::result(&if self.args.json { json::event(event) } else { story::event_line(event) })
    }

    fn is_wanted(&mut self, event: &Event) -> bool {
        let is_named = |name: &Name| match event.slot {
            // What happens to the whole app concerns each of its workers.
            None => name.matches_app(&event.app),
            Some(slot) => name.matches_worker(&event.app, slot, Some(event.worker).filter(|id| *id != 0)),
        };
        self.unknown.retain(|name| !is_named(name));
        let is_late_enough = match self.args.since {
            Some(Since::Moment(moment)) => event.time_ms >= moment.ms(),
            _ => true,
        };
        is_late_enough && (self.args.names.is_empty() || self.args.names.iter().any(is_named))
    }

    fn verdict(&self) -> ExitStatus {
        let Some(name) = self.unknown.first() else { return ExitStatus::Done };
        message::error_text(&format!("there is no app or worker `{name}`, and no kept event mentions one"));
        ExitStatus::NotFound
    }
}
