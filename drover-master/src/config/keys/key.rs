//! A row of the table of keys.

use std::fmt;

#[cfg(feature = "file")]
use toml_edit::Item;

use super::field::Field;
use super::form::Form;
use super::kind::ValueFault;
use crate::config::ChangeClass;
#[cfg(feature = "file")]
use crate::config::text::{
    mistake::Mistakes,
    reader::{KeyValue, TableReader},
};

/// One key of a description of `S`.
pub struct Key<S: 'static> {
    pub(super) path: &'static str,
    pub(super) takes: ChangeClass,
    why: Option<&'static str>,
    pub(super) field: &'static dyn Field<S>,
    needs: fn(&S) -> Option<Pointless>,
    setting: Setting<S>,
    is_secret: bool,
    is_of_file: bool,
    is_of_machine: bool,
    pub(super) sentence: &'static str,
}

/// What is wrong with a key that has no meaning, and what helps.
pub(in crate::config) type Pointless = (&'static str, &'static str);

/// What the settings of an app tell of a key.
enum Setting<S: 'static> {
    /// Its value, if it has one.
    Value,
    /// The same, where it has a meaning and is worth a line.
    Where(fn(&S) -> bool),
    /// Something else.
    As(fn(&S) -> Option<String>),
}

impl<S> Key<S> {
    /// One that is shown, and in a file, and has a meaning everywhere. Made by [`keys`].
    pub(super) const fn row(
        path: &'static str,
        takes: ChangeClass,
        field: &'static dyn Field<S>,
        sentence: &'static str,
    ) -> Self {
        Self {
            path,
            takes,
            why: None,
            field,
            needs: |_| None,
            setting: Setting::Value,
            is_secret: false,
            is_of_file: true,
            is_of_machine: false,
            sentence,
        }
    }

    /// Says why its change takes so much.
    pub(super) const fn because(mut self, why: &'static str) -> Self {
        self.why = Some(why);
        self
    }

    /// Says where it has no meaning, and what helps.
    pub(super) const fn needing(mut self, needs: fn(&S) -> Option<Pointless>) -> Self {
        self.needs = needs;
        self
    }

    /// Shows it among the settings of an app only there.
    pub(super) const fn where_(mut self, is_told: fn(&S) -> bool) -> Self {
        self.setting = Setting::Where(is_told);
        self
    }

    /// Shows it otherwise among the settings of an app.
    pub(super) const fn told_as(mut self, told: fn(&S) -> Option<String>) -> Self {
        self.setting = Setting::As(told);
        self
    }

    /// Its values are never shown.
    pub(super) const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// It is for programs; a file has no such key.
    pub(super) const fn of_programs(mut self) -> Self {
        self.is_of_file = false;
        self
    }

    /// What it is unless it is set is taken from the machine.
    pub(super) const fn of_machine(mut self) -> Self {
        self.is_of_machine = true;
        self
    }

    /// Its path in the description, such as `stop.drain_timeout`.
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// The table that it stands in, if it is not the outermost one.
    pub fn section(&self) -> Option<&'static str> {
        self.path.rsplit_once('.').map(|(section, _)| section)
    }

    /// Its name in that table.
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }

    /// What a change of it takes.
    pub const fn takes(&self) -> ChangeClass {
        self.takes
    }

    /// Why it takes that much, where it takes more than new workers.
    pub const fn why(&self) -> Option<&'static str> {
        self.why
    }

    /// Whether its values may be secrets, and are never shown.
    pub const fn is_secret(&self) -> bool {
        self.is_secret
    }

    /// Whether `drover.toml` has it. Some are for programs.
    pub const fn is_of_file(&self) -> bool {
        self.is_of_file
    }

    /// Whether what it is unless it is set is taken from the machine that runs it.
    pub const fn is_of_machine(&self) -> bool {
        self.is_of_machine
    }

    /// What it is, for people.
    pub const fn sentence(&self) -> &'static str {
        self.sentence
    }

    /// What values it takes.
    pub fn form(&self) -> Form {
        self.field.form()
    }

    /// Its value, for people; none: nothing is set.
    pub fn shown(&self, of: &S) -> Option<String> {
        self.field.shown(of)
    }

    /// What is wrong with its value.
    pub(in crate::config) fn fault(&self, of: &S) -> Option<ValueFault> {
        self.field.fault(of)
    }

    /// Why it has no meaning, where it has none, and what helps.
    pub(in crate::config) fn needs(&self, of: &S) -> Option<Pointless> {
        (self.needs)(of)
    }

    /// What the settings of an app tell of it.
    pub(super) fn told(&self, of: &S) -> Option<String> {
        match self.setting {
            _ if self.needs(of).is_some() => None,
            Setting::Value => self.shown(of),
            Setting::Where(is_told) => is_told(of).then(|| self.shown(of)).flatten(),
            Setting::As(told) => told(of),
        }
    }

    /// Whether two descriptions have the same.
    pub(in crate::config) fn is_same(&self, old: &S, new: &S) -> bool {
        self.field.is_same(old, new)
    }
}

#[cfg(feature = "file")]
impl<S> Key<S> {
    /// Asks a table for it, by its name there; `required` is the help if it has to be there. Whether nothing is wrong with it.
    pub(in crate::config) fn ask(
        &self,
        table: &mut TableReader<'_, '_>,
        name: &'static str,
        required: Option<&'static str>,
        into: &mut S,
    ) -> bool {
        let Some(entry) = table.entry(name) else {
            if let Some(help) = required {
                table.miss_key(name, help);
            }
            return required.is_none();
        };
        // What is under every app concerns those for which it has a meaning.
        if self.needs(into).is_some() && table.mistakes().is_default(&entry.key_span) {
            return true;
        }
        // To say that there is none is right wherever it has no meaning.
        if let Some((fault, help)) = self.needs(into).filter(|_| !entry.item.is_bool()) {
            let message = format!("{} {fault}", entry.path);
            table.mistakes().add(entry.key_span.clone(), message).help(help);
        }
        self.read(into, &entry, table.mistakes())
    }

    /// Reads it from a file, and notes its place. Whether its value is right; if not, a mistake has been noted.
    pub(in crate::config) fn read<'t>(
        &self,
        into: &mut S,
        entry: &KeyValue<'t>,
        mistakes: &mut Mistakes<'t>,
    ) -> bool {
        let is_right = self.field.read(into, entry, mistakes);
        mistakes.note_place(&entry.path, entry.place(is_right));
        is_right
    }

    /// Its value as a file has it; none: it is left out.
    pub(in crate::config) fn write(&self, of: &S) -> Option<Item> {
        self.field.write(of)
    }
}

impl<S> fmt::Debug for Key<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("path", &self.path).field("takes", &self.takes).finish_non_exhaustive()
    }
}

/// Rows of the table of keys: a path, what a change of it takes, where it lies with its kind, and a sentence for people.
///
/// A key of a table that is changed as a whole says nothing of a change.
macro_rules! keys {
    ($of:ty; $($path:literal $($takes:ident)? ($($place:tt)+) $sentence:literal $(.$set:ident($($with:tt)*))*;)+) => {
        &[$($crate::config::keys::key::Key::<$of>::row(
            $path,
            [$($crate::config::ChangeClass::$takes,)? $crate::config::ChangeClass::Live][0],
            $crate::config::keys::field::place!($of, $($place)+),
            $sentence,
        )$(.$set($($with)*))*),+]
    };
}
pub(super) use keys;
