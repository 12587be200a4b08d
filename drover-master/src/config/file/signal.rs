//! Signals by their names.

use super::mistake::{Mistakes, shown};
use super::reader::Entry;
use super::{suggest, value};

/// As [`signal`]; SIGSTOP halts a program that knows of nothing.
pub(in crate::config) fn signal_or_stop<'t>(
    entry: &Entry<'t>,
    mistakes: &mut Mistakes<'t>,
) -> Option<String> {
    match entry.item.as_str() {
        Some("STOP" | "SIGSTOP") => Some("SIGSTOP".to_owned()),
        _ => signal(entry, mistakes),
    }
}

/// A signal's name with or without `SIG`; canonical is with.
pub(in crate::config) fn signal<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<String> {
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
