//! `drover send`: a message to workers, and their replies.

use std::io::{self, IsTerminal as _, Read, Write};
use std::time::Duration;

use drover_master::Readable;
use drover_master::control::ClientError;
use drover_proto::bus::{PAYLOAD_LIMIT, REQUEST_TIMEOUT};
use drover_proto::latest::{ErrorCode, SendRequest, SendResult};
use tokio::time::Instant;

use super::deadline::SOON;
use super::interrupt::Interrupt;
use super::{find, refusal::report};
use crate::args::{Global, SendArgs};
use crate::exit_status::ExitStatus;
use crate::output::{clock, json, message};

/// How often it is said again that replies are still missing.
const AGAIN: Duration = Duration::from_secs(30);

pub(super) async fn run(global: &Global, args: &SendArgs) -> ExitStatus {
    let payload = match payload(args) {
        Ok(payload) => payload,
        Err(status) => return status,
    };
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let request = SendRequest {
        names: vec![args.name.to_string()],
        topic: args.topic.clone(),
        payload: payload.into(),
        request: args.request,
        timeout_ms: args.timeout.map_or(0, milliseconds),
        publish: args.publish,
    };
    let mut results = match client.send_message(request).await {
        Ok(results) => results,
        Err(error) => return failed(args, &error),
    };
    let (mut status, mut delivered, mut interrupt) = (ExitStatus::Done, 0, Interrupt::new());
    let (begun, mut pause) = (Instant::now(), SOON);
    loop {
        let next = tokio::select! {
            next = results.next() => next,
            () = interrupt.pressed() => return ExitStatus::Interrupted,
            () = tokio::time::sleep(pause), if args.request && !global.quiet => {
                message::note(&still_waiting(args, delivered, begun.elapsed()));
                pause = AGAIN;
                continue;
            }
        };
        match next {
            Ok(Some(sent)) => {
                delivered += u32::from(sent.error.is_none());
                let told = tell(args, &sent);
                // The first that failed says how.
                if status == ExitStatus::Done {
                    status = told;
                }
            }
            Ok(None) => break,
            Err(error) => return failed(args, &error),
        }
    }
    // Where it went to nobody and each has said why, that is enough.
    if !args.json && !args.request && (delivered > 0 || status == ExitStatus::Done) {
        let workers = if delivered == 1 { "1 worker" } else { &format!("{delivered} workers") };
        message::note(&format!("sent to {workers}"));
    }
    status
}

/// The next master knows nothing of a message; unlike an operation it does not go on.
fn failed(args: &SendArgs, error: &ClientError) -> ExitStatus {
    let ClientError::Crashed { pid } = error else { return report(error) };
    let what = if args.request { "all replies had come" } else { "it could say who got the message" };
    message::error_text(&format!(
        "the master was replaced by another one (pid {pid}) before {what}; workers may have got it: send it again only if getting it twice does no harm"
    ));
    ExitStatus::of_client(error)
}

