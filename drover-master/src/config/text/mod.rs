//! A text in TOML, read key by key: its tables and values, and what is wrong with them, each with its place.
//!
//! Nothing here knows a key of `drover.toml`: [`keys`](super::keys) ask for what they take, and
//! [`file`](super::file) walks through the tables.

pub(crate) mod foreign;
pub(crate) mod mistake;
pub(crate) mod reader;
pub(crate) mod suggest;
pub(crate) mod tables;
pub(crate) mod value;
