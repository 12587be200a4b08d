//! Tables that ask something: probes.

#[cfg(feature = "file")]
use toml_edit::{Item, value as item};

use super::form::Form;
use super::kind::{ValueFault, ValueKind};
#[cfg(feature = "file")]
use super::probe::{question, written};
use super::table::SubTable;
#[cfg(feature = "file")]
use crate::config::text::{mistake::Mistakes, reader::KeyValue, tables::inline};
use crate::config::{HealthCheck, Probe, ProbeKind};

/// A table that asks something, beside keys of its own.
pub(super) struct Asking<V: 'static>(pub(super) SubTable<V>);

impl<V: Clone + Asks> ValueKind<V> for Asking<V> {
    fn shown(&self, value: &V) -> Option<String> {
        self.0.shown(value)
    }

    fn form(&self) -> Form {
        self.0.form()
    }

    fn fault(&self, value: &V) -> Option<ValueFault> {
        self.0.fault(value)
    }

    #[cfg(feature = "file")]
    fn read<'t>(&self, now: Option<&V>, entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<V> {
        let mut value = now.cloned().unwrap_or_else(self.0.default);
        let is_whole = entry.section(mistakes, |table| {
            let asked = question(table, V::MAY_LISTEN);
            self.0.keys.iter().for_each(|key| {
                key.ask(table, key.path(), None, &mut value);
            });
            asked.map(|kind| *value.asked() = kind).is_some()
        });
        is_whole.then_some(value)
    }

    #[cfg(feature = "file")]
    fn write(&self, value: &V) -> Option<Item> {
        let mut whole = value.clone();
        let asked = whole.asked();
        // Whoever listens does not try, and has no times for it.
        let own = if matches!(asked, ProbeKind::Log { .. }) { &[] } else { self.0.keys };
        let asked = written(asked).into_iter().map(|(key, value)| (key, item(value)));
        let rows = own.iter().filter_map(|key| Some((key.path(), key.write(value)?)));
        Some(inline(asked.chain(rows)))
    }
}

/// Whoever asks something.
#[cfg_attr(not(feature = "file"), expect(dead_code, reason = "only a file's reader and writer ask what"))]
pub(super) trait Asks {
    /// Whether it may also listen to what the worker prints.
    const MAY_LISTEN: bool;

    /// What it asks.
    fn asked(&mut self) -> &mut ProbeKind;
}

impl Asks for Probe {
    const MAY_LISTEN: bool = true;

    fn asked(&mut self) -> &mut ProbeKind {
        &mut self.kind
    }
}

impl Asks for HealthCheck {
    const MAY_LISTEN: bool = false;

    fn asked(&mut self) -> &mut ProbeKind {
        &mut self.probe.kind
    }
}
