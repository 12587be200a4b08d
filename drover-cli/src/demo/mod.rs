//! The demo's worker: a small HTTP app on `drover-worker`, as a service of one's own would be.

mod http;

use crate::exit_status::ExitStatus;
use crate::output::message;

/// Runs the worker to its end.
pub(crate) async fn worker() -> ExitStatus {
    match http::serve().await {
        Ok(()) => ExitStatus::Done,
        Err(error) => {
            message::error(&*error);
            ExitStatus::Failed
        }
    }
}
