//! How many workers an app has: a number, and whether it follows the CPUs.

#[cfg(feature = "file")]
use toml_edit::Item;

use super::field::{Field, Lens};
use super::form::Form;
use super::kind::ValueFault;
use super::number::WorkerCount;
use crate::config::AppSpec;
#[cfg(feature = "file")]
use crate::config::text::{mistake::Mistakes, reader::KeyValue};

/// Both.
pub(super) struct Workers;

const NUMBER: Lens<AppSpec, u32, WorkerCount> =
    Lens { of: |app| app.workers, set: |app, workers| app.workers = workers, kind: WorkerCount };

impl Field<AppSpec> for Workers {
    fn is_same(&self, old: &AppSpec, new: &AppSpec) -> bool {
        NUMBER.is_same(old, new) && old.follows_cpus == new.follows_cpus
    }

    fn take(&self, into: &mut AppSpec, from: &AppSpec) {
        NUMBER.take(into, from);
        into.follows_cpus = from.follows_cpus;
    }

    fn shown(&self, of: &AppSpec) -> Option<String> {
        let number = NUMBER.shown(of)?;
        Some(if of.follows_cpus { format!("{number} (auto)") } else { number })
    }

    fn form(&self) -> Form {
        NUMBER.form()
    }

    fn fault(&self, of: &AppSpec) -> Option<ValueFault> {
        NUMBER.fault(of)
    }

    #[cfg(feature = "file")]
    fn read<'t>(&self, into: &mut AppSpec, entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> bool {
        NUMBER.read(into, entry, mistakes)
    }

    #[cfg(feature = "file")]
    fn write(&self, of: &AppSpec) -> Option<Item> {
        NUMBER.write(of)
    }
}
