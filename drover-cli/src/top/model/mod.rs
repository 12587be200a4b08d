//! What the view knows, and how that changes: no clock, no I/O.

mod console;
mod input;
mod key;
mod level;
mod list;
mod order;
mod past;
mod pattern;
mod place;
mod press;
mod reload;
mod timeline;
mod wrap;

pub(crate) use console::{Console, Focus, Pane};
pub(crate) use input::{Act, Clock, Input, Use, Wanted};
pub(crate) use key::Key;
pub(crate) use level::LineLevel;
pub(crate) use list::{ListRow, urgency};
pub(crate) use order::{Order, OrderKind};
pub(crate) use past::{Tone, rows as past_rows};
pub(crate) use timeline::{Entry, EntryKind};
pub(crate) use wrap::wrapped;
