//! `drover schema`: the JSON Schema of drover.toml.

use crate::config;
use crate::exit_status::ExitStatus;
use crate::output::message;

pub(super) fn run() -> ExitStatus {
    message::whole_result(config::SCHEMA)
}
