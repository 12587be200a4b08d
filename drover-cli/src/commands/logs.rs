//! `drover logs`: what workers printed.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use drover_master::Colours;
use drover_master::control::LogFollow;
use drover_proto::latest::{LogLine, LogsRequest};

use super::interrupt::Interrupt;
use super::{find, report};
use crate::args::{Global, LogsArgs};
use crate::exit_status::ExitStatus;
use crate::output::message;

/// Before each line, as in the master's own output.
const PREFIX: Style = AnsiColor::Cyan.on_default();

pub(super) async fn run(global: &Global, args: &LogsArgs) -> ExitStatus {
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let names = args.names.iter().map(ToString::to_string).collect();
    if let Err(error) = client.logs(LogsRequest { names, lines: args.lines, follow: args.follow }).await {
        return report(&error);
    }
    let mut interrupt = Interrupt::new();
    loop {
        let next = tokio::select! {
            next = client.next_log() => next,
            () = interrupt.pressed() => return ExitStatus::Done,
        };
        match next {
            Ok(Some(LogFollow::Line(line))) => {
                let printed = print(&line);
                if printed.is_err() {
                    return message::written(printed);
                }
            }
            Ok(Some(LogFollow::Missed(missed))) => {
                message::note(&format!("{} lines were missed", missed.count));
            }
            Ok(None) => return ExitStatus::Done,
            Err(error) => return report(&error),
        }
    }
}

/// Of both streams to stdout, byte by byte: what is no text here may be some to its reader.
fn print(line: &LogLine) -> io::Result<()> {
    let colours = message::stdout_colours();
    let style = if colours == Colours::Shown { PREFIX } else { Style::new() };
    let mut bytes = format!("{style}{}/{} |{style:#} ", line.app, line.slot).into_bytes();
    bytes.extend_from_slice(&colours.line(&line.text));
    bytes.push(b'\n');
    io::stdout().lock().write_all(&bytes)
}
