//! `drover logs`: what workers printed.
//!
//! The master keeps the last of it. What it has forgotten stands in the log files of apps that have some, and these are read here, not by
//! the master: it never waits for a disk.

mod file_line;
mod past;
mod seam;
mod source;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use drover_master::Colours;
use drover_master::control::{Answers, ClientError, ControlClient, LogFollow};
use drover_proto::latest::{LogLine, LogsRequest, OutputStream};

use self::past::{PastFiles, merged};
use self::seam::Seam;
use super::find::FollowEnd;
use super::interrupt::Interrupt;
use super::{find, refusal::report};
use crate::args::{Global, LogsArgs, Moment, StreamArg};
use crate::exit_status::ExitStatus;
use crate::output::{clock, json, message};

/// Targets each line, as in the master's own output.
const PREFIX: Style = AnsiColor::Cyan.on_default();

/// How many of the last lines are looked through for what was shown already, at least: as many as may come between two questions to a master.
const SEEN_TWICE: usize = 1024;

/// By so much, in milliseconds, may a line come behind a later one of another worker. So the next master is asked for lines from so much before
/// the last one on, and all of that time are looked through, however many they are.
const BEHIND_MS: u64 = 20;

/// By so much, in milliseconds, may the times of lines of several workers be out of order.
const LATEST_MS: u64 = 1000;

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
    // More is wanted than what is there anyway.
    let looks_back =
        args.lines.is_some() || args.grep.is_some() || wish.since_ms.is_some() || wish.until_ms.is_some();
    if looks_back && args.lines != Some(0) {
        let files = match PastFiles::ask(&mut client, &args.names).await {
            Ok(files) => files,
            Err(error) => return report(&error),
        };
        // The master knows how many lines there are, and nothing of which ones match.
        if !files.is_empty() || args.grep.is_some() && args.lines.is_some() {
            return with_files(global, &wish, client, files).await;
        }
    }
    let lines = match client.logs(wish.request(args.lines, args.follow)).await {
        Ok(lines) => lines,
        Err(error) => return report(&error),
    };
    follow_on(global, &wish, lines, VecDeque::new()).await
}

/// Prints each line that matches and is not among these that were shown already, until the last; goes on with the next master if there is
/// one.
async fn follow_on(
    global: &Global,
    wish: &Wish<'_>,
    lines: Answers<'_, LogFollow>,
    shown: VecDeque<LogLine>,
) -> ExitStatus {
    let asked_ms = Moment::Ago(Duration::ZERO).ms();
    let mut shown = Shown { lines: shown, twice: VecDeque::new() };
    shown.may_come_again();
    let mut ended = follow(lines, wish, |line| shown.print_once(wish, line)).await;
    while let FollowEnd::ReplacedBy(pid) = ended {
        let mut client = match find::successor(global, pid).await {
            Ok(client) => client,
            Err(status) => return status,
        };
        // It has the lines of the last one too.
        let newest_ms = shown.lines.iter().map(|line| line.time_ms).max();
        let since_ms = newest_ms.map_or(asked_ms, |newest| newest.saturating_sub(BEHIND_MS));
        shown.may_come_again();
        let request = LogsRequest { since_ms: Some(since_ms), ..wish.request(None, true) };
        let lines = match client.logs(request).await {
            Ok(lines) => lines,
            Err(error) => return report(&error),
        };
        ended = follow(lines, wish, |line| shown.print_once(wish, line)).await;
    }
    ended.status()
}

/// The last lines that were shown.
struct Shown {
    lines: VecDeque<LogLine>,
    /// Those of them that may come once more.
    twice: VecDeque<LogLine>,
}

impl Shown {
    fn may_come_again(&mut self) {
        self.twice = self.lines.clone();
    }

    fn print_once(&mut self, wish: &Wish<'_>, line: &LogLine) -> io::Result<()> {
        if self.twice.back().is_some_and(|last| line.time_ms > last.time_ms + LATEST_MS) {
            self.twice.clear();
        }
        if let Some(at) = self.twice.iter().position(|shown| shown == line) {
            self.twice.remove(at);
            return Ok(());
        }
        if wish.args.follow {
            self.lines.push_back(line.clone());
            while may_be_dropped(&self.lines) {
                self.lines.pop_front();
            }
        }
        wish.print_if_it_matches(line)
    }
}

