//! Every key of a description, in one place.
//!
//! ```text
//!                   ┌─► what an app's settings show        (`settings`)
//!  a table of keys ─┼─► what is different of two of them   (`change`)
//!  `app`, `policy`, ├─► what a running app takes over      (`take_live`)
//!  `master`,        ├─► the reader and writer of a file, its schema and its page, for which a key has its sentence, its
//!  `socket`         │   form and its bounds
//!                   └─► a program that asks for them       (`keys`)
//! ```
//!
//! A key's row says its path, what its change takes, where it lies in the description, what values it takes, and what it is, in a
//! sentence for people. Its default is what a description has that nobody has changed. Whoever adds a field to a description
//! adds its row; a test names every field.

mod app;
mod field;
mod form;
mod kind;
mod master;
mod parts;
mod policy;
mod settings;
mod shown;
mod socket;
#[cfg(test)]
mod tests;
#[cfg(feature = "file")]
mod written;

pub use form::{Form, LimitUnit, Part};
pub(super) use shown::{duration as shown_duration, probe as shown_probe};

use super::{AppSpec, ChangeClass, Command, Description, Kind, ListenSpec, Protocol, RestartPolicy};
use field::Field;
#[cfg(feature = "file")]
pub(super) use written::{header, inline};

/// One key of a description of `S`.
pub struct Key<S: 'static> {
    path: &'static str,
    takes: ChangeClass,
    why: Option<&'static str>,
    field: &'static dyn Field<S>,
    needs: fn(&S) -> Option<Fault>,
    told: Told<S>,
    is_secret: bool,
    is_of_file: bool,
    is_of_machine: bool,
    sentence: &'static str,
}

/// What is wrong with a key that has no meaning, and what helps.
type Fault = (&'static str, &'static str);

/// What the settings of an app tell of a key.
enum Told<S: 'static> {
    /// Its value, if it has one.
    Value,
    /// The same, where it has a meaning and is worth a line.
    Where(fn(&S) -> bool),
    /// Something else.
    As(fn(&S) -> Option<String>),
}

impl<S> Key<S> {
    const fn new(
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
            told: Told::Value,
            is_secret: false,
            is_of_file: true,
            is_of_machine: false,
            sentence,
        }
    }

    /// One of the keys of a table that is changed as a whole.
    const fn part(path: &'static str, field: &'static dyn Field<S>, sentence: &'static str) -> Self {
        Self::new(path, ChangeClass::Live, field, sentence)
    }

    /// Says why its change takes so much.
    const fn because(mut self, why: &'static str) -> Self {
        self.why = Some(why);
        self
    }

    /// Says where it has no meaning, and what helps.
    const fn needing(mut self, needs: fn(&S) -> Option<Fault>) -> Self {
        self.needs = needs;
        self
    }

    /// Shows it among the settings of an app only there.
    const fn where_(mut self, is_told: fn(&S) -> bool) -> Self {
        self.told = Told::Where(is_told);
        self
    }

    /// Shows it otherwise among the settings of an app.
    const fn told_as(mut self, told: fn(&S) -> Option<String>) -> Self {
        self.told = Told::As(told);
        self
    }

    /// Its values are never shown.
    const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// It is for programs; a file has no such key.
    const fn of_programs(mut self) -> Self {
        self.is_of_file = false;
        self
    }

    /// What it is unless it is set is taken from the machine.
    const fn of_machine(mut self) -> Self {
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

    /// Why it has no meaning, where it has none, and what helps.
    pub(super) fn needs(&self, of: &S) -> Option<Fault> {
        (self.needs)(of)
    }

    /// What the settings of an app tell of it.
    fn told(&self, of: &S) -> Option<String> {
        match self.told {
            _ if self.needs(of).is_some() => None,
            Told::Value => self.shown(of),
            Told::Where(is_told) => is_told(of).then(|| self.shown(of)).flatten(),
            Told::As(told) => told(of),
        }
    }

    /// Whether two descriptions have the same.
    pub(super) fn is_same(&self, old: &S, new: &S) -> bool {
        self.field.is_same(old, new)
    }
}

#[cfg(feature = "file")]
impl<S> Key<S> {
    /// Reads it from a file. Whether its value is right; if not, a mistake has been noted.
    pub(super) fn read<'t>(
        &self,
        into: &mut S,
        entry: &super::file::reader::Entry<'t>,
        mistakes: &mut super::file::mistake::Mistakes<'t>,
    ) -> bool {
        self.field.read(into, entry, mistakes)
    }

    /// Its value as a file has it; none: it is left out.
    pub(super) fn write(&self, of: &S) -> Option<toml_edit::Item> {
        self.field.write(of)
    }
}

impl<S> std::fmt::Debug for Key<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("path", &self.path).field("takes", &self.takes).finish_non_exhaustive()
    }
}

/// Every key of an app, in the order in which people read them.
pub fn of_app() -> impl Iterator<Item = &'static Key<AppSpec>> {
    app::KEYS.iter().chain(policy::KEYS)
}

/// An app of which a file says nothing but what it runs: a service without a protocol.
pub fn plain_app(name: impl Into<String>, command: Command) -> AppSpec {
    let restart = RestartPolicy::of(Kind::Service);
    AppSpec { protocol: Protocol::None, heartbeat: None, restart, ..AppSpec::new(name, command) }
}

/// The tables that the keys of an app stand in, each with a sentence.
pub const fn sections() -> &'static [(&'static str, &'static str)] {
    policy::SECTIONS
}

/// Every key of what holds for all apps.
pub fn of_master() -> impl Iterator<Item = &'static Key<Description>> {
    master::KEYS.iter()
}

/// Every key of a listener.
pub fn of_socket() -> impl Iterator<Item = &'static Key<ListenSpec>> {
    socket::KEYS.iter()
}

/// The word for a condition.
#[cfg(feature = "file")]
pub(super) fn condition(condition: super::Condition) -> Option<&'static str> {
    parts::CONDITIONS.of(&condition)
}

/// The conditions by their words.
#[cfg(feature = "file")]
pub(super) const fn conditions() -> &'static [(&'static str, super::Condition)] {
    parts::CONDITIONS.0
}

/// Takes over of another description what needs no new worker.
///
/// The number of workers is left as it is: the fleet keeps its own, which `scale` changes.
pub(crate) fn take_live(into: &mut AppSpec, from: &AppSpec) {
    for key in of_app().filter(|key| key.takes == ChangeClass::Live && key.path != "workers") {
        key.field.take(into, from);
    }
}
