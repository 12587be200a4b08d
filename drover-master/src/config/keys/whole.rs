//! Whole numbers, from one to another.

use std::fmt;
use std::num::NonZeroU32;

#[cfg(feature = "file")]
use toml_edit::{Item, value as item};

use super::form::Form;
use super::kind::{ValueFault, ValueKind};
#[cfg(feature = "file")]
use crate::config::text::{mistake::Mistakes, reader::KeyValue, value};

/// A whole number from one to another.
pub(super) struct Whole(pub(super) i64, pub(super) i64);

/// The types of whole numbers.
pub(super) trait Integer: Copy {
    #[cfg(feature = "file")]
    fn of(number: i64) -> Option<Self>;
    fn number(self) -> i64;
}

macro_rules! integers {
    ($($type:ty, |$number:ident| $of:expr, |$value:ident| $back:expr;)+) => {
        $(impl Integer for $type {
            #[cfg(feature = "file")]
            fn of($number: i64) -> Option<Self> {
                $of
            }

            fn number(self) -> i64 {
                let $value = self;
                $back
            }
        })+
    };
}

integers! {
    u32, |number| number.try_into().ok(), |value| value.into();
    i32, |number| number.try_into().ok(), |value| value.into();
    u64, |number| number.try_into().ok(), |value| value.try_into().unwrap_or(i64::MAX);
    NonZeroU32, |number| Self::new(number.try_into().ok()?), |value| value.get().into();
}

impl<V: Integer> ValueKind<V> for Whole {
    fn shown(&self, value: &V) -> Option<String> {
        Some(value.number().to_string())
    }

    fn form(&self) -> Form {
        Form::Whole(self.0, self.1)
    }

    fn fault(&self, value: &V) -> Option<ValueFault> {
        let number = value.number();
        (!(self.0..=self.1).contains(&number)).then(|| beyond(number, self.0, self.1))
    }

    #[cfg(feature = "file")]
    fn read<'t>(&self, _: Option<&V>, entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<V> {
        let number = value::integer(entry, mistakes)?;
        match V::of(number).filter(|_| (self.0..=self.1).contains(&number)) {
            Some(value) => Some(value),
            None => {
                entry.refuse(mistakes, beyond(number, self.0, self.1).what);
                None
            }
        }
    }

    #[cfg(feature = "file")]
    fn write(&self, value: &V) -> Option<Item> {
        Some(item(value.number()))
    }
}

/// A number that is not between two others.
pub(super) fn beyond(
    number: impl fmt::Display,
    least: impl fmt::Display,
    most: impl fmt::Display,
) -> ValueFault {
    ValueFault::new(format!("is {number}, but must be {least} to {most}"))
}
