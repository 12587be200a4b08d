//! A cursor over the tables of a parsed file.
//!
//! A section asks a [`TableReader`] for its keys, one by one; the keys asked for are the keys that exist. When the
//! section is through, the keys of the table that nobody asked for are mistakes. A table that is absent, or is no
//! table, reads like an empty one, so that sections need no case for it.

use std::fmt::{self, Display};
use std::ops::Range;

use toml_edit::{Item, Key, Table, TableLike};

use super::foreign;
use super::mistake::{KeyPlace, Mistake, Mistakes, key_shown, shown};
use super::suggest::{did_you_mean, suggest};

/// One table of the file, in the middle of being read.
#[derive(Debug)]
pub(crate) struct TableReader<'t, 'm> {
    table: Option<Rows<'t>>,
    path: String,
    span: Range<usize>,
    asked: Vec<&'static str>,
    missing: Vec<MissingKey>,
    mistakes: &'m mut Mistakes<'t>,
}

impl<'t> TableReader<'t, '_> {
    /// Reads the file's outermost table.
    pub(crate) fn root<T>(
        table: &'t Table,
        mistakes: &mut Mistakes<'t>,
        read: impl FnOnce(&mut TableReader<'t, '_>) -> T,
    ) -> T {
        TableReader::section(Some(Rows(table)), String::new(), 0..0, mistakes, read)
    }

    /// Reads a table under a key of this one.
    pub(crate) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut TableReader<'t, '_>) -> T,
    ) -> T {
        let (table, path, span) = match self.entry(key) {
            Some(entry) => (entry.table(self.mistakes), entry.path, entry.key_span),
            None => (None, joined(&self.path, key), self.span.clone()),
        };
        TableReader::section(table, path, span, self.mistakes, read)
    }

    /// Reads a table of tables with names of the user's choice: `[key.NAME]`, in file order.
    pub(crate) fn named_tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut TableReader<'t, '_>, &KeyValue<'t>) -> T,
    ) -> Vec<T> {
        let rows = self.entry(key).map(|entry| entry.rows(self.mistakes)).unwrap_or_default();
        rows.into_iter()
            .map(|entry| {
                let table = entry.table(self.mistakes);
                let (path, span) = (entry.path.clone(), entry.key_span.clone());
                TableReader::section(table, path, span, self.mistakes, |reader| read(reader, &entry))
            })
            .collect()
    }

    fn section<T>(
        table: Option<Rows<'t>>,
        path: String,
        span: Range<usize>,
        mistakes: &mut Mistakes<'t>,
        read: impl FnOnce(&mut TableReader<'t, '_>) -> T,
    ) -> T {
        let (asked, missing) = (Vec::new(), Vec::new());
        let mut reader = TableReader { table, path, span, asked, missing, mistakes };
        let result = read(&mut reader);
        reader.finish();
        result
    }

    /// Asks for a key.
    pub(crate) fn entry(&mut self, key: &'static str) -> Option<KeyValue<'t>> {
        self.asked.push(key);
        let (key, item) = self.table.as_ref()?.0.get_key_value(key)?;
        Some(KeyValue::new(&self.path, key, item))
    }

    /// Asks for a value that may be absent.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&KeyValue<'t>, &mut Mistakes<'t>) -> Option<T>,
    ) -> Option<T> {
        let entry = self.entry(key)?;
        read(&entry, self.mistakes)
    }

    /// Asks for a value that must be there.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        help: &'static str,
        read: impl FnOnce(&KeyValue<'t>, &mut Mistakes<'t>) -> Option<T>,
    ) -> Option<T> {
        match self.entry(key) {
            Some(entry) => read(&entry, self.mistakes),
            None => {
                self.miss_key(key, help);
                None
            }
        }
    }

    /// Notes that a key is absent, unless this turns out to be because it is misspelt, or there is no table.
    pub(crate) fn miss(&mut self, key: &'static str, message: impl Into<String>, help: &'static str) {
        if self.table.is_some() {
            self.missing.push(MissingKey { key, message: message.into(), help });
        }
    }

    /// Notes that a key is absent that must be there.
    pub(crate) fn miss_key(&mut self, key: &'static str, help: &'static str) {
        self.miss(key, format!("missing key `{key}`{}", self.in_here()), help);
    }

    /// The dotted path of this table.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Where mistakes are noted.
    pub(crate) fn mistakes(&mut self) -> &mut Mistakes<'t> {
        self.mistakes
    }

    fn in_here(&self) -> String {
        if self.path.is_empty() { String::new() } else { format!(" in {}", self.path) }
    }

    /// Notes the keys that nobody asked for, and those that were asked for in vain.
    fn finish(mut self) {
        #[cfg(test)]
        self.note_asked();
        let Some(rows) = &self.table else { return };
        let here = self.in_here();
        for entry in rows.entries(&self.path) {
            if self.asked.contains(&entry.name) {
                continue;
            }
            let key = shown(entry.name);
            let mistake = self.mistakes.add(entry.key_span, format!("unknown key `{key}`{here}"));
            // A word of another tool first: what looks like one of ours by chance would lead astray.
            let foreign = foreign::answer(&self.path, entry.name);
            let known = match foreign {
                Some(answer) => {
                    mistake.help(answer.text());
                    answer.key()
                }
                None => {
                    let known = suggest(entry.name, self.asked.iter().copied());
                    known.inspect(|known| {
                        mistake.help(did_you_mean(known));
                    })
                }
            };
            self.missing.retain(|missing| Some(missing.key) != known);
        }
        for missing in self.missing {
            self.mistakes.add(self.span.clone(), missing.message).help(missing.help);
        }
    }
}

