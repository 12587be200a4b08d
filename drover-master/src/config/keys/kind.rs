//! Kinds of values: how each is shown, and which of them a key takes.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::form::{Form, Part};
use super::parts::POLICIES;
use super::{Key, shown};
use crate::config::{ListenAddr, RestartWhen, Share, Stdin};
use crate::signal_names::signal_name;

/// A kind of values of type `V`.
pub(super) trait Kind<V> {
    /// A value for people; none: nothing is set.
    fn shown(&self, value: &V) -> Option<String>;

    /// What values there are.
    fn form(&self) -> Form;
}

/// A time of at least so much.
pub(super) struct Time(Duration);

impl Time {
    pub(super) const ANY: Self = Self(Duration::ZERO);
    pub(super) const SOME: Self = Self(Duration::from_millis(1));

    #[cfg(feature = "file")]
    pub(super) fn is_any(&self) -> bool {
        self.0.is_zero()
    }
}

/// A whole number from one to another.
pub(super) struct Whole(pub(super) u32, pub(super) u32);

/// A whole number that may lie below zero.
pub(super) struct Signed(pub(super) i32, pub(super) i32);

/// A number that can only be 1.
pub(super) struct One;

/// A number with or without a fraction.
pub(super) struct Number(pub(super) f64, pub(super) f64);

/// Bytes.
pub(super) struct Size;

/// `true` or `false`.
pub(super) struct Flag;

/// A name or an id, of a user or a group.
pub(super) struct Account;

/// A path.
pub(super) struct Directory;

/// A file mode creation mask.
pub(super) struct Mask;

/// A signal that a program can act on; whether it may also be SIGSTOP.
pub(super) struct Signal(pub(super) bool);

/// A number of workers, or a part of them.
pub(super) struct Shares;

/// Whole numbers from one to another.
pub(super) struct Codes(pub(super) i64, pub(super) i64);

/// A standard input.
pub(super) struct Input;

/// A number of workers.
pub(super) struct Count;

/// When to start an ended worker again; the words of other tools are known.
pub(super) struct Policy;

/// Where to listen.
pub(super) struct Address;

/// A program and its arguments.
pub(super) struct CommandLine;

/// Variables, of which a value never shows.
pub(super) struct Variables;

/// Says of kinds how a value is shown, and what values there are.
macro_rules! kinds {
    ($($kind:ty, $type:ty, |$value:ident| $shown:expr, |$this:ident| $form:expr;)+) => {
        $(impl Kind<$type> for $kind {
            fn shown(&self, $value: &$type) -> Option<String> {
                $shown
            }

            fn form(&self) -> Form {
                let $this = self;
                $form
            }
        })+
    };
}

kinds! {
    Time, Duration, |time| Some(shown::duration(*time)), |this| Form::Time(this.0);
    Whole, u32, |number| Some(number.to_string()), |this| Form::Whole(this.0.into(), this.1.into());
    Whole, u64, |number| Some(number.to_string()), |this| Form::Whole(this.0.into(), this.1.into());
    Whole, NonZeroU32, |number| Some(number.to_string()), |this| Form::Whole(this.0.into(), this.1.into());
    Signed, i32, |number| Some(number.to_string()), |this| Form::Whole(this.0.into(), this.1.into());
    One, NonZeroU32, |number| Some(number.to_string()), |_this| Form::Whole(1, 1);
    Number, f64, |number| Some(number.to_string()), |this| Form::Number(this.0, this.1);
    Size, u64, |bytes| Some(shown::bytes(*bytes)), |_this| Form::Size;
    Flag, bool, |flag| Some(flag.to_string()), |_this| Form::Flag;
    Account, String, |name| Some(name.clone()), |_this| Form::Account;
    Directory, PathBuf, |path| Some(path.display().to_string()), |_this| Form::Text;
    Mask, u32, |mask| Some(format!("{mask:03o}")), |_this| Form::Pattern("^0?[0-7]{1,3}$");
    Signal, i32, |signal| Some(signal_name(*signal)), |this| Form::Signal(this.0);
    Shares, Share, |share| Some(share.to_string()), |_this| Form::Share;
    Codes, Vec<i32>, |codes| Some(format!("{codes:?}")), |this| Form::Codes(this.0, this.1);
    Input, Stdin, |stdin| Some(stdin.to_string()), |_this| Form::Pattern("^(null|open|socket:.+)$");
    Count, u32, |count| Some(count.to_string()), |_this| Form::Workers;
    Policy, RestartWhen, |when| POLICIES.shown(when), |_this| POLICIES.form();
    Address, ListenAddr, |addr| Some(addr.to_string()), |_this| Form::Pattern("^(unix:.+|.+:[0-9]+)$");
    CommandLine, Vec<OsString>, |words| Some(joined(words, " ")), |_this| Form::Command;
    Variables, Vec<(OsString, OsString)>,
        |variables| {
            let names = joined(variables.iter().map(|(name, _)| name), ", ");
            (!names.is_empty()).then_some(names)
        },
        |_this| Form::Variables;
}

