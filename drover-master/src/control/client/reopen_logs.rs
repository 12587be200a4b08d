use drover_proto::latest::{ReopenLogsRequest, control_request, control_response};

use super::{ClientError, ControlClient};

impl ControlClient {
    /// Has the master open the log files of these apps again by their names.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `NotFound` for a name that fits nothing, with `InvalidArgument` for workers and for an app without log files; then nothing
    /// is done. Or that the connection failed.
    ///
    /// # Cancel safety
    ///
    /// What the master has read it does, whether or not this future is dropped.
    pub async fn reopen_logs(&mut self, names: Vec<String>) -> Result<(), ClientError> {
        let request = control_request::Body::ReopenLogs(ReopenLogsRequest { names });
        let seq = self.link.send(request).await?;
        match self.link.receive(seq).await?.body {
            Some(control_response::Body::Done(_)) => Ok(()),
            _ => Err(ClientError::Unexpected),
        }
    }
}
