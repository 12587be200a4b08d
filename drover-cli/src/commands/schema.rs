//! `drover schema`: the JSON Schema of drover.toml.

use drover_master::config::file as config;

use crate::exit_status::ExitStatus;
use crate::output::message;

pub(super) fn run() -> ExitStatus {
    message::whole_result(config::SCHEMA)
}
