//! A connection to a master, which may be busy.

use std::path::Path;
use std::time::Duration;

use drover_master::control::{ClientError, ControlClient};

use super::deadline::SOON;
use crate::args::Global;
use crate::output::message;

/// If the master accepts no connection and the verb may wait longer than this, it says so.
const TO_BE_TOLD: Duration = Duration::from_secs(10);

/// Connects to a master, which may be busy for as long as the verb waits.
pub(super) async fn connect(global: &Global, socket: &Path) -> Result<ControlClient, ClientError> {
    let limit = global.time.to_reach();
    let told = async {
        if global.quiet || limit < TO_BE_TOLD {
            return std::future::pending().await;
        }
        tokio::time::sleep(SOON).await;
        message::note("still waiting: the master accepts no connection; it is busy, or stopped (SIGSTOP)");
        std::future::pending().await
    };
    tokio::select! {
        connected = ControlClient::connect_within(socket, limit) => connected,
        never = told => never,
    }
}
