//! A master that could not be asked, or said no.

use drover_master::control::ClientError;

use crate::exit_status::ExitStatus;
use crate::output::message;

/// Tells people why a master could not be asked, and gives the exit status for scripts.
pub(super) fn report(error: &ClientError) -> ExitStatus {
    match error {
        ClientError::Unreachable { path, .. } => message::error_with_remedy(
            error,
            &format!(
                "start one there with `drover -s {} up`, or omit -s to find the one that is running",
                path.display()
            ),
        ),
        _ => message::error(error),
    }
    ExitStatus::of_client(error)
}
