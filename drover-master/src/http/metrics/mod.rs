//! What can be measured of apps and workers.
//!
//! ```text
//!  event log ──► follow ──► EventCounts (pure: what happened, and how long it took)  ──┐
//!  snapshots ─────────────────────────────────────────────────────────────────────┼──► text, when somebody asks
//!  /proc ───────► usage of every worker, read on a thread when somebody asks ─────┘
//! ```
//!
//! Series are told apart by app and slot, never by process, so there are as many as places; and they only grow over the lives
//! that a slot has.

mod count;
mod sheet;
mod slot;
#[cfg(test)]
mod tests;
mod text;
mod told;
mod traffic;

pub(super) use count::EventCounts;
pub(super) use text::{Measured, TextForm, text};
pub(super) use traffic::AppTraffic;
