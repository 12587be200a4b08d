//! `app.NAME.env_file`: variables from files, which may hold what should not stand in a `drover.toml`.
//!
//! A line is `KEY=VALUE`; empty lines and those that begin with `#` are passed over. A value is taken as it is, without the
//! space around it, or stands in quotes: in single ones nothing has a meaning, in double ones a backslash takes its meaning from
//! `"`, `\`, `$` and a backtick. There are no expansions, and a `#` after a value belongs to it. No value is ever shown, nor a
//! line that may hold one.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::mistake::{Mistakes, shown};
use super::reader::Entry;
use super::value;

/// The largest file that is read, in bytes. The kernel takes less than this from all variables of a program on most hosts
/// (`execve(2)`: a quarter of the stack's limit).
const LARGEST: u64 = 1024 * 1024;

/// A file that is named, and where.
#[derive(Clone, Debug)]
pub(super) struct EnvFile {
    /// As it stands there.
    pub(super) path: PathBuf,
    /// The place of the name.
    pub(super) span: Range<usize>,
}

/// Reads the key: a path or several.
pub(super) fn paths<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<Vec<EnvFile>> {
    let file = |path: &str, span: Range<usize>| EnvFile { path: PathBuf::from(path), span };
    if entry.item.is_str() {
        return value::filled_string(entry, mistakes).map(|path| vec![file(path, entry.span.clone())]);
    }
    if !entry.item.is_array() {
        entry.mistype(mistakes, "a path or an array of paths").help("write for example `\"web.env\"`");
        return None;
    }
    let usable = |path: &&str| !path.is_empty() && !path.contains('\0');
    let paths = value::elements(entry, mistakes, ("paths", "a path"), |path| path.as_str().filter(usable))?;
    Some(paths.into_iter().map(|(path, span)| file(path, span)).collect())
}

/// Reads the files, each below `base`; a later one wins. What is wrong is noted where the file is named.
pub(super) fn read(files: &[EnvFile], base: &Path, mistakes: &mut Mistakes<'_>) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for file in files {
        let path = base.join(&file.path);
        let name = shown(&path.display().to_string());
        match content(&path) {
            Err(Unusable::Io(error)) => {
                let mistake = mistakes.add(file.span.clone(), format!("`{name}` can't be read: {error}"));
                if error.kind() == io::ErrorKind::NotFound && file.path.is_relative() {
                    mistake.help("a path is taken from the directory of this file");
                }
            }
            Err(Unusable::Because(reason)) => {
                mistakes.add(file.span.clone(), format!("`{name}` {reason}"));
            }
            Ok(text) => match parse(&text) {
                Ok(found) => variables.extend(found),
                Err(Fault { line, what, help }) => {
                    mistakes.add(file.span.clone(), format!("{name}:{line}: {what}")).help(help);
                }
            },
        }
    }
    variables
}

enum Unusable {
    Io(io::Error),
    Because(String),
}

fn content(path: &Path) -> Result<String, Unusable> {
    let metadata = std::fs::metadata(path).map_err(Unusable::Io)?;
    // Before it is opened: to open a FIFO is to wait for its writer (fifo(7)).
    if !metadata.is_file() {
        return Err(Unusable::Because("is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Unusable::Io)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(Unusable::Io)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Unusable::Because(format!("is larger than {LARGEST} bytes; is it the right file?")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        Unusable::Because(format!("is not UTF-8 text: line {line} has bytes that are no character"))
    })
}

/// What is wrong with a line. It never quotes one.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    line: usize,
    what: &'static str,
    help: &'static str,
}

fn parse(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = Vec::new();
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fault = |(what, help)| Fault { line: number, what, help };
        variables.push(variable(line).map_err(fault)?);
    }
    Ok(variables)
}

type Wrong = (&'static str, &'static str);

fn variable(line: &str) -> Result<(String, String), Wrong> {
    const HELP: &str = "write KEY=VALUE, one a line";
    let (key, value) = line.split_once('=').ok_or(("this line has no `=`", HELP))?;
    let key = key.trim_end();
    if key.is_empty() {
        return Err(("no name stands before the `=`", HELP));
    }
    if key.contains(char::is_whitespace) {
        return Err(("the name before the `=` has a space in it", "write KEY=VALUE, without `export`"));
    }
    if line.contains('\0') {
        return Err(("this line contains a NUL character", "remove it: no variable can hold it"));
    }
    Ok((key.to_owned(), unquoted(value.trim_start())?))
}

fn unquoted(value: &str) -> Result<String, Wrong> {
    let Some(quote @ ('"' | '\'')) = value.chars().next() else { return Ok(value.to_owned()) };
    let mut text = String::new();
    let mut rest = value[1..].chars();
    loop {
        match rest.next() {
            None => {
                return Err((
                    "a quote is not closed",
                    "close it on the same line; a quote within a value stands after a backslash, in double quotes",
                ));
            }
            Some(end) if end == quote => break,
            Some('\\') if quote == '"' => match rest.next() {
                Some(plain @ ('"' | '\\' | '$' | '`')) => text.push(plain),
                Some(other) => text.extend(['\\', other]),
                None => text.push('\\'),
            },
            Some(other) => text.push(other),
        }
    }
    match rest.as_str().trim_start() {
        "" => Ok(text),
        _ => {
            Err(("something stands after the closing quote", "put all of the value in quotes, or none of it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_as_they_are_or_out_of_their_quotes() {
        for (line, key, value) in [
            ("A=b", "A", "b"),
            ("  A = b c # d ", "A", "b c # d"),
            ("A=", "A", ""),
            ("A=b=c", "A", "b=c"),
            ("A=$HOME \\n", "A", "$HOME \\n"),
            ("A=it's", "A", "it's"),
            ("A=\"b c\"  ", "A", "b c"),
            ("A='b \"c\" \\'", "A", "b \"c\" \\"),
            (r#"A="\"b\" \\ \$c \`d\` \n""#, "A", r#""b" \ $c `d` \n"#),
            ("A=\"\"", "A", ""),
            ("a.b-c=1", "a.b-c", "1"),
        ] {
            assert_eq!(parse(line), Ok(vec![(key.to_owned(), value.to_owned())]), "{line}");
        }
    }

    #[test]
    fn comments_empty_lines_a_mark_and_windows_line_ends_are_no_variables() {
        let found = parse("\u{feff}A=1\r\n\r\n  # B=2\r\nC=\"3\"\r\n").unwrap();
        assert_eq!(found, [("A".to_owned(), "1".to_owned()), ("C".to_owned(), "3".to_owned())]);
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn a_wrong_line_is_told_by_its_number_and_not_shown() {
        for (text, line, what) in [
            ("A=1\nsecret", 2, "this line has no `=`"),
            ("=secret", 1, "no name stands before the `=`"),
            ("\n\nexport A=secret", 3, "the name before the `=` has a space in it"),
            ("A=sec\0ret", 1, "this line contains a NUL character"),
            ("A=\"secret", 1, "a quote is not closed"),
            ("A=\"secret\\\"", 1, "a quote is not closed"),
            ("A='sec'ret", 1, "something stands after the closing quote"),
            ("A='secret' # comment", 1, "something stands after the closing quote"),
        ] {
            let fault = parse(text).unwrap_err();
            assert_eq!((fault.line, fault.what), (line, what), "{text}");
            assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
        }
    }
}
