//! What can be measured of apps and workers.
//!
//! ```text
//!  event log ──► follow ──► EventCounts (pure: what happened, and how long it took)  ──┐
//!  snapshots ─────────────────────────────────────────────────────────────────────┼──► text, when somebody asks
//!  /proc ───────► usage of every worker, read on a thread when somebody asks ─────┘
//! ```
//!
//! What is counted of events is written down now and then, so that it goes on with another master (memory.rs).
//!
//! Series are told apart by app and slot, never by process, so there are as many as places; and they only grow over the lives
//! that a slot has.

mod count;
mod memory;
mod sheet;
mod slot;
#[cfg(test)]
mod tests;
mod text;
mod times;
mod told;
mod traffic;

pub(super) use count::EventCounts;
pub(super) use memory::{CountMemory, EVENTS};
pub(super) use text::{Measured, TextForm, text};
pub(super) use traffic::AppTraffic;
