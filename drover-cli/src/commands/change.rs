//! A change that the master carries out, whether or not its user waits.

use std::future::Future;
use std::time::Duration;

use drover_proto::latest::AppStatus;

use super::interrupt::Interrupt;
use super::{deadline, patience};
use crate::args::Global;
use crate::exit_status::ExitStatus;
use crate::output::message;

/// Waits for it, as long as its user does, and tells what takes long.
pub(super) async fn carried_out(
    global: &Global,
    timeout: Option<Duration>,
    is_changed: impl Fn(&AppStatus) -> bool,
    change: impl Future<Output = ExitStatus>,
) -> ExitStatus {
    let mut interrupt = Interrupt::new();
    tokio::select! {
        status = change => status,
        () = patience::tell(global, is_changed) => ExitStatus::Done,
        () = deadline::passed(global.time.left()) => {
            let limit = timeout.unwrap_or_default();
            message::error_text(&format!("not done within {limit:?}; the master continues"));
            ExitStatus::TimedOut
        }
        () = interrupt.pressed() => {
            message::note("interrupted; the master continues");
            ExitStatus::Interrupted
        }
    }
}
