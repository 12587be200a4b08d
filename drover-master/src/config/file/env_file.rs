//! `app.NAME.env_file`: variables from files, which may hold what should not stand in a `drover.toml`.
//!
//! It is written as systemd's `EnvironmentFile` (`systemd.exec(5)`): a line is `KEY=VALUE`; empty lines and those that begin with
//! `#` or `;` are passed over. A backslash at the end of a line continues it. A value is taken without the space around it, or
//! stands in quotes, which may span lines: in single ones nothing has a meaning, in double ones a backslash takes its meaning from
//! `"`, `\`, `$` and a backtick, without quotes from any character. There are no expansions, and a `#` after a value belongs to it.
//! No value is ever shown, nor a line that may hold one.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::config::text::mistake::{Mistakes, shown};
use crate::config::text::reader::KeyValue;
use crate::config::text::value;

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
pub(super) fn paths<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<Vec<EnvFile>> {
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
                Err(LineFault { line, what, help }) => {
                    mistakes.add(file.span.clone(), format!("{name}:{line}: {what}")).help(help);
                }
            },
        }
    }
    variables
}

/// The names of the variables that a file has; none if it can't be read.
pub(super) fn names(path: &Path) -> Vec<String> {
    let found = content(path).ok().and_then(|text| parse(&text).ok()).unwrap_or_default();
    found.into_iter().map(|(name, _)| name).collect()
}

enum Unusable {
    Io(io::Error),
    Because(String),
}

fn content(path: &Path) -> Result<String, Unusable> {
    let metadata = std::fs::metadata(path).map_err(Unusable::Io)?;
    // Before it is opened: to open a FIFO is to wait for its writer (fifo(7)).
    if !metadata.is_file() {
        return Err(Unusable::Because("is not a regular file".to_owned()));
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
        Unusable::Because(format!("is not UTF-8 text: line {line} has bytes that are not characters"))
    })
}

/// What is wrong with a line. It never quotes one.
#[derive(Debug, PartialEq, Eq)]
struct LineFault {
    line: usize,
    what: &'static str,
    help: &'static str,
}

type Wrong = (&'static str, &'static str);

fn parse(text: &str) -> Result<Vec<(String, String)>, LineFault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut variables = Vec::new();
    let mut rest = RestOfFile { chars: text.chars().peekable(), line: 1 };
    while let Some(begin) = rest.next_assignment() {
        let fault = |(what, help)| LineFault { line: begin, what, help };
        let key = rest.key().map_err(fault)?;
        let value = rest.value().map_err(fault)?;
        if key.contains('\0') || value.contains('\0') {
            return Err(fault(("this line contains a NUL character", "remove it: no variable can hold it")));
        }
        variables.push((key, value));
    }
    Ok(variables)
}

/// What is still to be read, and the line that it begins in.
struct RestOfFile<'t> {
    chars: std::iter::Peekable<std::str::Chars<'t>>,
    line: usize,
}

