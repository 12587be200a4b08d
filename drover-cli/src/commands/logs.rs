//! `drover logs`: what workers printed.

use std::collections::VecDeque;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use drover_master::Colours;
use drover_master::control::{Answers, ControlClient, LogFollow};
use drover_proto::latest::{LogLine, LogsRequest, OutputStream};

use super::interrupt::Interrupt;
use super::{find, refusal::report};
use crate::args::{Global, LogsArgs, Moment, StreamArg};
use crate::exit_status::ExitStatus;
use crate::output::{clock, json, message};

/// Targets each line, as in the master's own output.
const PREFIX: Style = AnsiColor::Cyan.on_default();

/// How many lines before those that are followed are looked through for what was shown already: as many as may come between two
/// questions to a master.
const SEEN_TWICE: usize = 1024;

pub(super) async fn run(global: &Global, args: &LogsArgs) -> ExitStatus {
    let mut interrupt = Interrupt::new();
    tokio::select! {
        status = show(global, args) => status,
        () = interrupt.pressed() => ExitStatus::Done,
    }
}

async fn show(global: &Global, args: &LogsArgs) -> ExitStatus {
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let wish = Wish { args, since_ms: args.since.map(Moment::ms), until_ms: args.until.map(Moment::ms) };
    if args.last_exit {
        return last_words(&wish, client).await;
    }
    // The master knows how many lines there are, and nothing of which ones match.
    if let Some(count) = args.lines.filter(|_| args.grep.is_some()) {
        return last_that_match(global, &wish, client, count).await;
    }
    match client.logs(wish.request(args.lines, args.follow)).await {
        Ok(lines) => follow(lines, &wish, |line| wish.print_if_it_matches(line)).await,
        Err(error) => report(&error),
    }
}

/// Only the last lines of those that match, and then, if asked for, those that come.
async fn last_that_match(
    global: &Global,
    wish: &Wish<'_>,
    mut client: ControlClient,
    count: u32,
) -> ExitStatus {
    // From before the lines that are there are asked for, so that none is lost in between.
    let mut second = match wish.args.follow {
        true => match find::connect(global).await {
            Ok(second) => Some(second),
            Err(status) => return status,
        },
        false => None,
    };
    let next = match &mut second {
        Some(second) => match second.logs(wish.request(Some(0), true)).await {
            Ok(next) => Some(next),
            Err(error) => return report(&error),
        },
        None => None,
    };
    let kept = match client.logs(wish.request(None, false)).await {
        Ok(kept) => kept,
        Err(error) => return report(&error),
    };
    let (mut last, mut seen) = (VecDeque::new(), VecDeque::new());
    let status = follow(kept, wish, |line| {
        if wish.matches(line) {
            last.push_back(line.clone());
            last.drain(..last.len().saturating_sub(count as usize));
        }
        seen.push_back(line.clone());
        seen.drain(..seen.len().saturating_sub(SEEN_TWICE));
        Ok(())
    })
    .await;
    let printed = last.iter().try_for_each(|line| wish.print(line));
    if printed.is_err() {
        return message::written(printed);
    }
    let Some(next) = next.filter(|_| status == ExitStatus::Done) else { return status };
    follow(next, wish, |line| {
        if let Some(at) = seen.iter().position(|shown| shown == line) {
            seen.remove(at);
            return Ok(());
        }
        wish.print_if_it_matches(line)
    })
    .await
}

/// What the last worker of each slot that ended wrote to stderr before.
async fn last_words(wish: &Wish<'_>, mut client: ControlClient) -> ExitStatus {
    let names = wish.names();
    let names = if names.is_empty() { vec!["*".to_owned()] } else { names };
    let described = match client.describe(&names).await {
        Ok(described) => described,
        Err(error) => return report(&error),
    };
    for worker in &described.workers {
        let slot = worker.status.as_ref().map_or(0, |status| status.slot);
        let Some(last) = worker.history.last() else { continue };
        message::note(&format!("{}/{slot} {}", worker.app, last.text));
        for text in &last.stderr_tail {
            let line = LogLine {
                app: worker.app.clone(),
                slot,
                stream: OutputStream::Stderr.into(),
                time_ms: last.time_ms,
                text: text.clone().into_bytes(),
                ..LogLine::default()
            };
            let printed = wish.print_if_it_matches(&line);
            if printed.is_err() {
                return message::written(printed);
            }
        }
    }
    ExitStatus::Done
}

/// Hands on each line, until the last.
async fn follow(
    mut lines: Answers<'_, LogFollow>,
    wish: &Wish<'_>,
    mut take: impl FnMut(&LogLine) -> io::Result<()>,
) -> ExitStatus {
    loop {
        let taken = match lines.next().await {
            Ok(Some(LogFollow::Line(line))) => take(&line),
            Ok(Some(LogFollow::Missed(missed))) if wish.args.json => {
                message::result(&json::logs_missed(&missed))
            }
            Ok(Some(LogFollow::Missed(missed))) => {
                message::note(&format!("{} lines were missed", missed.count));
                Ok(())
            }
            // What a later master adds to the stream.
            Ok(Some(_)) => Ok(()),
            Ok(None) => return ExitStatus::Done,
            Err(error) => return report(&error),
        };
        if taken.is_err() {
            return message::written(taken);
        }
    }
}

/// Which lines are wanted, and how.
struct Wish<'a> {
    args: &'a LogsArgs,
    /// In milliseconds since 1970.
    since_ms: Option<u64>,
    until_ms: Option<u64>,
}

impl Wish<'_> {
    fn names(&self) -> Vec<String> {
        self.args.names.iter().map(ToString::to_string).collect()
    }

    fn request(&self, lines: Option<u32>, follow: bool) -> LogsRequest {
        let stream = match self.args.stream {
            Some(StreamArg::Out) => OutputStream::Stdout,
            Some(StreamArg::Err) => OutputStream::Stderr,
            None if self.args.err => OutputStream::Stderr,
            None => OutputStream::Unspecified,
        };
        LogsRequest {
            names: self.names(),
            lines,
            follow,
            since_ms: self.since_ms,
            until_ms: self.until_ms,
            stream: stream.into(),
        }
    }

    fn matches(&self, line: &LogLine) -> bool {
        self.args.grep.as_ref().is_none_or(|grep| grep.is_match(&line.text))
    }

    fn print_if_it_matches(&self, line: &LogLine) -> io::Result<()> {
        if self.matches(line) { self.print(line) } else { Ok(()) }
    }

    /// Of both streams to stdout, byte by byte: what is not text here may be some to its reader.
    fn print(&self, line: &LogLine) -> io::Result<()> {
        if self.args.json {
            return message::result(&json::log_line(line));
        }
        let colours = message::stdout_colours();
        let style = if colours == Colours::Shown { PREFIX } else { Style::new() };
        let time =
            if self.args.timestamps { format!("{} ", clock::timestamp(line.time_ms)) } else { String::new() };
        let mut bytes = format!("{time}{style}{}/{} |{style:#} ", line.app, line.slot).into_bytes();
        bytes.extend_from_slice(&colours.line(&line.text));
        bytes.push(b'\n');
        io::stdout().lock().write_all(&bytes)
    }
}
