//! How values of `[app.NAME]` are read that are no plain numbers, times or words.

use crate::signal::Signal;
use std::ffi::OsString;

use super::kind::ValueKind;
use super::whole::Whole;
use super::words::POLICIES;
use crate::config::text::mistake::{Mistakes, key_shown, shown};
use crate::config::text::reader::KeyValue;
use crate::config::text::{suggest, value};
use crate::config::{MAX_WORKERS, RestartWhen, Share, Stdin};

/// Reads a program and its arguments: an array, or a text that is split into words.
pub(super) fn command<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<Vec<String>> {
    let words = if entry.item.is_str() {
        split_command(entry, mistakes)?
    } else if entry.item.is_array() {
        listed_command(entry, mistakes)?
    } else {
        entry.mistype(mistakes, "an array of strings or a string");
        return None;
    };
    let fault = match words.first() {
        None => "is empty",
        Some(program) if program.is_empty() => "has an empty program name",
        Some(_) => return Some(words),
    };
    mistakes
        .add(entry.span.clone(), format!("{} {fault}", entry.path))
        .help("say what to run, for example `[\"node\", \"server.js\"]`");
    None
}

fn split_command<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<Vec<String>> {
    let words = shlex::split(value::string(entry, mistakes)?);
    if words.is_none() {
        let message = format!("{} has a quote that is not closed, or ends in a backslash", entry.path);
        mistakes
            .add(entry.span.clone(), message)
            .help("write it as an array, which needs no quoting: `[\"program\", \"argument\"]`");
    }
    words
}

fn listed_command<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<Vec<String>> {
    let words = value::elements(entry, mistakes, ("strings", "a string"), |word| word.as_str())?;
    for (_, span) in words.iter().filter(|(word, _)| word.contains('\0')) {
        mistakes.add(span.clone(), format!("{} contains a NUL character", entry.path));
    }
    // Without its mistaken elements it would only seem to be empty, or to run something else.
    let whole = entry.item.as_array().is_some_and(|array| array.len() == words.len());
    whole.then(|| words.into_iter().map(|(word, _)| word.to_owned()).collect())
}

pub(super) fn workers<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<u32> {
    if entry.item.is_integer() {
        return Whole(1, MAX_WORKERS.into()).read(None, entry, mistakes);
    }
    let mistake = match entry.item.as_str() {
        Some("auto") => return Some(crate::config::cpus()),
        Some(text) => {
            let message = format!("{} is neither a number nor `\"auto\"`", entry.path);
            let mistake = mistakes.add(entry.span.clone(), message);
            if text.parse::<u32>().is_ok() {
                mistake.help("write it without the quotes");
                return None;
            }
            mistake
        }
        None => entry.mistype(mistakes, "an integer"),
    };
    mistake.help("write for example `4`, or `\"auto\"` for one on each CPU");
    None
}

/// What is its standard input; whether it is one of the app's sockets is known once these are.
pub(super) fn master_name<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<String> {
    let name = value::string(entry, mistakes)?;
    if let Some((fault, help)) = crate::config::name_fault(name) {
        entry.refuse(mistakes, fault).help(help);
        return None;
    }
    Some(name.to_owned())
}

pub(super) fn stdin<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<Stdin> {
    let text = value::string(entry, mistakes)?;
    let stdin = text.parse().ok();
    if stdin.is_none() {
        let message =
            format!("{} is `{}`, neither `null`, `open` nor `socket:NAME`", entry.path, shown(text));
        mistakes
            .add(entry.span.clone(), message)
            .help("`open` is for programs that leave when it ends; after `socket:` stands one of the app's `sockets`");
    }
    stdin
}

pub(super) fn env<'t>(
    entry: &KeyValue<'t>,
    mistakes: &mut Mistakes<'t>,
) -> Option<Vec<(OsString, OsString)>> {
    if !entry.item.is_table_like() {
        // What it holds may be secret, so the help does not repeat it.
        entry.mistype(mistakes, "a table").help("write `env = { NAME = \"value\" }`");
        return None;
    }
    let mut variables = Vec::new();
    for variable in entry.rows(mistakes) {
        if variable.name.is_empty() || variable.name.contains(['=', '\0']) {
            mistakes
                .add(variable.key_span.clone(), format!("{} cannot be the name of a variable", variable.path))
                .help("a name is not empty and has no `=`");
        }
        if let Some(text) = env_value(&variable, mistakes) {
            variables.push((variable.name.into(), text.into()));
        }
    }
    Some(variables)
}