/// Whether the first of these does not come again.
fn may_be_dropped(lines: &VecDeque<LogLine>) -> bool {
    let (Some(first), Some(last)) = (lines.front(), lines.back()) else { return false };
    lines.len() > SEEN_TWICE && first.time_ms + BEHIND_MS < last.time_ms
}

/// The lines of files, those that the master keeps, and then, if asked for, those that come.
async fn with_files(
    global: &Global,
    wish: &Wish<'_>,
    mut client: ControlClient,
    files: PastFiles,
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
    let asked_ms = Moment::Ago(Duration::ZERO).ms();
    // From the oldest on: where they begin, the files end.
    let request = LogsRequest { since_ms: None, until_ms: None, ..wish.request(None, false) };
    let asked = match client.logs(request).await {
        Ok(asked) => asked,
        Err(error) => return report(&error),
    };
    let mut kept: Vec<LogLine> = Vec::new();
    let status = follow(asked, wish, |line| {
        kept.push(line.clone());
        Ok(())
    })
    .await
    .status();
    if status != ExitStatus::Done {
        return status;
    }
    let printed = all_before(wish, files, &kept, asked_ms).await;
    if printed.is_err() {
        return message::written(printed);
    }
    let Some(next) = next else { return ExitStatus::Done };
    let mut shown = VecDeque::from(kept);
    while may_be_dropped(&shown) {
        shown.pop_front();
    }
    follow_on(global, wish, next, shown).await
}

/// Prints the lines of files and the kept ones that are wanted.
async fn all_before(wish: &Wish<'_>, files: PastFiles, kept: &[LogLine], asked_ms: u64) -> io::Result<()> {
    let wanted = kept.iter().filter(|line| wish.is_in_time(line) && wish.matches(line));
    let wanted: Vec<&LogLine> = wanted.collect();
    let most = wish.args.lines.map_or(usize::MAX, |count| count as usize);
    let missing = most.saturating_sub(wanted.len());
    if missing > 0 {
        let seam = || Seam::new(kept, asked_ms);
        let wants_stream = wish.args.err || wish.args.stream.is_some();
        let sources = files.open(&seam(), wish.since_ms, wants_stream);
        let since_ms = wish.since_ms.unwrap_or(0);
        let is_wanted = |seam: &mut Seam, line: &LogLine| {
            wish.is_in_time(line) && wish.means(line) && seam.is_before(line) && wish.matches(line)
        };
        if most == usize::MAX {
            let mut seam = seam();
            merged(&sources, usize::MAX, since_ms, |line| {
                if is_wanted(&mut seam, &line) { wish.print(&line) } else { Ok(()) }
            })
            .await?;
        } else {
            // Few are in the newest files, mostly.
            let mut last = VecDeque::new();
            for newest in [1, 2, 4, usize::MAX] {
                last.clear();
                let mut seam = seam();
                let has_more = merged(&sources, newest, since_ms, |line| {
                    if is_wanted(&mut seam, &line) {
                        last.push_back(line);
                        last.drain(..last.len().saturating_sub(missing));
                    }
                    Ok(())
                })
                .await?;
                if last.len() == missing || !has_more {
                    break;
                }
            }
            last.iter().try_for_each(|line| wish.print(line))?;
        }
    }
    wanted.iter().skip(wanted.len().saturating_sub(most)).try_for_each(|line| wish.print(line))
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
) -> FollowEnd {
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
            Ok(None) => return FollowEnd::Done(ExitStatus::Done),
            Err(ClientError::Crashed { pid }) if wish.args.follow => return FollowEnd::ReplacedBy(pid),
            Err(error) => return FollowEnd::Done(report(&error)),
        };
        if taken.is_err() {
            return FollowEnd::Done(message::written(taken));
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

    /// Whether the names and the stream mean it, as the master has it.
    fn means(&self, line: &LogLine) -> bool {
        let names = &self.args.names;
        let worker = Some(line.worker).filter(|worker| *worker > 0);
        let wanted = self.request(None, false).stream;
        (names.is_empty() || names.iter().any(|name| name.matches_worker(&line.app, line.slot, worker)))
            && (wanted == i32::from(OutputStream::Unspecified) || wanted == line.stream)
    }

    fn is_in_time(&self, line: &LogLine) -> bool {
        (self.since_ms.unwrap_or(0)..=self.until_ms.unwrap_or(u64::MAX)).contains(&line.time_ms)
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