#[cfg(test)]
impl TableReader<'_, '_> {
    /// Notes the keys that there are in this table; a name of the user's choice is `*`.
    fn note_asked(&mut self) {
        let named =
            ["app.", "sockets."].into_iter().find_map(|top| Some((top, self.path.strip_prefix(top)?)));
        let path = match named {
            Some((top, rest)) => {
                let quoted = rest.strip_prefix('"').and_then(|inside| Some(inside.find('"')? + 2));
                let name = quoted.or_else(|| rest.find('.'));
                format!("{top}*{}", &rest[name.unwrap_or(rest.len())..])
            }
            None => self.path.clone(),
        };
        self.mistakes.asked.extend(self.asked.iter().map(|key| joined(&path, key)));
    }
}

/// A key and what it holds.
#[derive(Clone, Debug)]
pub(crate) struct KeyValue<'t> {
    /// The key itself.
    pub(crate) name: &'t str,
    /// The whole dotted path, as messages show it.
    pub(crate) path: String,
    /// The item under the key.
    pub(crate) item: &'t Item,
    /// Where the key stands.
    pub(crate) key_span: Range<usize>,
    /// Where the value stands; the key's place if it has none of its own, as an implied table.
    pub(crate) span: Range<usize>,
}

impl<'t> KeyValue<'t> {
    fn new(parent: &str, key: &'t Key, item: &'t Item) -> Self {
        let key_span = key.span().unwrap_or(0..0);
        let span = item.as_value().and_then(|value| value.span()).unwrap_or(key_span.clone());
        Self { name: key.get(), path: joined(parent, key.get()), item, key_span, span }
    }

    /// Notes what is wrong with the value, after the key's path; the answer takes the help.
    pub(crate) fn refuse<'m>(&self, mistakes: &'m mut Mistakes<'t>, fault: impl Display) -> &'m mut Mistake {
        mistakes.add(self.span.clone(), format!("{} {fault}", self.path))
    }

    /// Where it stands, and whether its value is right.
    pub(crate) fn place(&self, is_right: bool) -> KeyPlace {
        let elements = self.item.as_array().into_iter().flatten();
        KeyPlace {
            key_span: self.key_span.clone(),
            span: self.span.clone(),
            elements: elements.map(|element| element.span().unwrap_or(self.span.clone())).collect(),
            is_text: self.item.is_str(),
            is_right,
        }
    }

    /// Reads this as a table.
    pub(crate) fn section<T>(
        &self,
        mistakes: &mut Mistakes<'t>,
        read: impl FnOnce(&mut TableReader<'t, '_>) -> T,
    ) -> T {
        let table = self.table(mistakes);
        TableReader::section(table, self.path.clone(), self.key_span.clone(), mistakes, read)
    }

    /// The entries of this table; none, and a mistake, if it is not a table.
    pub(crate) fn rows(&self, mistakes: &mut Mistakes<'t>) -> Vec<Self> {
        self.table(mistakes).map(|rows| rows.entries(&self.path).collect()).unwrap_or_default()
    }

    /// Notes that this is not the kind of value it should be; the answer takes the help.
    pub(crate) fn mistype<'m>(&self, mistakes: &'m mut Mistakes<'t>, expected: &str) -> &'m mut Mistake {
        self.refuse(mistakes, format_args!("is {}, not {expected}", kind(self.item)))
    }

    fn table(&self, mistakes: &mut Mistakes<'t>) -> Option<Rows<'t>> {
        let table = self.item.as_table_like();
        if table.is_none() {
            let mistake = self.mistype(mistakes, "a table");
            if self.item.is_array_of_tables() {
                mistake.help(match self.path.as_str() {
                    "app" | "sockets" => {
                        format!("write `[{}.NAME]`, with a name of its own for each", self.path)
                    }
                    path => format!("write `[{path}]`"),
                });
            }
        }
        table.map(Rows)
    }
}

#[derive(Debug)]
struct MissingKey {
    key: &'static str,
    message: String,
    help: &'static str,
}

/// A table, written in whatever way.
struct Rows<'t>(&'t dyn TableLike);

impl<'t> Rows<'t> {
    fn entries(&self, path: &str) -> impl Iterator<Item = KeyValue<'t>> {
        let table = self.0;
        table
            .iter()
            .filter_map(move |(key, _)| table.get_key_value(key))
            .map(move |(key, item)| KeyValue::new(path, key, item))
    }
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(key, _)| key)).finish()
    }
}

fn joined(parent: &str, key: &str) -> String {
    if parent.is_empty() { key_shown(key) } else { format!("{parent}.{}", key_shown(key)) }
}

fn kind(item: &Item) -> &'static str {
    match item.type_name() {
        "string" => "a string",
        "integer" => "an integer",
        "float" => "a float",
        "boolean" => "a boolean",
        "datetime" => "a date",
        "array" => "an array",
        "array of tables" => "an array of tables",
        _ => "a table",
    }
}