fn joined<'w>(words: impl IntoIterator<Item = &'w OsString>, between: &str) -> String {
    words.into_iter().map(|word| word.display().to_string()).collect::<Vec<_>>().join(between)
}

/// One of a few words, each with its meaning.
pub(super) struct Words<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: PartialEq> Words<T> {
    /// The word that means this.
    pub(super) fn of(&self, value: &T) -> Option<&'static str> {
        self.0.iter().find(|(_, meaning)| meaning == value).map(|(word, _)| *word)
    }
}

impl<T: PartialEq> Kind<T> for Words<T> {
    fn shown(&self, value: &T) -> Option<String> {
        self.of(value).map(str::to_owned)
    }

    fn form(&self) -> Form {
        Form::Word(self.0.iter().map(|(word, _)| *word).collect())
    }
}

/// A value that may not be set.
pub(super) struct Maybe<K>(pub(super) K);

impl<V, K: Kind<V>> Kind<Option<V>> for Maybe<K> {
    fn shown(&self, value: &Option<V>) -> Option<String> {
        value.as_ref().and_then(|value| self.0.shown(value))
    }

    fn form(&self) -> Form {
        self.0.form()
    }
}

/// A value with keys of its own, which is changed as a whole.
pub(super) struct Table<V: 'static> {
    pub(super) keys: &'static [Key<V>],
    /// The keys without which there is none, and what helps.
    pub(super) required: &'static [(&'static str, &'static str)],
    /// What it is unless it is set.
    pub(super) default: fn() -> V,
    /// Whether a key that is left out has a value of its own.
    pub(super) has_defaults: bool,
    /// Whether a file has it in one line.
    #[cfg_attr(not(feature = "file"), expect(dead_code, reason = "only a file's writer asks"))]
    pub(super) is_inline: bool,
    pub(super) shown: fn(&V) -> Option<String>,
    pub(super) form: fn(Vec<Part>) -> Form,
}

impl<V> Kind<V> for Table<V> {
    fn shown(&self, value: &V) -> Option<String> {
        (self.shown)(value)
    }

    fn form(&self) -> Form {
        let default = self.has_defaults.then(self.default);
        let part = |key: &Key<V>| Part {
            name: key.path,
            form: key.form(),
            default: default.as_ref().and_then(|default| key.shown(default)),
            is_required: self.required.iter().any(|(name, _)| *name == key.path),
            sentence: key.sentence,
        };
        (self.form)(self.keys.iter().map(part).collect())
    }
}

/// A table, or `false` for none.
pub(super) struct OrFalse<V: 'static>(pub(super) Table<V>);

impl<V> Kind<Option<V>> for OrFalse<V> {
    fn shown(&self, value: &Option<V>) -> Option<String> {
        value.as_ref().and_then(|value| self.0.shown(value))
    }

    fn form(&self) -> Form {
        self.0.form()
    }
}

/// A table that asks something, beside keys of its own.
pub(super) struct Asking<V: 'static>(pub(super) Table<V>);

impl<V> Kind<V> for Asking<V> {
    fn shown(&self, value: &V) -> Option<String> {
        self.0.shown(value)
    }

    fn form(&self) -> Form {
        self.0.form()
    }
}
