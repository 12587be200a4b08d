//! A client within the program itself: what it asks goes through the same session as what a client of the socket asks.

use std::sync::Arc;

use drover_proto::codec::CodecError;
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::client::{ClientError, ControlClient};
use super::session::{self, Places};
use crate::supervision::{End, SupervisorHandle};

/// Where clients within the program connect.
#[derive(Debug)]
pub(crate) struct OwnClients {
    supervisor: SupervisorHandle,
    places: Arc<Places>,
    /// Who asks, as it is told to others.
    name: &'static str,
    /// Nobody here waits for the end of everything.
    over: watch::Sender<Option<End>>,
}

impl OwnClients {
    pub(crate) fn new(supervisor: SupervisorHandle, name: &'static str) -> Self {
        Self { supervisor, places: Places::new(), name, over: watch::Sender::new(None) }
    }

    /// A connection of its own.
    pub(crate) async fn client(&self) -> Result<ControlClient, ClientError> {
        let (near, far) =
            UnixStream::pair().map_err(|error| ClientError::Connection(CodecError::Io(error)))?;
        let (supervisor, is_over) = (self.supervisor.clone(), self.over.subscribe());
        let (places, name) = (Arc::clone(&self.places), self.name.to_owned());
        tokio::spawn(session::serve(far, supervisor, is_over, places, Some(name)));
        ControlClient::over(near).await
    }
}
