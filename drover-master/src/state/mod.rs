//! The state of the machines, and what they take, as bytes: with them another process goes on exactly where this one was.
//!
//! It is JSON, since that can be read by people, and by a program of another version: what it does not know it ignores, and what
//! is missing has its default where there is one. How single values are written is told in [`written`](crate::written).
//!
//! A machine that reads its own state, and then takes the same inputs at the same times, comes to the same state and wants the
//! same things done: time, chance and news all come from outside.

mod specs;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use specs::{Encoded, Specs};

/// Why bytes are not what they should be.
#[derive(Debug, thiserror::Error)]
#[error("a state can't be read: {0}")]
pub(crate) struct StateError(#[from] serde_json::Error);

/// A value as bytes. [`Specs`] does it for what shares descriptions.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("the keys of maps are numbers, and every value has a form")
}

/// The value of bytes that [`encode`] made, perhaps in a program of another version.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    Ok(serde_json::from_slice(bytes)?)
}
