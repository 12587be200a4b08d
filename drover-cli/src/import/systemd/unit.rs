//! The form of a unit: sections, keys that may come again, lines that go on behind a backslash, words in quotes.

use crate::import::draft::{ForeignText, ImportError};

/// A key of a unit.
#[derive(Debug)]
pub(super) struct UnitEntry {
    /// Its section, such as `Service`.
    pub(super) section: String,
    /// Its name.
    pub(super) key: String,
    /// Its value.
    pub(super) value: String,
    /// The line where it begins.
    pub(super) line: usize,
}

/// Reads all keys. An empty value takes back what the key had before.
pub(super) fn entries(source: &ForeignText) -> Result<Vec<UnitEntry>, ImportError> {
    let mut entries: Vec<UnitEntry> = Vec::new();
    let mut section = None;
    let mut lines = source.text.lines().enumerate().map(|(at, line)| (at + 1, line));
    while let Some((at, line)) = lines.next() {
        let mut line = line.trim().to_owned();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        while let Some(begun) = line.strip_suffix('\\') {
            // A comment in between is none of it.
            let Some((_, next)) = lines.by_ref().find(|(_, next)| !next.trim_start().starts_with(['#', ';']))
            else {
                return Err(source.error(at, "goes on behind its `\\`, and the file ends there"));
            };
            line = format!("{} {}", begun.trim_end(), next.trim());
        }
        if let Some(name) = line.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            section = Some(name.to_owned());
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err(source.error(at, format!("`{line}` is neither `KEY=VALUE` nor a section")));
        };
        let Some(section) = &section else {
            return Err(source.error(at, "a key stands before the first section, such as `[Service]`"));
        };
        let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
        if value.is_empty() {
            entries.retain(|entry| entry.key != key || entry.section != *section);
            continue;
        }
        entries.push(UnitEntry { section: section.clone(), key, value, line: at });
    }
    Ok(entries)
}

/// The words of a value, with quotes and escapes as systemd reads them.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (_, '\\') => word.get_or_insert_default().push(match chars.next()? {
                'n' => '\n',
                't' => '\t',
                's' => ' ',
                c => c,
            }),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_systemd_does() {
        for (text, expected) in [
            ("a 'b c' \"d\\\"e\"", Some(&["a", "b c", "d\"e"][..])),
            ("A=\"b c\"d ''", Some(&["A=b cd", ""])),
            ("'open", None),
            ("end\\", None),
        ] {
            let read = words(text);
            assert_eq!(
                read.as_ref().map(|words| words.iter().map(String::as_str).collect::<Vec<_>>()).as_deref(),
                expected
            );
        }
    }
}
