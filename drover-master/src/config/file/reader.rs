//! A cursor over the tables of a parsed file.
//!
//! A section asks a [`Reader`] for its keys, one by one; the keys asked for are the keys that exist. When the
//! section is through, the keys of the table that nobody asked for are mistakes. A table that is absent, or is no
//! table, reads like an empty one, so that sections need no case for it.

use std::ops::Range;

use toml_edit::{Item, Key, Table, TableLike};

use super::foreign;
use super::mistake::{Mistake, Mistakes, shown};
use super::names::key_shown;
use super::suggest::{did_you_mean, suggest};
use crate::config::keys;

/// One table of the file, in the middle of being read.
#[derive(Debug)]
pub(in crate::config) struct Reader<'t, 'm> {
    table: Option<Rows<'t>>,
    path: String,
    span: Range<usize>,
    asked: Vec<&'static str>,
    missing: Vec<Missing>,
    mistakes: &'m mut Mistakes<'t>,
}

impl<'t> Reader<'t, '_> {
    /// Reads the file's outermost table.
    pub(super) fn root<T>(
        table: &'t Table,
        mistakes: &mut Mistakes<'t>,
        read: impl FnOnce(&mut Reader<'t, '_>) -> T,
    ) -> T {
        Reader::section(Some(Rows(table)), String::new(), 0..0, mistakes, read)
    }

    /// Reads a table under a key of this one.
    pub(super) fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Reader<'t, '_>) -> T) -> T {
        let (table, path, span) = match self.entry(key) {
            Some(entry) => (entry.table(self.mistakes), entry.path, entry.key_span),
            None => (None, joined(&self.path, key), self.span.clone()),
        };
        Reader::section(table, path, span, self.mistakes, read)
    }

    /// Reads a table of tables with names of the user's choice: `[key.NAME]`, in file order.
    pub(super) fn named_tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Reader<'t, '_>, &Entry<'t>) -> T,
    ) -> Vec<T> {
        let rows = self.entry(key).map(|entry| entry.rows(self.mistakes)).unwrap_or_default();
        rows.into_iter()
            .map(|entry| {
                let table = entry.table(self.mistakes);
                let (path, span) = (entry.path.clone(), entry.key_span.clone());
                Reader::section(table, path, span, self.mistakes, |reader| read(reader, &entry))
            })
            .collect()
    }

    fn section<T>(
        table: Option<Rows<'t>>,
        path: String,
        span: Range<usize>,
        mistakes: &mut Mistakes<'t>,
        read: impl FnOnce(&mut Reader<'t, '_>) -> T,
    ) -> T {
        let (asked, missing) = (Vec::new(), Vec::new());
        let mut reader = Reader { table, path, span, asked, missing, mistakes };
        let result = read(&mut reader);
        reader.finish();
        result
    }

    /// Asks for a key.
    pub(super) fn entry(&mut self, key: &'static str) -> Option<Entry<'t>> {
        self.asked.push(key);
        let (key, item) = self.table.as_ref()?.0.get_key_value(key)?;
        Some(Entry::new(&self.path, key, item))
    }

    /// Asks for a value that may be absent.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Entry<'t>, &mut Mistakes<'t>) -> Option<T>,
    ) -> Option<T> {
        let entry = self.entry(key)?;
        read(&entry, self.mistakes)
    }

    /// Asks for a value that must be there.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        help: &'static str,
        read: impl FnOnce(&Entry<'t>, &mut Mistakes<'t>) -> Option<T>,
    ) -> Option<T> {
        match self.entry(key) {
            Some(entry) => read(&entry, self.mistakes),
            None => {
                let message = format!("missing key `{key}`{}", self.in_here());
                self.miss(key, message, help);
                None
            }
        }
    }

    /// Asks for a key of the table, by its name here; `required` is the help if it has to be there. Whether nothing is wrong with it.
    pub(in crate::config) fn key<S>(
        &mut self,
        key: &keys::Key<S>,
        name: &'static str,
        required: Option<&'static str>,
        into: &mut S,
    ) -> bool {
        let Some(entry) = self.entry(name) else {
            if let Some(help) = required {
                let message = format!("missing key `{name}`{}", self.in_here());
                self.miss(name, message, help);
            }
            return required.is_none();
        };
        // To say that there is none is right wherever it has no meaning.
        if let Some((fault, help)) = key.needs(into).filter(|_| !entry.item.is_bool()) {
            self.mistakes.add(entry.key_span.clone(), format!("{} {fault}", entry.path)).help(help);
        }
        let is_right = key.read(into, &entry, self.mistakes);
        self.mistakes.note_place(&entry, is_right);
        is_right
    }

    /// Notes that a key is absent, unless this turns out to be because it is misspelt, or there is no table.
    pub(super) fn miss(&mut self, key: &'static str, message: impl Into<String>, help: &'static str) {
        if self.table.is_some() {
            self.missing.push(Missing { key, message: message.into(), help });
        }
    }

    /// The dotted path of this table.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Where mistakes are noted.
    pub(super) fn mistakes(&mut self) -> &mut Mistakes<'t> {
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
impl Reader<'_, '_> {
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
pub(in crate::config) struct Entry<'t> {
    /// The key itself.
    pub(super) name: &'t str,
    /// The whole dotted path, as messages show it.
    pub(in crate::config) path: String,
    /// The item under the key.
    pub(in crate::config) item: &'t Item,
    /// Where the key stands.
    pub(super) key_span: Range<usize>,
    /// Where the value stands; the key's place if it has none of its own, as an implied table.
    pub(in crate::config) span: Range<usize>,
}

impl<'t> Entry<'t> {
    fn new(parent: &str, key: &'t Key, item: &'t Item) -> Self {
        let key_span = key.span().unwrap_or(0..0);
        let span = item.as_value().and_then(|value| value.span()).unwrap_or(key_span.clone());
        Self { name: key.get(), path: joined(parent, key.get()), item, key_span, span }
    }

    /// Reads this as a table.
    pub(in crate::config) fn section<T>(
        &self,
        mistakes: &mut Mistakes<'t>,
        read: impl FnOnce(&mut Reader<'t, '_>) -> T,
    ) -> T {
        let table = self.table(mistakes);
        Reader::section(table, self.path.clone(), self.key_span.clone(), mistakes, read)
    }

    /// The entries of this table; none, and a mistake, if it is no table.
    pub(super) fn rows(&self, mistakes: &mut Mistakes<'t>) -> Vec<Self> {
        self.table(mistakes).map(|rows| rows.entries(&self.path).collect()).unwrap_or_default()
    }

    /// Notes that this is not the kind of value it should be; the answer takes the help.
    pub(in crate::config) fn mistype<'m>(
        &self,
        mistakes: &'m mut Mistakes<'t>,
        expected: &str,
    ) -> &'m mut Mistake {
        mistakes.add(self.span.clone(), format!("{} is {}, not {expected}", self.path, kind(self.item)))
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
struct Missing {
    key: &'static str,
    message: String,
    help: &'static str,
}

/// A table, written in whatever way.
struct Rows<'t>(&'t dyn TableLike);

impl<'t> Rows<'t> {
    fn entries(&self, path: &str) -> impl Iterator<Item = Entry<'t>> {
        let table = self.0;
        table
            .iter()
            .filter_map(move |(key, _)| table.get_key_value(key))
            .map(move |(key, item)| Entry::new(path, key, item))
    }
}

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
