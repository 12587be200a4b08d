//! Kinds of values that count or measure, each within bounds.

use std::num::NonZeroU32;
use std::time::Duration;

#[cfg(feature = "file")]
use toml_edit::{Array, Item, value as item};

use super::form::Form;
#[cfg(feature = "file")]
use super::kind::refused;
use super::kind::{ValueFault, ValueKind, kinds};
#[cfg(feature = "file")]
use super::surroundings;
use super::whole::{Whole, beyond};
use crate::config::duration::shown_duration;
use crate::config::size::format_size;
#[cfg(feature = "file")]
use crate::config::text::{mistake::Mistakes, reader::KeyValue, value};
use crate::config::{MAX_WORKERS, Share};

/// A time: any, or one of more than zero.
pub(super) struct Time {
    is_some: bool,
}

impl Time {
    pub(super) const ANY: Self = Self { is_some: false };
    pub(super) const SOME: Self = Self { is_some: true };
}

impl ValueKind<Duration> for Time {
    fn shown(&self, time: &Duration) -> Option<String> {
        Some(shown_duration(*time))
    }

    fn form(&self) -> Form {
        Form::Time { is_some: self.is_some }
    }

    fn fault(&self, time: &Duration) -> Option<ValueFault> {
        (self.is_some && time.is_zero()).then(|| ValueFault::new("must be more than zero"))
    }

    #[cfg(feature = "file")]
    fn read<'t>(
        &self,
        _: Option<&Duration>,
        entry: &KeyValue<'t>,
        mistakes: &mut Mistakes<'t>,
    ) -> Option<Duration> {
        let time = value::duration(entry, mistakes)?;
        refused(self, time, entry, mistakes)
    }

    /// What takes as long as it takes has no number.
    #[cfg(feature = "file")]
    fn write(&self, time: &Duration) -> Option<Item> {
        (*time != Duration::MAX).then(|| item(shown_duration(*time)))
    }
}

/// A number with or without a fraction, from one to another.
pub(super) struct Number(pub(super) f64, pub(super) f64);

/// Bytes.
pub(super) struct Size;

/// A number of workers, or a part of them.
pub(super) struct Shares;

/// Exit codes.
pub(super) struct ExitCodes;

/// A number of workers.
pub(super) struct WorkerCount;

/// How many tries of liveness have to pass.
pub(super) struct One;

kinds! {
    Number, f64:
    shown |number| Some(number.to_string());
    form |this| Form::Number(this.0, this.1);
    fault |this, number| match *number {
        number if number.is_finite() && (this.0..=this.1).contains(&number) => None,
        number if number.is_finite() && this.1.is_finite() => Some(beyond(number, this.0, this.1)),
        number => Some(ValueFault::new(format!("is {number}, but must be a finite number of at least {}", this.0))),
    };
    read |_this, entry, mistakes| value::number(entry, mistakes);
    write |number| item(*number);

    Size, u64:
    shown |bytes| Some(format_size(*bytes));
    form |_this| Form::Size;
    fault |_this, bytes| (*bytes == 0).then(|| ValueFault::new("must be more than zero"));
    read |_this, entry, mistakes| value::size(entry, mistakes);
    write |bytes| item(format_size(*bytes));

    Shares, Share:
    shown |share| Some(share.to_string());
    form |_this| Form::Share;
    fault |_this, share| match *share {
        Share::Count(count) if count > MAX_WORKERS => Some(beyond(count, 0, MAX_WORKERS)),
        Share::Percent(101..) => Some(beyond(share, "0%", "100%")),
        Share::Count(_) | Share::Percent(_) => None,
    };
    read |_this, entry, mistakes| surroundings::share(entry, mistakes);
    write |share| match share {
        Share::Count(count) => item(i64::from(*count)),
        Share::Percent(_) => item(share.to_string()),
    };

    ExitCodes, Vec<i32>:
    shown |codes| Some(format!("{codes:?}"));
    form |_this| Form::Codes(0, 255);
    fault |_this, codes| {
        let other = codes.iter().find(|code| !(0..=255).contains(*code));
        other.map(|code| ValueFault::new(format!("holds {code}, which is not an exit code from 0 to 255")))
    };
    read |_this, entry, mistakes| surroundings::exit_codes(entry, mistakes);
    write |codes| item(Array::from_iter(codes.iter().map(|code| i64::from(*code))));

    WorkerCount, u32:
    shown |count| Some(count.to_string());
    form |_this| Form::Workers;
    fault |_this, count| Whole(1, MAX_WORKERS as i64).fault(count);
    read |_this, entry, mistakes| surroundings::workers(entry, mistakes);
    write |count| item(i64::from(*count));

    One, NonZeroU32:
    shown |number| Some(number.to_string());
    form |_this| Form::Whole(1, 1);
    fault |_this, number| (number.get() != 1).then(|| {
        ValueFault::new(format!("is {number}, and can only be 1: a worker that fails its liveness is ended, and none comes back"))
    });
    read |_this, entry, mistakes| Whole(1, 100).read(None, entry, mistakes);
    write |number| item(i64::from(number.get()));
}
