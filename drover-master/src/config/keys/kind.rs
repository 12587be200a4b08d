//! Kinds of values: how each is shown, and which of them a key takes.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::form::{Form, Part};
use super::parts::POLICIES;
use super::{Key, shown};
use crate::config::{ListenAddr, RestartWhen, Share, Stdin};
use crate::machine::exit::signal_name;

/// A kind of values of type `V`.
pub(super) trait Kind<V> {
    /// A value for people; none: nothing is set.
    fn shown(&self, value: &V) -> Option<String>;

    /// What values there are.
    fn form(&self) -> Form;
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

/// A time of at least so much.
pub(super) struct Time(Duration);

impl Time {
    #[cfg(feature = "file")]
    pub(super) fn is_any(&self) -> bool {
        self.0.is_zero()
    }

    pub(super) const ANY: Self = Self(Duration::ZERO);
    pub(super) const SOME: Self = Self(Duration::from_millis(1));
}

impl Kind<Duration> for Time {
    fn shown(&self, value: &Duration) -> Option<String> {
        Some(shown::duration(*value))
    }

    fn form(&self) -> Form {
        Form::Time(self.0)
    }
}

/// A whole number from one to another.
pub(super) struct Whole(pub(super) u32, pub(super) u32);

impl<V: ToString> Kind<V> for Whole
where
    Self: Holds<V>,
{
    fn shown(&self, value: &V) -> Option<String> {
        Some(value.to_string())
    }

    fn form(&self) -> Form {
        Form::Whole(self.0.into(), self.1.into())
    }
}

/// The types of number that a kind is of.
pub(super) trait Holds<V> {}
impl Holds<u32> for Whole {}
impl Holds<u64> for Whole {}
impl Holds<NonZeroU32> for Whole {}

/// A whole number that may lie below zero.
pub(super) struct Signed(pub(super) i32, pub(super) i32);

impl Kind<i32> for Signed {
    fn shown(&self, value: &i32) -> Option<String> {
        Some(value.to_string())
    }

    fn form(&self) -> Form {
        Form::Whole(self.0.into(), self.1.into())
    }
}

/// A number with or without a fraction.
pub(super) struct Number(pub(super) f64, pub(super) f64);

impl Kind<f64> for Number {
    fn shown(&self, value: &f64) -> Option<String> {
        Some(value.to_string())
    }

    fn form(&self) -> Form {
        Form::Number(self.0, self.1)
    }
}

/// Bytes.
pub(super) struct Size;

impl Kind<u64> for Size {
    fn shown(&self, value: &u64) -> Option<String> {
        Some(shown::bytes(*value))
    }

    fn form(&self) -> Form {
        Form::Size
    }
}

pub(super) struct Flag;

impl Kind<bool> for Flag {
    fn shown(&self, value: &bool) -> Option<String> {
        Some(value.to_string())
    }

    fn form(&self) -> Form {
        Form::Flag
    }
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

/// A text that names an account, a user's or a group's.
pub(super) struct Account;

impl Kind<String> for Account {
    fn shown(&self, value: &String) -> Option<String> {
        Some(value.clone())
    }

    fn form(&self) -> Form {
        Form::Account
    }
}

/// A path.
pub(super) struct Directory;

impl Kind<PathBuf> for Directory {
    fn shown(&self, value: &PathBuf) -> Option<String> {
        Some(value.display().to_string())
    }

    fn form(&self) -> Form {
        Form::Text
    }
}

/// A file mode creation mask.
pub(super) struct Mask;

impl Kind<u32> for Mask {
    fn shown(&self, value: &u32) -> Option<String> {
        Some(format!("{value:03o}"))
    }

    fn form(&self) -> Form {
        Form::Pattern("^0?[0-7]{1,3}$")
    }
}

/// A signal that a program can act on; whether it may also be SIGSTOP.
pub(super) struct Signal(pub(super) bool);

impl Kind<i32> for Signal {
    fn shown(&self, value: &i32) -> Option<String> {
        Some(signal_name(*value))
    }

    fn form(&self) -> Form {
        Form::Signal(self.0)
    }
}

/// A number of workers, or a part of them.
pub(super) struct Shares;

impl Kind<Share> for Shares {
    fn shown(&self, value: &Share) -> Option<String> {
        Some(value.to_string())
    }

    fn form(&self) -> Form {
        Form::Share
    }
}

/// Whole numbers from one to another.
pub(super) struct Codes(pub(super) i64, pub(super) i64);

impl<V: ToString> Kind<Vec<V>> for Codes {
    fn shown(&self, value: &Vec<V>) -> Option<String> {
        let codes: Vec<String> = value.iter().map(ToString::to_string).collect();
        Some(format!("[{}]", codes.join(", ")))
    }

    fn form(&self) -> Form {
        Form::Codes(self.0, self.1)
    }
}

pub(super) struct Input;

impl Kind<Stdin> for Input {
    fn shown(&self, value: &Stdin) -> Option<String> {
        Some(value.to_string())
    }

    fn form(&self) -> Form {
        Form::Pattern("^(null|open|socket:.+)$")
    }
}

/// Variables, of which a value never shows.
pub(super) struct Variables;

impl Kind<Vec<(OsString, OsString)>> for Variables {
    fn shown(&self, value: &Vec<(OsString, OsString)>) -> Option<String> {
        let names: Vec<String> = value.iter().map(|(name, _)| name.display().to_string()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    fn form(&self) -> Form {
        Form::Variables
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
    #[cfg_attr(not(feature = "file"), allow(dead_code, reason = "how a file has it"))]
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

/// A number that can only be 1.
pub(super) struct One;

impl Kind<NonZeroU32> for One {
    fn shown(&self, value: &NonZeroU32) -> Option<String> {
        Some(value.to_string())
    }

    fn form(&self) -> Form {
        Form::Whole(1, 1)
    }
}

/// A number of workers.
pub(super) struct Count;

impl Kind<u32> for Count {
    fn shown(&self, value: &u32) -> Option<String> {
        Some(value.to_string())
    }

    fn form(&self) -> Form {
        Form::Workers
    }
}

/// When an ended worker is started again; the words of other tools are known.
pub(super) struct Policy;

impl Kind<RestartWhen> for Policy {
    fn shown(&self, value: &RestartWhen) -> Option<String> {
        POLICIES.shown(value)
    }

    fn form(&self) -> Form {
        POLICIES.form()
    }
}

/// Where to listen.
pub(super) struct Address;

impl Kind<ListenAddr> for Address {
    fn shown(&self, value: &ListenAddr) -> Option<String> {
        Some(value.to_string())
    }

    fn form(&self) -> Form {
        Form::Pattern("^(unix:.+|.+:[0-9]+)$")
    }
}

/// A program and its arguments.
pub(super) struct CommandLine;

impl Kind<Vec<OsString>> for CommandLine {
    fn shown(&self, value: &Vec<OsString>) -> Option<String> {
        Some(value.iter().map(|word| word.display().to_string()).collect::<Vec<_>>().join(" "))
    }

    fn form(&self) -> Form {
        Form::Command
    }
}
