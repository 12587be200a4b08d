//! What an app runs, and in which surroundings: values of `[app.NAME]` that are no plain numbers, times or words.

use std::ffi::OsString;

use super::mistake::{Mistakes, shown};
use super::reader::Entry;
use super::{names, suggest, value};
use crate::config::Stdin;

/// Reads a program and its arguments: an array, or a text that is split into words.
pub(in crate::config) fn command<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<Vec<String>> {
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

fn split_command<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<Vec<String>> {
    let words = shlex::split(value::string(entry, mistakes)?);
    if words.is_none() {
        let message = format!("{} has a quote that is not closed, or ends in a backslash", entry.path);
        mistakes
            .add(entry.span.clone(), message)
            .help("write it as an array, which needs no quoting: `[\"program\", \"argument\"]`");
    }
    words
}

fn listed_command<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<Vec<String>> {
    let words = value::elements(entry, mistakes, ("strings", "a string"), |word| word.as_str())?;
    for (_, span) in words.iter().filter(|(word, _)| word.contains('\0')) {
        mistakes.add(span.clone(), format!("{} contains a NUL character", entry.path));
    }
    // Without its mistaken elements it would only seem to be empty, or to run something else.
    let whole = entry.item.as_array().is_some_and(|array| array.len() == words.len());
    whole.then(|| words.into_iter().map(|(word, _)| word.to_owned()).collect())
}

pub(in crate::config) fn workers<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<u32> {
    if entry.item.is_integer() {
        return value::whole(1..=100_000)(entry, mistakes);
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

pub(super) fn socket_names<'t>(
    entry: &Entry<'t>,
    mistakes: &mut Mistakes<'t>,
    known: &[&str],
) -> Option<Vec<String>> {
    if let Some(name) = entry.item.as_str() {
        let help = format!("write `[\"{}\"]`", shown(name));
        entry.mistype(mistakes, "an array of socket names").help(help);
        return None;
    }
    let names = value::elements(entry, mistakes, ("socket names", "a socket's name"), |name| name.as_str())?;
    for (index, (name, span)) in names.iter().enumerate() {
        if let Some((_, first)) = names[..index].iter().find(|(earlier, _)| earlier == name) {
            mistakes
                .add(span.clone(), format!("{} names `{}` twice", entry.path, shown(name)))
                .label(first.clone(), "first here");
        } else if !known.contains(name) {
            let help = match suggest::suggest(name, known.iter().copied()) {
                Some(known) => suggest::did_you_mean(known),
                None => format!("add `[sockets.{}]` with its `listen`", names::key_shown(name)),
            };
            mistakes
                .add(span.clone(), format!("unknown socket `{}` in {}", shown(name), entry.path))
                .help(help);
        }
    }
    Some(names.into_iter().map(|(name, _)| name.to_owned()).collect())
}

/// What is its standard input; whether it is one of the app's sockets is known once these are.
pub(in crate::config) fn stdin<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<Stdin> {
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

pub(in crate::config) fn env<'t>(
    entry: &Entry<'t>,
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

fn env_value<'t>(variable: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<&'t str> {
    if variable.item.is_integer() || variable.item.is_bool() || variable.item.is_float() {
        let source = mistakes.source(&variable.span);
        let help = format!("quote it: `{} = \"{source}\"`", names::key_shown(variable.name));
        variable.mistype(mistakes, "a string").help(help);
        return None;
    }
    value::string(variable, mistakes)
}

/// A name, or an id; which one exists is found out when the app is built.
pub(in crate::config) fn account<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<String> {
    match entry.item.as_integer() {
        // All ones means "no change" to the kernel.
        Some(_) => value::whole(0..=u32::MAX - 1)(entry, mistakes).map(|id| id.to_string()),
        None if entry.item.is_str() => value::filled_string(entry, mistakes).map(str::to_owned),
        None => {
            entry.mistype(mistakes, "a name or an id").help("write for example `\"www-data\"`");
            None
        }
    }
}

pub(in crate::config) fn umask<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<u32> {
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
                format!("{} is no file mode from 0 to 0777: `{}`", entry.path, shown(text)),
            )
            .help(HELP);
    }
    mask
}
