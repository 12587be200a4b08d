//! A kind of values: how one is shown, which of them a key takes, and how a file has them.

#[cfg(feature = "file")]
use toml_edit::{Item, value as item};

use super::form::Form;
use super::words::Words;
#[cfg(feature = "file")]
use crate::config::text::{mistake::Mistakes, reader::KeyValue, value};

/// A kind of values of type `V`.
pub(super) trait ValueKind<V> {
    /// A value for people; none: nothing is set.
    fn shown(&self, value: &V) -> Option<String>;

    /// What values there are.
    fn form(&self) -> Form;

    /// What is wrong with a value that is not one of them.
    fn fault(&self, _: &V) -> Option<ValueFault> {
        None
    }

    /// Reads a value; a table keeps of `now` what it does not name. None: a mistake has been noted.
    #[cfg(feature = "file")]
    fn read<'t>(&self, now: Option<&V>, entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<V>;

    /// The value as a file has it; none: it is left out.
    #[cfg(feature = "file")]
    fn write(&self, value: &V) -> Option<Item>;
}

/// What is wrong with a value: with itself, or with that of a key below it.
#[derive(Debug)]
pub(in crate::config) struct ValueFault {
    /// Begins with a dot, unless it is empty.
    pub(in crate::config) below: String,
    /// What follows the path in a sentence.
    pub(in crate::config) what: String,
}

impl ValueFault {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { below: String::new(), what: what.into() }
    }
}

/// Says of kinds how a value is shown, what values there are, what is wrong with another, and how it is read and written.
macro_rules! kinds {
    ($(
        $kind:ty, $type:ty:
        shown |$value:ident| $shown:expr;
        form |$this:ident| $form:expr;
        $(fault |$judge:ident, $judged:ident| $fault:expr;)?
        read |$reader:ident, $entry:ident, $mistakes:ident| $read:expr;
        write |$written:ident| $write:expr;
    )+) => {
        $(impl $crate::config::keys::kind::ValueKind<$type> for $kind {
            fn shown(&self, $value: &$type) -> Option<String> {
                $shown
            }

            fn form(&self) -> $crate::config::keys::form::Form {
                let $this = self;
                $form
            }

            $(fn fault(&self, $judged: &$type) -> Option<$crate::config::keys::kind::ValueFault> {
                let $judge = self;
                $fault
            })?

            #[cfg(feature = "file")]
            fn read<'t>(
                &self,
                _: Option<&$type>,
                $entry: &$crate::config::text::reader::KeyValue<'t>,
                $mistakes: &mut $crate::config::text::mistake::Mistakes<'t>,
            ) -> Option<$type> {
                let $reader = self;
                let value = $read;
                $crate::config::keys::kind::refused(self, value?, $entry, $mistakes)
            }

            #[cfg(feature = "file")]
            fn write(&self, $written: &$type) -> Option<toml_edit::Item> {
                Some($write)
            }
        })+
    };
}

pub(super) use kinds;

/// The value, unless the kind finds fault with it.
#[cfg(feature = "file")]
pub(super) fn refused<'t, V>(
    kind: &impl ValueKind<V>,
    value: V,
    entry: &KeyValue<'t>,
    mistakes: &mut Mistakes<'t>,
) -> Option<V> {
    match kind.fault(&value) {
        None => Some(value),
        Some(fault) => {
            entry.refuse(mistakes, fault.what);
            None
        }
    }
}

/// A value that may not be set.
pub(super) struct Maybe<K>(pub(super) K);

impl<V, K: ValueKind<V>> ValueKind<Option<V>> for Maybe<K> {
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
        self.0.read(now.and_then(Option::as_ref), entry, mistakes).map(Some)
    }

    #[cfg(feature = "file")]
    fn write(&self, value: &Option<V>) -> Option<Item> {
        self.0.write(value.as_ref()?)
    }
}

impl<T: Copy + PartialEq + 'static> ValueKind<T> for Words<T> {
    fn shown(&self, value: &T) -> Option<String> {
        self.of(value).map(str::to_owned)
    }

    fn form(&self) -> Form {
        Form::Word(self.0.iter().map(|(word, _)| *word).collect())
    }

    #[cfg(feature = "file")]
    fn read<'t>(&self, _: Option<&T>, entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<T> {
        value::word(self.0)(entry, mistakes)
    }

    #[cfg(feature = "file")]
    fn write(&self, value: &T) -> Option<Item> {
        self.of(value).map(item)
    }
}
