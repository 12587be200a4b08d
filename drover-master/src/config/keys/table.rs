//! Values with keys of their own, which are changed as a whole.

#[cfg(feature = "file")]
use toml_edit::{Item, value as item};

use super::form::{Form, SubKey};
use super::key::Key;
use super::kind::{ValueFault, ValueKind};
#[cfg(feature = "file")]
use crate::config::text::{
    mistake::Mistakes,
    reader::KeyValue,
    tables::{header, inline},
};

/// A value with keys of its own, which is changed as a whole.
pub(super) struct SubTable<V: 'static> {
    pub(super) keys: &'static [Key<V>],
    /// The keys without which there is none, and what helps.
    required: &'static [(&'static str, &'static str)],
    /// What is wrong with one whose keys are right, each by itself.
    refused: fn(&V) -> Option<ValueFault>,
    /// What it is unless it is set.
    pub(super) default: fn() -> V,
    /// Whether a key that is left out has a value of its own.
    has_defaults: bool,
    /// Whether a file has it in one line.
    is_inline: bool,
    shown: fn(&V) -> Option<String>,
    form: fn(Vec<SubKey>) -> Form,
}

impl<V> SubTable<V> {
    /// One that a file has in one line, with a default for every key.
    pub(super) const fn new(
        keys: &'static [Key<V>],
        default: fn() -> V,
        shown: fn(&V) -> Option<String>,
    ) -> Self {
        Self {
            keys,
            required: &[],
            refused: |_| None,
            default,
            has_defaults: true,
            is_inline: true,
            shown,
            form: Form::Table,
        }
    }

    /// Names the keys without which there is none, and what helps.
    pub(super) const fn requiring(mut self, required: &'static [(&'static str, &'static str)]) -> Self {
        self.required = required;
        self.without_defaults()
    }

    /// Says what is wrong with one whose keys are right, each by itself.
    pub(super) const fn refusing(mut self, refused: fn(&V) -> Option<ValueFault>) -> Self {
        self.refused = refused;
        self
    }

    /// What it leaves out has no value of its own.
    pub(super) const fn without_defaults(mut self) -> Self {
        self.has_defaults = false;
        self
    }

    /// A file has it under a header of its own.
    pub(super) const fn with_header(mut self) -> Self {
        self.is_inline = false;
        self
    }

    /// Says what values it takes.
    pub(super) const fn of_form(mut self, form: fn(Vec<SubKey>) -> Form) -> Self {
        self.form = form;
        self
    }
}

impl<V: Clone> ValueKind<V> for SubTable<V> {
    fn shown(&self, value: &V) -> Option<String> {
        (self.shown)(value)
    }

    fn form(&self) -> Form {
        let default = self.has_defaults.then(self.default);
        let part = |key: &Key<V>| SubKey {
            name: key.path,
            form: key.form(),
            default: default.as_ref().and_then(|default| key.shown(default)),
            is_required: self.required.iter().any(|(name, _)| *name == key.path),
            sentence: key.sentence,
        };
        (self.form)(self.keys.iter().map(part).collect())
    }

    fn fault(&self, value: &V) -> Option<ValueFault> {
        let of_key = self.keys.iter().find_map(|key| {
            let ValueFault { below, what } = key.fault(value)?;
            Some(ValueFault { below: format!(".{}{below}", key.path), what })
        });
        of_key.or_else(|| (self.refused)(value))
    }

    #[cfg(feature = "file")]
    fn read<'t>(&self, now: Option<&V>, entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<V> {
        let mut value = now.cloned().unwrap_or_else(self.default);
        let before = mistakes.count();
        let is_whole = entry.section(mistakes, |table| {
            self.keys.iter().fold(true, |is_whole, key| {
                let required = self.required.iter().find(|(name, _)| *name == key.path());
                key.ask(table, key.path(), required.map(|(_, help)| *help), &mut value) && is_whole
            })
        });
        if let Some(fault) = (self.refused)(&value) {
            // A key that is misspelt may be the one that is missing.
            if mistakes.count() == before {
                entry.refuse(mistakes, fault.what);
            }
            return None;
        }
        // One that has to be there and is not leaves nothing to go on with.
        (is_whole || self.required.is_empty()).then_some(value)
    }

    #[cfg(feature = "file")]
    fn write(&self, value: &V) -> Option<Item> {
        let rows = self.keys.iter().filter_map(|key| Some((key.path(), key.write(value)?)));
        Some(if self.is_inline { inline(rows) } else { header(rows) })
    }
}

/// A table, or `false` for none; and how it is written, for example.
pub(super) struct OrFalse<V: 'static>(
    pub(super) SubTable<V>,
    #[cfg_attr(not(feature = "file"), expect(dead_code, reason = "only a mistake in a file shows it"))]
    pub(super) &'static str,
);

impl<V: Clone> ValueKind<Option<V>> for OrFalse<V> {
    fn shown(&self, value: &Option<V>) -> Option<String> {
        self.0.shown(value.as_ref()?)
    }

    fn form(&self) -> Form {
        self.0.form()
    }

    fn fault(&self, value: &Option<V>) -> Option<ValueFault> {
        self.0.fault(value.as_ref()?)
    }

    #[cfg(feature = "file")]
    fn read<'t>(
        &self,
        now: Option<&Option<V>>,
        entry: &KeyValue<'t>,
        mistakes: &mut Mistakes<'t>,
    ) -> Option<Option<V>> {
        match entry.item.as_bool() {
            Some(false) => Some(None),
            Some(true) => Some(Some((self.0.default)())),
            None if !entry.item.is_table_like() => {
                entry.mistype(mistakes, "a table or `false`").help(format!("write for example `{}`", self.1));
                None
            }
            None => self.0.read(now.and_then(Option::as_ref), entry, mistakes).map(Some),
        }
    }

    #[cfg(feature = "file")]
    fn write(&self, value: &Option<V>) -> Option<Item> {
        value.as_ref().map_or_else(|| Some(item(false)), |value| self.0.write(value))
    }
}
