//! The keeper: a process that holds what must outlive a master, and starts another one when a master crashes.
//!
//! ```text
//!  keeper ──── fork ────► master            HOLD, DROP, LOOK, REAP, NOTIFY, LEAVE ──►
//!    ▲  │                   │                                          ◄── STATE
//!    │  │ dies by a signal, or of a panic
//!    │  ▼                   │
//!    │ what it has said last is read; the children that are left stay, also those that have ended
//!    │  │
//!    │  ├── another master ─┘  (with all that is held)
//!    └──┴── too many crashes: everything is ended          exits: so does the keeper, with the same status
//! ```
//!
//! Why it is made so is in `docs/design/keeper.md`.

mod cells;
mod crashes;
mod holds;
mod journal;
mod keep;
mod kept;
mod link;
mod master_watch;
mod message;
mod next_message;
mod process;
mod signals;
mod standby;
mod standing_by;
mod surroundings;
mod tallies;
#[cfg(test)]
mod testing;

pub(crate) use holds::{Hold, Holds, Taking};
pub(crate) use journal::{Journal, JournalRecord};
pub use keep::keep;
pub use kept::{Kept, MasterCrash};
pub(crate) use kept::{PANICKED, STATE, SUPERVISOR};
pub(crate) use link::KeeperLink;
pub(crate) use message::ChildState;
pub use standby::STANDBY;
pub(crate) use standing_by::stand_by;
pub(crate) use tallies::{AppTallies, Tallies, Tally};
#[cfg(test)]
pub(crate) use testing::TestKeeper;
