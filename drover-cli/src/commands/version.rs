//! `drover version`: of this program, and of the master, if one is meant and answers.

use drover_master::control::{ControlClient, ControlPath};

use super::find;
use crate::args::Global;
use crate::exit_status::ExitStatus;
use crate::output::message;

const OWN: &str = env!("CARGO_PKG_VERSION");

pub(super) async fn run(global: &Global) -> ExitStatus {
    let mut text = format!("drover {OWN}");
    if let Some(path) = find::meant_silently(global, &ControlPath::live())
        && let Ok(client) = ControlClient::connect(&path).await
    {
        text.push_str(&format!("\nmaster {} ({})", client.master_version(), path.display()));
    }
    message::whole_result(&text)
}