impl RestOfFile<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.chars.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn skip_while(&mut self, is_skipped: impl Fn(char) -> bool) {
        while self.chars.peek().is_some_and(|next| is_skipped(*next)) {
            self.next();
        }
    }

    /// Passes over empty lines and comments: the line of the next assignment, if there is one.
    fn next_assignment(&mut self) -> Option<usize> {
        loop {
            self.skip_while(char::is_whitespace);
            match self.chars.peek()? {
                '#' | ';' => self.skip_while(|c| c != '\n'),
                _ => return Some(self.line),
            }
        }
    }

    fn key(&mut self) -> Result<String, Wrong> {
        const HELP: &str = "write KEY=VALUE, one a line";
        let mut key = String::new();
        loop {
            match self.next() {
                None | Some('\n') => return Err(("this line has no `=`", HELP)),
                Some('=') => break,
                Some(other) => key.push(other),
            }
        }
        key.truncate(key.trim_end().len());
        if key.is_empty() {
            return Err(("there is no name before the `=`", HELP));
        }
        if key.contains(char::is_whitespace) {
            return Err((
                "the name before the `=` has a space in it",
                "write KEY=VALUE, without `export`; a `\\` at the end of a line continues it",
            ));
        }
        // What is passed to a program may have other names, but what stands here without being meant is mostly none of these.
        let is_inside = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let is_name =
            key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && key.chars().all(is_inside);
        if !is_name && !key.contains('\0') {
            return Err((
                "the text before the `=` is not the name of a variable",
                "a name begins with a letter or `_`; a `\\` at the end of the line above continues that one",
            ));
        }
        Ok(key)
    }

    fn value(&mut self) -> Result<String, Wrong> {
        self.skip_while(|c| c != '\n' && c.is_whitespace());
        match self.chars.peek() {
            Some('"' | '\'') => self.quoted(),
            _ => Ok(self.bare()),
        }
    }

    /// Up to the end of the line.
    fn bare(&mut self) -> String {
        let mut text = String::new();
        // What was escaped is kept, also if it is a space at the end.
        let mut kept = 0;
        loop {
            match self.next() {
                None | Some('\n') => break,
                Some('\\') => match self.next() {
                    Some('\n') | None => {}
                    Some(plain) => {
                        text.push(plain);
                        kept = text.len();
                    }
                },
                Some(other) => text.push(other),
            }
        }
        text.truncate(text.trim_end().len().max(kept));
        text
    }

    fn quoted(&mut self) -> Result<String, Wrong> {
        let mut text = String::new();
        let quote = self.next();
        loop {
            match self.next() {
                None => {
                    return Err((
                        "a quote is not closed",
                        "close it; write a quote within a value after a backslash, in double quotes",
                    ));
                }
                end if end == quote => break,
                Some('\\') if quote == Some('"') => match self.next() {
                    Some(plain @ ('"' | '\\' | '$' | '`')) => text.push(plain),
                    Some('\n') | None => {}
                    Some(other) => text.extend(['\\', other]),
                },
                Some(other) => text.push(other),
            }
        }
        self.skip_while(|c| c != '\n' && c.is_whitespace());
        match self.next() {
            None | Some('\n') => Ok(text),
            Some(_) => Err((
                "there is something after the closing quote",
                "put all of the value in quotes, or none of it",
            )),
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
            ("A=$HOME %x", "A", "$HOME %x"),
            (r"A=a\\b\c\ ", "A", r"a\bc "),
            ("A=-Xms1g \\\n  -Dfoo=bar", "A", "-Xms1g   -Dfoo=bar"),
            ("A=1\\\r\n2", "A", "12"),
            ("A=\"b\\\nc\nd\"", "A", "bc\nd"),
            ("A='b\\\nc'", "A", "b\\\nc"),
            ("A=b\\", "A", "b"),
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
        let found = parse("\u{feff}A=1\r\n\r\n  # B=2 \\\r\n;B=3\nC=\"3\"\r\n").unwrap();
        assert_eq!(found, [("A".to_owned(), "1".to_owned()), ("C".to_owned(), "3".to_owned())]);
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn a_wrong_line_is_told_by_its_number_and_not_shown() {
        for (text, line, what) in [
            ("A=1\nsecret", 2, "this line has no `=`"),
            ("=secret", 1, "there is no name before the `=`"),
            ("\n\nexport A=secret", 3, "the name before the `=` has a space in it"),
            ("A=sec\0ret", 1, "this line contains a NUL character"),
            ("JAVA_OPTS=-Xms1g\n-Dfoo=secret", 2, "the text before the `=` is not the name of a variable"),
            ("1A=secret", 1, "the text before the `=` is not the name of a variable"),
            ("A=1 \\\n2\nsecret", 3, "this line has no `=`"),
            ("A=\"secret", 1, "a quote is not closed"),
            ("\nA='sec\nret", 2, "a quote is not closed"),
            ("A=\"secret\\\"", 1, "a quote is not closed"),
            ("A='sec'ret", 1, "there is something after the closing quote"),
            ("A='secret' # comment", 1, "there is something after the closing quote"),
        ] {
            let fault = parse(text).unwrap_err();
            assert_eq!((fault.line, fault.what), (line, what), "{text}");
            assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
        }
    }
}
