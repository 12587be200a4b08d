//! Plays workers against a running master.
//!
//! A master gives tokens only to processes that it has started. So the app under test runs stand-ins (`drover conform
//! stand-in`), which hold still while a case speaks for them: with their token, on a connection of its own.
//!
//! ```text
//!  case ── start, stop, status ──► control socket ──┐
//!    │                                           master ── starts ──► stand-in
//!    └── Hello with the stand-in's token, … ──► worker socket ┘            ▲
//!    └── SIGUSR1: hold still; SIGUSR2: exit with 0 ────────────────────────┘
//! ```

mod cases;
mod control;
mod runner;
mod stage;
mod stand_in;

pub use cases::cases;
pub use runner::{MasterRun, MasterRunError, run};
pub use stand_in::{StandInError, stand_in};
