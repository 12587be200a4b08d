//! The protocol version that the workspace speaks, under names that do not change with the version.
//!
//! A second version will stand beside [`v1`](crate::v1); this module is what moves.

pub use crate::v1::*;
