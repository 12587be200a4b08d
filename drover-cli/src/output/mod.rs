//! What people and scripts see.

pub(crate) mod clock;
pub(crate) mod conform;
pub(crate) mod course;
pub(crate) mod describe;
pub(crate) use drover_master::control::json;
pub(crate) mod live;
pub(crate) mod look;
pub(crate) mod message;
pub(crate) mod origin;
pub(crate) mod plan;
pub(crate) mod progress;
mod runs;
pub(crate) mod start_report;
mod status_column;
pub(crate) mod story;
pub(crate) mod table;
pub(crate) mod termination_log;
pub(crate) mod waits;
pub(crate) mod word;
mod worker_rows;