fn env_value<'t>(variable: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<&'t str> {
    if variable.item.is_integer() || variable.item.is_bool() || variable.item.is_float() {
        let source = mistakes.source(&variable.span);
        let help = format!("quote it: `{} = \"{source}\"`", key_shown(variable.name));
        variable.mistype(mistakes, "a string").help(help);
        return None;
    }
    value::string(variable, mistakes)
}

/// A name, or an id; which one exists is found out when the app is built.
pub(super) fn account<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<String> {
    match entry.item.as_integer() {
        // All ones means "no change" to the kernel.
        Some(_) => {
            Whole(0, i64::from(u32::MAX) - 1).read(None, entry, mistakes).map(|id: u32| id.to_string())
        }
        None if entry.item.is_str() => value::filled_string(entry, mistakes).map(str::to_owned),
        None => {
            entry.mistype(mistakes, "a name or an id").help("write for example `\"www-data\"`");
            None
        }
    }
}

pub(super) fn umask<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<u32> {
    const HELP: &str = "write octal digits in quotes, for example `\"0027\"`";
    let Some(text) = entry.item.as_str() else {
        entry.mistype(mistakes, "a string").help(HELP);
        return None;
    };
    let octal = (1..=4).contains(&text.len()) && text.chars().all(|c| c.is_digit(8));
    let mask = u32::from_str_radix(text, 8).ok().filter(|mask| octal && *mask <= 0o777);
    if mask.is_none() {
        mistakes
            .add(
                entry.span.clone(),
                format!("{} is not a file mode from 0 to 0777: `{}`", entry.path, shown(text)),
            )
            .help(HELP);
    }
    mask
}

/// A number of workers, or a part of them.
pub(super) fn share<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<Share> {
    const HELP: &str = "write a number of workers, for example `2`, or a part of them, for example `\"25%\"`";
    if entry.item.is_integer() {
        return Whole(0, MAX_WORKERS.into()).read(None, entry, mistakes).map(Share::Count);
    }
    let Some(text) = entry.item.as_str() else {
        entry.mistype(mistakes, "an integer or a percentage").help(HELP);
        return None;
    };
    match text.parse() {
        Ok(Share::Percent(percent)) => Some(Share::Percent(percent)),
        Ok(Share::Count(_)) => {
            entry.mistype(mistakes, "an integer or a percentage").help("write it without the quotes");
            None
        }
        Err(_) => {
            let message = format!("{} is not a percentage from 0% to 100%: `{}`", entry.path, shown(text));
            mistakes.add(entry.span.clone(), message).help(HELP);
            None
        }
    }
}

/// Reads a policy's word; those of compose, systemd, supervisord and pm2 are answered with ours.
pub(super) fn restart<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<RestartWhen> {
    let ours = match entry.item.as_str() {
        Some("unless-stopped" | "unless_stopped" | "yes" | "true" | "any") => "always",
        Some("on-abnormal" | "on-abort" | "on_failure" | "unexpected" | "transient") => "on-failure",
        Some("no" | "none" | "false" | "off" | "temporary") => "never",
        _ => return value::word(POLICIES.0)(entry, mistakes),
    };
    let text = mistakes.source(&entry.span).trim_matches(['"', '\'']).to_owned();
    mistakes
        .add(entry.span.clone(), format!("unknown word `{}` for {}", shown(&text), entry.path))
        .help(format!("here it is `{ours}`"));
    None
}

/// Exit codes.
pub(super) fn exit_codes<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<Vec<i32>> {
    let codes = value::elements(entry, mistakes, ("exit codes", "an exit code from 0 to 255"), |value| {
        value.as_integer().and_then(|code| u8::try_from(code).ok()).map(i32::from)
    })?;
    Some(codes.into_iter().map(|(code, _)| code).collect())
}

/// A signal by its name, with or without `SIG`. SIGSTOP, where it may be one, halts a program that knows of nothing.
pub(super) fn signal<'t>(
    may_halt: bool,
    entry: &KeyValue<'t>,
    mistakes: &mut Mistakes<'t>,
) -> Option<Signal> {
    let text = value::string(entry, mistakes)?;
    let name = text.strip_prefix("SIG").unwrap_or(text);
    if SIGNALS.contains(&name) || (may_halt && name == "STOP") {
        return name.parse().ok();
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
