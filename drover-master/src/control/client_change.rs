//! How a client asks for plans and has them applied, and how it sends messages.

use drover_proto::latest::{
    ApplyRequest, DiffRequest, Plan, SendRequest, SendResult, StepResult, control_request, control_response,
};

use super::client::{ClientError, ControlClient};

impl ControlClient {
    /// What an apply of a file would change.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `InvalidArgument` and every mistake of the file, with `BadState` if the master has none;
    /// or that the connection failed.
    pub async fn diff(&mut self, request: DiffRequest) -> Result<Plan, ClientError> {
        let seq = self.send(control_request::Body::Diff(request)).await?;
        match self.receive(seq).await?.body {
            Some(control_response::Body::Plan(plan)) => Ok(plan),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Has everything as a file says; answers with what that changes, once it has begun. Take the results by
    /// [`next_step`](Self::next_step).
    ///
    /// # Errors
    ///
    /// As [`diff`](Self::diff), and `Busy` while another one is under way: nothing is touched then.
    pub async fn apply(&mut self, request: ApplyRequest) -> Result<Plan, ClientError> {
        self.begin(control_request::Body::Apply(request)).await?;
        match self.next().await?.body {
            Some(control_response::Body::Plan(plan)) => Ok(plan),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// How the next of the apps came out; none after the last.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] if everything was ended before, or that the connection failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next_step(&mut self) -> Result<Option<StepResult>, ClientError> {
        match self.next().await?.body {
            Some(control_response::Body::Step(step)) => Ok(Some(step)),
            Some(control_response::Body::Done(_)) => Ok(None),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Sends a message to workers. Take the results by [`next_sent`](Self::next_sent).
    ///
    /// # Errors
    ///
    /// That the connection failed.
    pub async fn send_message(&mut self, request: SendRequest) -> Result<(), ClientError> {
        self.begin(control_request::Body::Send(request)).await
    }

    /// What became of the message at the next of the workers; none after the last.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] if it went to nobody: with `NotFound` for a name that fits nothing; or that the connection failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next_sent(&mut self) -> Result<Option<SendResult>, ClientError> {
        match self.next().await?.body {
            Some(control_response::Body::Sent(sent)) => Ok(Some(sent)),
            Some(control_response::Body::Done(_)) => Ok(None),
            _ => Err(ClientError::Unexpected),
        }
    }
}
