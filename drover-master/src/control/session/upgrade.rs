//! Another program goes on in the place of this one.

use std::path::PathBuf;

use drover_proto::latest::{ErrorCode, UpgradeReply, UpgradeRequest, control_response};

use super::{Gone, Session};
use crate::supervision::{UpgradeError, Upgraded};

impl Session {
    pub(super) async fn upgrade(&mut self, seq: u64, request: UpgradeRequest) -> Result<(), Gone> {
        let UpgradeRequest { binary, check } = request;
        let binary = (!binary.is_empty()).then(|| PathBuf::from(binary));
        tracing::info!(target: "drover::control", client = self.client, ?binary, check, "upgrade");
        let Upgraded { pid, version } = match self.supervisor.stand_by(binary, check).await {
            Ok(upgraded) => upgraded,
            Err(error) => {
                let code = match error {
                    UpgradeError::NoKeeper | UpgradeError::Busy | UpgradeError::KeeperGone => {
                        ErrorCode::BadState
                    }
                    UpgradeError::Program { .. } => ErrorCode::InvalidArgument,
                    UpgradeError::Unable { .. } => ErrorCode::RolledBack,
                };
                return self.refuse(seq, code, crate::sentence::sentence(&error)).await;
            }
        };
        let reply = control_response::Body::Upgrade(UpgradeReply { pid, version });
        self.send(seq, false, reply).await?;
        if !check {
            self.supervisor.make_way().await;
        }
        Ok(())
    }
}
