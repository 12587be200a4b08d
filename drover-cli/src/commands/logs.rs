//! `drover logs`: what workers printed.

use std::collections::VecDeque;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use drover_master::Colours;
use drover_master::control::{Answers, ControlClient, LogFollow};
use drover_proto::latest::{LogLine, LogsRequest, OutputStream};

use super::interrupt::Interrupt;
use super::{find, refusal::report};
use crate::args::{Global, LogsArgs, StreamArg};
use crate::exit_status::ExitStatus;
use crate::output::{clock, message};

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
    let filter = Filter::of(args);
    // The master knows how many lines there are, and nothing of which are wanted.
    if let Some(count) = args.lines.filter(|_| !filter.is_everything()) {
        return last_that_match(global, args, client, &filter, count).await;
    }
    let lines = match client.logs(request(args, args.lines, args.follow)).await {
        Ok(lines) => lines,
        Err(error) => return report(&error),
    };
    follow(lines, |line| match filter.has(line) {
        true => print(line, args.timestamps),
        false => Ok(()),
    })
    .await
}

/// Only the last lines of those that are wanted, and then, if asked for, those that come.
async fn last_that_match(
    global: &Global,
    args: &LogsArgs,
    mut client: ControlClient,
    filter: &Filter,
    count: u32,
) -> ExitStatus {
    // From before the lines that are there are asked for, so that none is lost in between.
    let mut second = match args.follow {
        true => match find::connect(global).await {
            Ok(second) => Some(second),
            Err(status) => return status,
        },
        false => None,
    };
    let next = match &mut second {
        Some(second) => match second.logs(request(args, Some(0), true)).await {
            Ok(next) => Some(next),
            Err(error) => return report(&error),
        },
        None => None,
    };
    let kept = match client.logs(request(args, None, false)).await {
        Ok(kept) => kept,
        Err(error) => return report(&error),
    };
    let (mut last, mut seen) = (VecDeque::new(), VecDeque::new());
    let status = follow(kept, |line| {
        if filter.has(line) {
            last.push_back(line.clone());
            last.drain(..last.len().saturating_sub(count as usize));
        }
        seen.push_back(line.clone());
        seen.drain(..seen.len().saturating_sub(SEEN_TWICE));
        Ok(())
    })
    .await;
    let printed = last.iter().try_for_each(|line| print(line, args.timestamps));
    if printed.is_err() {
        return message::written(printed);
    }
    let Some(next) = next.filter(|_| status == ExitStatus::Done) else { return status };
    follow(next, |line| {
        if let Some(at) = seen.iter().position(|shown| shown == line) {
            seen.remove(at);
            return Ok(());
        }
        if filter.has(line) { print(line, args.timestamps) } else { Ok(()) }
    })
    .await
}

fn request(args: &LogsArgs, lines: Option<u32>, follow: bool) -> LogsRequest {
    LogsRequest { names: args.names.iter().map(ToString::to_string).collect(), lines, follow }
}

/// Hands on each line, until the last.
async fn follow(
    mut lines: Answers<'_, LogFollow>,
    mut take: impl FnMut(&LogLine) -> io::Result<()>,
) -> ExitStatus {
    loop {
        match lines.next().await {
            Ok(Some(LogFollow::Line(line))) => {
                let taken = take(&line);
                if taken.is_err() {
                    return message::written(taken);
                }
            }
            Ok(Some(LogFollow::Missed(missed))) => {
                message::note(&format!("{} lines were missed", missed.count));
            }
            // What a later master adds to the stream.
            Ok(Some(_)) => {}
            Ok(None) => return ExitStatus::Done,
            Err(error) => return report(&error),
        }
    }
}

/// Which lines are shown.
struct Filter {
    /// In milliseconds since 1970.
    since: Option<u64>,
    until: Option<u64>,
    stream: Option<StreamArg>,
}

impl Filter {
    fn of(args: &LogsArgs) -> Self {
        let stream = if args.err { Some(StreamArg::Err) } else { args.stream };
        Self { since: args.since.map(|since| since.ms()), until: args.until.map(|until| until.ms()), stream }
    }

    const fn is_everything(&self) -> bool {
        matches!(self, Self { since: None, until: None, stream: None })
    }

    fn has(&self, line: &LogLine) -> bool {
        let stream = match line.stream() {
            OutputStream::Stderr => StreamArg::Err,
            OutputStream::Stdout | OutputStream::Unspecified => StreamArg::Out,
        };
        self.since.is_none_or(|since| line.time_ms >= since)
            && self.until.is_none_or(|until| line.time_ms <= until)
            && self.stream.is_none_or(|wanted| wanted == stream)
    }
}

/// Of both streams to stdout, byte by byte: what is not text here may be some to its reader.
fn print(line: &LogLine, with_time: bool) -> io::Result<()> {
    let colours = message::stdout_colours();
    let style = if colours == Colours::Shown { PREFIX } else { Style::new() };
    let time = if with_time { format!("{} ", clock::timestamp(line.time_ms)) } else { String::new() };
    let mut bytes = format!("{time}{style}{}/{} |{style:#} ", line.app, line.slot).into_bytes();
    bytes.extend_from_slice(&colours.line(&line.text));
    bytes.push(b'\n');
    io::stdout().lock().write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wanted_by_their_time_and_stream() {
        let line =
            |time_ms, stream: OutputStream| LogLine { time_ms, stream: stream.into(), ..Default::default() };
        let filter = |since, until, stream| Filter { since, until, stream };
        for (chosen, line, has) in [
            (filter(None, None, None), line(5, OutputStream::Stderr), true),
            (filter(Some(5), Some(5), None), line(5, OutputStream::Stdout), true),
            (filter(Some(6), None, None), line(5, OutputStream::Stdout), false),
            (filter(None, Some(4), None), line(5, OutputStream::Stdout), false),
            (filter(None, None, Some(StreamArg::Err)), line(5, OutputStream::Stderr), true),
            (filter(None, None, Some(StreamArg::Err)), line(5, OutputStream::Stdout), false),
            (filter(None, None, Some(StreamArg::Out)), line(5, OutputStream::Stderr), false),
        ] {
            assert_eq!(chosen.has(&line), has, "{line:?}");
        }
    }
}