fn still_waiting(args: &SendArgs, replies: u32, waited: Duration) -> String {
    let left = args.timeout.unwrap_or(REQUEST_TIMEOUT).saturating_sub(waited);
    let left = clock::uptime(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
    match replies {
        0 => format!("still waiting: no reply from {} yet, {left} left", args.name),
        1 => format!("still waiting: 1 reply from {} so far, {left} left", args.name),
        _ => format!("still waiting: {replies} replies from {} so far, {left} left", args.name),
    }
}

/// What is to be sent: the argument, or with `-` all of stdin.
fn payload(args: &SendArgs) -> Result<Vec<u8>, ExitStatus> {
    let payload = match args.payload.as_deref() {
        None => Vec::new(),
        Some("-") => {
            let (mut read, most) = (Vec::new(), PAYLOAD_LIMIT as u64 + 1);
            if let Err(error) = io::stdin().lock().take(most).read_to_end(&mut read) {
                message::error_text(&format!("stdin can't be read: {error}"));
                return Err(ExitStatus::Failed);
            }
            read
        }
        Some(text) => text.as_bytes().to_vec(),
    };
    if payload.len() > PAYLOAD_LIMIT {
        message::error_text(&format!("a message has at most {PAYLOAD_LIMIT} bytes (1 MiB)"));
        return Err(ExitStatus::Usage);
    }
    Ok(payload)
}

fn tell(args: &SendArgs, sent: &SendResult) -> ExitStatus {
    let written = match &sent.error {
        _ if args.json => writeln!(io::stdout().lock(), "{}", json::sent(sent, args.request)),
        Some(error) => {
            message::error_text(&match error.message.contains(&sent.name) {
                true => error.message.clone(),
                false => format!("{}: {}", sent.name, error.message),
            });
            Ok(())
        }
        None if args.request => print(args, sent),
        None => Ok(()),
    };
    if written.is_err() {
        return message::written(written);
    }
    match sent.error.as_ref().map(drover_proto::latest::Error::code) {
        None => ExitStatus::Done,
        Some(ErrorCode::NotReady) => ExitStatus::NotReady,
        Some(ErrorCode::Deadline) => ExitStatus::TimedOut,
        Some(code) => ExitStatus::of_refusal(code),
    }
}

fn print(args: &SendArgs, sent: &SendResult) -> io::Result<()> {
    let is_of_several = args.name.is_of_apps() || args.name.is_pattern();
    let shown = shown(sent, is_of_several, io::stdout().is_terminal());
    io::stdout().lock().write_all(&shown)
}

/// The reply byte by byte, for a program. For people, on a terminal, nothing in it moves the cursor; and of several workers each
/// has one line, with its name before it, which none can forge.
fn shown(sent: &SendResult, is_of_several: bool, is_terminal: bool) -> Vec<u8> {
    let line = |bytes: &[u8]| {
        let chunks = bytes.utf8_chunks();
        chunks.fold(String::new(), |text, chunk| {
            format!("{text}{}{}", Readable(chunk.valid()), chunk.invalid().escape_ascii())
        })
    };
    let reply = sent.reply.strip_suffix(b"\n").unwrap_or(&sent.reply);
    let mut bytes = match (is_of_several, is_terminal) {
        (true, _) => format!("{}: {}", sent.name, line(reply)).into_bytes(),
        (false, true) => {
            reply.split(|byte| *byte == b'\n').map(line).collect::<Vec<_>>().join("\n").into_bytes()
        }
        (false, false) => reply.to_vec(),
    };
    bytes.push(b'\n');
    bytes
}

/// At least 1: 0 would be the default.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn a_reply_is_for_a_program_as_it_is_and_for_people_it_forges_nothing() {
        let of = |reply: &[u8]| SendResult {
            name: "web/0".into(),
            reply: reply.to_vec().into(),
            ..Default::default()
        };
        let reply = of(b"a\nweb/1: b\x1b[2J\xff");
        for (is_of_several, is_terminal, expected) in [
            (false, false, &b"a\nweb/1: b\x1b[2J\xff\n"[..]),
            (false, true, b"a\nweb/1: b\\u{1b}[2J\\xff\n"),
            (true, false, b"web/0: a\\nweb/1: b\\u{1b}[2J\\xff\n"),
            (true, true, b"web/0: a\\nweb/1: b\\u{1b}[2J\\xff\n"),
        ] {
            let shown = shown(&reply, is_of_several, is_terminal);
            assert_eq!(shown, expected, "{}", String::from_utf8_lossy(&shown));
        }
        assert_eq!(shown(&of(b"one\n"), true, false), b"web/0: one\n");
    }

    #[test]
    fn it_says_which_replies_are_missing_and_how_long_it_still_waits() {
        let line = ["drover", "send", "web", "ask", "--request", "--timeout", "60s"];
        let crate::args::Verb::Send(args) = crate::args::Cli::parse_from(line).verb else { panic!() };
        for (replies, expected) in [
            (0, "still waiting: no reply from web yet, 57 s left"),
            (1, "still waiting: 1 reply from web so far, 57 s left"),
            (2, "still waiting: 2 replies from web so far, 57 s left"),
        ] {
            assert_eq!(still_waiting(&args, replies, SOON), expected);
        }
    }
}
