//! The live view of `drover top`.
//!
//! `model` is what it knows, and changes by inputs alone; `view` makes a screen of it; `terminal` has the keys and the cells;
//! `shell` carries between them and the master.

mod model;
mod shell;
mod terminal;
mod view;

pub(crate) use shell::run;
pub(crate) use terminal::Terminal;
