use drover_proto::latest::{UpgradeReply, UpgradeRequest, control_request, control_response};

use super::{ClientError, ControlClient};

impl ControlClient {
    /// Has another program go on in the place of the master, or only sees whether it could. `binary`: its absolute path; empty: the file that
    /// the master was started from. Answers the process that goes on. Unless it was a check, this connection ends then, and the
    /// next one is answered by that process.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with the reason; then the master goes on as before. Or that the connection failed.
    ///
    /// # Cancel safety
    ///
    /// What the master has read it does, whether or not this future is dropped.
    pub async fn upgrade(&mut self, binary: String, check: bool) -> Result<UpgradeReply, ClientError> {
        let request = control_request::Body::Upgrade(UpgradeRequest { binary, check });
        let seq = self.link.send(request).await?;
        match self.link.receive(seq).await?.body {
            Some(control_response::Body::Upgrade(reply)) => Ok(reply),
            _ => Err(ClientError::Unexpected),
        }
    }
}
