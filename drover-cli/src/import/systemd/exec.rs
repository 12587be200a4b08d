//! `ExecStart`: the command, with what systemd would fill in.

use super::unit::{UnitEntry, words};
use crate::import::draft::{DraftApp, ForeignText, ImportError};
use crate::import::value::literal;

/// Sets the command. Several, which a oneshot may have, run one after the other.
pub(super) fn command(
    source: &ForeignText,
    entries: &[&UnitEntry],
    unit: &str,
    app: &mut DraftApp,
) -> Result<(), ImportError> {
    let mut commands = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        commands.push(one(source, entry, unit, at + 1 == entries.len(), app)?);
    }
    let [only] = &commands[..] else {
        let last = commands.len() - 1;
        let script = commands.iter().enumerate().map(|(at, command)| {
            let exec = if at == last { "exec " } else { "" };
            let ignored = if command.is_ignored && at < last { " || true" } else { "" };
            format!("{exec}{}{ignored}", command.for_shell())
        });
        let script = script.collect::<Vec<_>>().join(" && ");
        app.set_command(&["sh", "-c", &script]);
        return Ok(());
    };
    if only.has_variables {
        app.set_command(&["sh", "-c", &format!("exec {}", only.for_shell())]);
    } else {
        app.set_command(&only.words);
    }
    Ok(())
}

struct UnitCommand {
    /// Its words, with `$$` as it stands if it has variables.
    words: Vec<String>,
    has_variables: bool,
    is_ignored: bool,
}

fn one(
    source: &ForeignText,
    entry: &UnitEntry,
    unit: &str,
    is_last: bool,
    app: &mut DraftApp,
) -> Result<UnitCommand, ImportError> {
    let place = || source.at(entry.line);
    let text = entry.value.trim_start_matches(['-', '@', ':', '+', '!', '|']);
    let prefixes = &entry.value[..entry.value.len() - text.len()];
    for prefix in prefixes.chars() {
        let why = match prefix {
            '@' => "a program has its own name as its first argument",
            '+' | '!' => "Drover gives no other rights to one command; set `user` for the app",
            '-' if is_last => {
                "an exit code counts as it is; name those that are success: `restart.success_codes`"
            }
            _ => "",
        };
        if !why.is_empty() {
            app.lose(place(), format!("{}={prefix}", entry.key), why);
        }
    }
    let read = words(text).filter(|words| !words.is_empty());
    let mut words = read.ok_or_else(|| {
        source.error(entry.line, format!("`{}` is not a command: is a quote left open?", entry.key))
    })?;
    if prefixes.contains('@') && words.len() > 1 {
        words.remove(1);
    }
    let words: Vec<String> = words.iter().map(|word| specifiers(source, entry, word, unit, app)).collect();
    let is_plain = |word: &String| !word.replace("$$", "").contains('$');
    let has_variables = !prefixes.contains(':') && !words.iter().skip(1).all(is_plain);
    let unescaped = |word: &String| {
        if has_variables || prefixes.contains(':') { word.clone() } else { word.replace("$$", "$") }
    };
    Ok(UnitCommand {
        words: words.iter().map(unescaped).collect(),
        has_variables,
        is_ignored: prefixes.contains('-'),
    })
}

impl UnitCommand {
    /// The words as a shell has to see them: `${X}` is one word, `$X` alone is split.
    fn for_shell(&self) -> String {
        let quote = |word: &String| {
            let is_name =
                |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            match word.strip_prefix('$') {
                Some(name) if self.has_variables && is_name(name) => word.clone(),
                _ if self.has_variables && word.contains('$') => {
                    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('`', "\\`");
                    format!("\"{}\"", escaped.replace("$$", "\\$"))
                }
                _ => shlex::try_quote(word).map_or_else(|_| word.clone(), |quoted| quoted.into_owned()),
            }
        };
        self.words.iter().map(quote).collect::<Vec<_>>().join(" ")
    }
}

/// Fills in `%n` and its like; what has no counterpart is named and left.
pub(super) fn specifiers(
    source: &ForeignText,
    entry: &UnitEntry,
    text: &str,
    unit: &str,
    app: &mut DraftApp,
) -> String {
    let mut made = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            made.push(c);
            continue;
        }
        let (prefix, instance) = unit.split_once('@').unwrap_or((unit, ""));
        match chars.next() {
            Some('%') => made.push('%'),
            Some('n') => made.push_str(&format!("{unit}.service")),
            Some('N') => made.push_str(unit),
            Some('p') => made.push_str(prefix),
            Some('i' | 'I') if !instance.is_empty() => made.push_str(instance),
            Some('t') => made.push_str("/run"),
            Some('S') => made.push_str("/var/lib"),
            Some('C') => made.push_str("/var/cache"),
            Some('L') => made.push_str("/var/log"),
            Some('E') => made.push_str("/etc"),
            other => {
                let specifier: String = ['%'].into_iter().chain(other).collect();
                let why = match other {
                    Some('i' | 'I') => {
                        "it is the instance of a template; each worker has its number as `{slot}`"
                    }
                    _ => "Drover does not fill it in; write its value",
                };
                app.lose(source.at(entry.line), format!("{}: {specifier}", entry.key), why);
                made.push_str(&specifier);
            }
        }
    }
    literal(&made)
}
