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

#[cfg(feature = "file")]
mod address;
mod app;
mod cron;
mod field;
mod form;
mod http;
mod key;
mod kind;
mod limit;
#[cfg(feature = "file")]
mod limit_values;
mod master;
mod number;
mod parts;
mod policy;
#[cfg(feature = "file")]
mod probe;
mod question;
mod settings;
mod shown;
mod socket;
#[cfg(feature = "file")]
mod surroundings;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod watch;
mod whole;
mod words;
mod workers;

#[cfg(feature = "file")]
pub(in crate::config) use cron::pointless_for_cron;
pub use form::{Form, LimitUnit, SubKey};
pub use key::Key;
pub(super) use kind::ValueFault;
#[cfg(feature = "file")]
pub(super) use words::CONDITIONS;

use super::{AppSpec, ChangeClass, Command, Description, Kind, ListenSpec, Protocol, RestartPolicy};

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

/// Takes over of another description what needs no new worker.
///
/// The number of workers is left as it is: the fleet keeps its own, which `scale` changes.
pub(crate) fn take_live(into: &mut AppSpec, from: &AppSpec) {
    for key in of_app().filter(|key| key.takes == ChangeClass::Live && key.path != "workers") {
        key.field.take(into, from);
    }
}
