//! Everything about apps and workers.

use drover_proto::latest::{
    ControlResponse, DescribeReply, DescribeRequest, control_request, control_response,
};

use super::{ClientError, ControlClient};

impl ControlClient {
    /// Everything about the apps and workers of these names.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `NotFound` for a name that fits nothing, or that the connection failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing but its own answer.
    pub async fn describe(&mut self, names: &[String]) -> Result<DescribeReply, ClientError> {
        let request = DescribeRequest { names: names.to_vec(), as_file: false };
        let seq = self.link.send(control_request::Body::Describe(request)).await?;
        let mut whole = DescribeReply::default();
        loop {
            let ControlResponse { more, body, .. } = self.link.receive(seq).await?;
            let Some(control_response::Body::Description(part)) = body else {
                return Err(ClientError::Unexpected);
            };
            whole.apps.extend(part.apps);
            whole.workers.extend(part.workers);
            if !more {
                return Ok(whole);
            }
        }
    }

    /// The apps of these names as a drover.toml that could have started them, without values of the environment.
    ///
    /// # Errors
    ///
    /// As [`describe`](Self::describe); [`ClientError::Refused`] with `Unimplemented` and [`ClientError::Unexpected`] if the master
    /// can't write one.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing but its own answer.
    pub async fn describe_as_file(&mut self, names: &[String]) -> Result<String, ClientError> {
        let request = DescribeRequest { names: names.to_vec(), as_file: true };
        let seq = self.link.send(control_request::Body::Describe(request)).await?;
        let mut text = None;
        loop {
            let ControlResponse { more, body, .. } = self.link.receive(seq).await?;
            let Some(control_response::Body::Description(DescribeReply { file, .. })) = body else {
                return Err(ClientError::Unexpected);
            };
            text = text.or_else(|| Some(file).filter(|file| !file.is_empty()));
            if !more {
                return text.ok_or(ClientError::Unexpected);
            }
        }
    }
}
