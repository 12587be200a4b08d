//! Where a key lies in its description.

#[cfg(feature = "file")]
use toml_edit::Item;

use super::form::Form;
use super::kind::{ValueFault, ValueKind};
#[cfg(feature = "file")]
use crate::config::text::{mistake::Mistakes, reader::KeyValue};

/// A place in a description.
pub(super) trait Field<S>: Sync {
    /// Whether both have the same there.
    fn is_same(&self, old: &S, new: &S) -> bool;

    /// Takes over what another has there.
    fn take(&self, into: &mut S, from: &S);

    /// What is there, for people; none: nothing is set.
    fn shown(&self, of: &S) -> Option<String>;

    /// What values it takes.
    fn form(&self) -> Form;

    /// What is wrong with what is there.
    fn fault(&self, of: &S) -> Option<ValueFault>;

    /// Reads it from a file. Whether its value is right; if not, a mistake has been noted.
    #[cfg(feature = "file")]
    fn read<'t>(&self, into: &mut S, entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> bool;

    /// What is there, as a file has it; none: it is left out.
    #[cfg(feature = "file")]
    fn write(&self, of: &S) -> Option<Item>;
}

/// The place of a value: the names of its fields and its kind, as in `stop.drain_timeout: Time::ANY`, or another field.
macro_rules! place {
    ($of:ty, & $field:expr) => {
        &$field
    };
    ($of:ty, $($field:ident).+: $kind:expr) => {
        &$crate::config::keys::field::Lens {
            of: |of: &$of| Clone::clone(&of.$($field).+),
            set: |of: &mut $of, value| of.$($field).+ = value,
            kind: $kind,
        }
    };
}
pub(super) use place;

/// One value of a kind: how it is had and set. Made by [`place`] where it is one field.
pub(super) struct Lens<S: 'static, V: 'static, K> {
    pub(super) of: fn(&S) -> V,
    pub(super) set: fn(&mut S, V),
    pub(super) kind: K,
}

impl<S, V: PartialEq, K: ValueKind<V> + Sync> Field<S> for Lens<S, V, K> {
    fn is_same(&self, old: &S, new: &S) -> bool {
        (self.of)(old) == (self.of)(new)
    }

    fn take(&self, into: &mut S, from: &S) {
        (self.set)(into, (self.of)(from));
    }

    fn shown(&self, of: &S) -> Option<String> {
        self.kind.shown(&(self.of)(of))
    }

    fn form(&self) -> Form {
        self.kind.form()
    }

    fn fault(&self, of: &S) -> Option<ValueFault> {
        self.kind.fault(&(self.of)(of))
    }

    #[cfg(feature = "file")]
    fn read<'t>(&self, into: &mut S, entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> bool {
        let read = self.kind.read(Some(&(self.of)(into)), entry, mistakes);
        read.map(|value| (self.set)(into, value)).is_some()
    }

    #[cfg(feature = "file")]
    fn write(&self, of: &S) -> Option<Item> {
        self.kind.write(&(self.of)(of))
    }
}

/// What means something only together with other keys, or with other tables; a file's reader and writer know how.
pub(super) struct Computed<S: 'static> {
    pub(super) is_same: fn(&S, &S) -> bool,
    pub(super) take: fn(&mut S, &S),
    pub(super) shown: fn(&S) -> Option<String>,
    pub(super) form: fn() -> Form,
}

impl<S> Field<S> for Computed<S> {
    fn is_same(&self, old: &S, new: &S) -> bool {
        (self.is_same)(old, new)
    }

    fn take(&self, into: &mut S, from: &S) {
        (self.take)(into, from);
    }

    fn shown(&self, of: &S) -> Option<String> {
        (self.shown)(of)
    }

    fn form(&self) -> Form {
        (self.form)()
    }

    fn fault(&self, _: &S) -> Option<ValueFault> {
        None
    }

    #[cfg(feature = "file")]
    fn read<'t>(&self, _: &mut S, _: &KeyValue<'t>, _: &mut Mistakes<'t>) -> bool {
        true
    }

    #[cfg(feature = "file")]
    fn write(&self, _: &S) -> Option<Item> {
        None
    }
}
