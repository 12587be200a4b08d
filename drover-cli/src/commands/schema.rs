//! `drover schema`: the JSON Schema of drover.toml.

use crate::config;
use crate::exit_status::ExitStatus;
use crate::output::message;

pub(super) fn run() -> ExitStatus {
    // A reader that has gone has seen enough.
    let _ = message::result(config::SCHEMA);
    ExitStatus::Done
}
