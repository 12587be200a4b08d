//! How a value is written that serde would write otherwise, or not at all, so that another process can go on with it:
//! `#[serde(with = "crate::written")]`.
//!
//! | value | form |
//! | --- | --- |
//! | `Instant` | nanoseconds of `CLOCK_MONOTONIC`, the same in every process until the machine boots again |
//! | `SystemTime` | seconds since 1970, which may be negative, and nanoseconds |
//! | `OsString`, `PathBuf` | text; bytes if it is not UTF-8 |
//! | `f64` | text, since JSON has neither infinity nor NaN, and a reader may be off by one in the last place |
//! | `&'static str` | text; read, it is one of those that were read before, or stays for ever |
//! | a generator of random numbers | what it goes on from |
//! | a map | a list of pairs |

mod clock;
mod known_text;
mod plain;
mod whole;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use plain::Plain;

/// A value with a form that can be written.
pub(crate) trait Written: Sized {
    /// What is written.
    type Form: Serialize + DeserializeOwned;

    /// Its form now.
    fn form(&self) -> Self::Form;

    /// The value of a form, or why there is none.
    fn of_form(form: Self::Form) -> Result<Self, String>;
}

/// Writes a value in its form.
pub(crate) fn serialize<T: Written, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.form().serialize(serializer)
}

/// Reads a value by its form.
pub(crate) fn deserialize<'de, T: Written, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::of_form(T::Form::deserialize(deserializer)?).map_err(D::Error::custom)
}
