//! One app under a master: build it, start it, watch it, end it.

mod asking;
mod builder;
mod change;
mod changing;
mod contact;
mod driver;
mod edition;
mod error;
mod event_log;
mod handle;
mod hook;
mod links;
mod lookup;
mod measuring;
mod notifying;
mod processes;
mod reload;
mod steering;
mod strangers;
mod ticket;
mod trace;
mod unlisten;
mod view;
mod workers;

pub use builder::MasterBuilder;
pub(crate) use builder::OwnPart;
pub use error::{BuildError, EndError, OperateError, StartError, Unavailable};
pub use event_log::{Event, EventLog, EventStream, Missed, Occurrence};
pub use handle::Master;
pub use hook::ExitContext;
pub use reload::Reload;
pub use ticket::Ticket;
pub use view::Snapshot;
