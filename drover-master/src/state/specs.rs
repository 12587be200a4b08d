//! Descriptions that machines share, which are written once.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{StateError, decode, encode};
use crate::config::{AppSpec, SpecTable};

/// The descriptions that were written to one journal, or read from it. A journal that begins anew begins with none.
#[derive(Debug, Default)]
pub(crate) struct Specs(SpecTable);

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// Descriptions that were not written yet: each has to be, under its number, before the value is.
    pub(crate) new: Vec<(u32, Arc<AppSpec>)>,
    /// The value, which names descriptions by their numbers.
    pub(crate) bytes: Vec<u8>,
}

impl Specs {
    /// A value as bytes.
    pub(crate) fn encode<T: Serialize>(&mut self, value: &T) -> Encoded {
        let bytes = self.0.during(|| encode(value));
        Encoded { new: self.0.new_ones(), bytes }
    }

    /// A description that was read; those who name its number will share it.
    pub(crate) fn learn(&mut self, number: u32, spec: Arc<AppSpec>) {
        self.0.learn(number, spec);
    }

    /// The value of bytes that [`Specs::encode`] made, once all descriptions that are new in them were learned.
    pub(crate) fn decode<T: DeserializeOwned>(&mut self, bytes: &[u8]) -> Result<T, StateError> {
        self.0.during(|| decode(bytes))
    }
}
