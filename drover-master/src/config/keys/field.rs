//! Where a key lies in its description.

use super::form::Form;
use super::kind::Kind;

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
}

/// One value of a kind, reached by its name. Made by [`at`].
pub(super) struct Lens<S: 'static, V: 'static, K> {
    pub(super) of: fn(&S) -> &V,
    pub(super) of_mut: fn(&mut S) -> &mut V,
    pub(super) kind: K,
}

impl<S, V: PartialEq + Clone, K: Kind<V> + Sync> Field<S> for Lens<S, V, K> {
    fn is_same(&self, old: &S, new: &S) -> bool {
        (self.of)(old) == (self.of)(new)
    }

    fn take(&self, into: &mut S, from: &S) {
        (self.of_mut)(into).clone_from((self.of)(from));
    }

    fn shown(&self, of: &S) -> Option<String> {
        self.kind.shown((self.of)(of))
    }

    fn form(&self) -> Form {
        self.kind.form()
    }
}

/// The place of a value by the names of its fields: `at!(AppSpec, stop.drain_timeout, Time::ANY)`.
macro_rules! at {
    ($of:ty, $($field:ident).+, $kind:expr) => {
        &$crate::config::keys::field::Lens {
            of: |of: &$of| &of.$($field).+,
            of_mut: |of: &mut $of| &mut of.$($field).+,
            kind: $kind,
        }
    };
}
pub(super) use at;

/// What is in a description in another way than by a field of its own.
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
}
