//! `app.NAME.start`, `app.NAME.stop` and `app.NAME.suspend`.

use std::time::Duration;

use crate::config::{Kind, StopTo};

use super::mistake::{Mistakes, shown};
use super::model::{Protocol, Start, Stop, Suspend};
use super::reader::{Entry, Origin, Reader};
use super::{probe, suggest, value};

/// Reads `app.NAME.start` of an app of a kind that speaks `protocol`.
pub(super) fn start(table: &mut Reader<'_, '_>, protocol: Protocol, kind: Kind) -> Start {
    let default = Start::default();
    let timeout = table.setting("timeout", default.timeout, value::some_duration);
    let max_timeout = table.setting("max_timeout", default.max_timeout, value::some_duration);
    let path = table.path().to_owned();
    // The work of a oneshot takes as long as it takes, unless the file says otherwise.
    let is_unlimited = kind == Kind::Oneshot && timeout.origin == Origin::Default;
    if !is_unlimited {
        value::in_order(table.mistakes(), &path, &timeout, &max_timeout);
    }
    Start {
        timeout: if is_unlimited { Duration::MAX } else { timeout.value },
        max_timeout: max_timeout.value,
        min_uptime: table.setting("min_uptime", default.min_uptime, value::duration).value,
        probe: probe::read(table, protocol),
        parallel: table.optional("parallel", value::whole(1..=100_000)),
    }
}

/// Reads `app.NAME.stop`.
pub(super) fn stop(table: &mut Reader<'_, '_>) -> Stop {
    let default = Stop::default();
    Stop {
        pre_delay: table.setting("pre_delay", default.pre_delay, value::duration).value,
        drain_timeout: table.setting("drain_timeout", default.drain_timeout, value::duration).value,
        term_timeout: table.setting("term_timeout", default.term_timeout, value::duration).value,
        signal: table.setting("signal", default.signal, signal).value,
        to: table.setting("to", default.to, value::word(RECEIVERS)).value,
    }
}

const RECEIVERS: &[(&str, StopTo)] = &[("process", StopTo::Process), ("group", StopTo::Group)];

/// Reads `app.NAME.suspend`, which only a worker that can't be told otherwise has use for.
pub(super) fn suspend(app: &mut Reader<'_, '_>, protocol: Protocol) -> Option<Suspend> {
    let entry = app.entry("suspend")?;
    if protocol == Protocol::Drover {
        let message = format!("{} has no meaning for a worker of the protocol, which is told", entry.path);
        app.mistakes().add(entry.key_span, message).help("leave it out, or set `protocol = \"none\"`");
    }
    app.table("suspend", |table| {
        let help = "name both, for example `suspend = { signal = \"USR1\", resume_signal = \"USR2\" }`";
        let signal = table.required("signal", help, suspend_signal);
        let resume_signal = table.required("resume_signal", help, suspend_signal);
        Some(Suspend { signal: signal?, resume_signal: resume_signal? })
    })
}

/// As [`signal`]; SIGSTOP halts a program that knows of nothing.
fn suspend_signal<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<String> {
    match entry.item.as_str() {
        Some("STOP" | "SIGSTOP") => Some("SIGSTOP".to_owned()),
        _ => signal(entry, mistakes),
    }
}

/// A signal's name with or without `SIG`; canonical is with.
pub(super) fn signal<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<String> {
    let text = value::string(entry, mistakes)?;
    let name = text.strip_prefix("SIG").unwrap_or(text);
    if SIGNALS.contains(&name) {
        return Some(format!("SIG{name}"));
    }
    let (path, text) = (&entry.path, shown(text));
    if matches!(name, "KILL" | "STOP") {
        let help = "name one that a program can act on; SIGKILL follows by itself after `term_timeout`";
        mistakes.add(entry.span.clone(), format!("{path} is {text}, which no program can catch")).help(help);
        return None;
    }
    let help = match suggest::suggest(name, SIGNALS) {
        Some(known) => suggest::did_you_mean(known),
        None => "write for example `TERM`, `INT` or `QUIT`".to_owned(),
    };
    mistakes.add(entry.span.clone(), format!("unknown signal `{text}` for {path}")).help(help);
    None
}

/// The signals of signal(7) that a program can catch, without the real-time ones.
const SIGNALS: [&str; 27] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
    "TERM", "CHLD", "CONT", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "SYS",
];
