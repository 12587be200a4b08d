//! Accepts control clients.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{Shutdown, shutdown};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::error::ControlError;
use super::path::ControlPath;
use super::place::{BACKLOG, ControlPlace, HELD};
use super::session::{self, Places};
use crate::keeper::Holds;
use crate::listener::UnixPath;
use crate::supervision::{End, SupervisorHandle};
use crate::upkeep::{Upkeep, keep};

/// How long sessions may take, once all is over, to hand out their last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// How long to wait when no descriptor is left for a new connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// The claimed socket, and once it serves, who accepts.
#[derive(Debug)]
pub(crate) struct ControlServer {
    wanted: ControlPath,
    path: std::path::PathBuf,
    /// None once it serves.
    socket: Option<UnixPath>,
    served: Option<Served>,
    holds: Holds,
}

/// Who accepts, and what he accepts on.
#[derive(Debug)]
struct Served {
    acceptor: JoinHandle<()>,
    over: watch::Sender<Option<End>>,
    _upkeep: Upkeep,
    place: Arc<ControlPlace>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.place.close();
    }
}

impl ControlServer {
    /// Claims the socket, so that a second master on it is refused before anything of it starts.
    ///
    /// With a keeper it is where the master before had it: clients that have connected meanwhile wait there.
    pub(crate) fn claim(wanted: &ControlPath, holds: &Holds) -> Result<Self, ControlError> {
        let socket = match UnixPath::resume(holds, HELD) {
            Some(resumed) => resumed,
            None => UnixPath::claim_held(&wanted.to_serve()?, holds, HELD)?,
        };
        let (path, holds) = (socket.path().to_owned(), holds.clone());
        Ok(Self { wanted: wanted.clone(), path, socket: Some(socket), served: None, holds })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Begins to serve.
    pub(crate) fn serve(&mut self, supervisor: SupervisorHandle) -> Result<(), ControlError> {
        let Some(socket) = self.socket.take() else { return Ok(()) };
        let listener = socket.listen(BACKLOG).map_err(ControlError::Socket)?;
        let listener = std::os::unix::net::UnixListener::from(listener);
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let (over, is_over) = watch::channel(None);
        let (fresh, renewed) = mpsc::channel(1);
        let events = supervisor.events().clone();
        let holds = self.holds.clone();
        let place = ControlPlace::new(self.wanted.clone(), &self.path, socket, fresh, events, holds.clone());
        let place = Arc::new(place);
        let acceptor = tokio::spawn(accept(listener, renewed, supervisor, is_over, holds));
        let upkeep = keep(Arc::<ControlPlace>::clone(&place));
        self.served = Some(Served { acceptor, over, _upkeep: upkeep, place });
        Ok(())
    }

    /// Tells every session that all is over, and waits until they have told their clients.
    pub(crate) async fn finish(self, end: End) {
        if let Some(mut served) = self.served {
            served.over.send_replace(Some(end));
            let _ = tokio::time::timeout(LAST_ANSWERS, &mut served.acceptor).await;
        }
    }
}

async fn accept(
    mut listener: UnixListener,
    mut renewed: mpsc::Receiver<std::os::unix::net::UnixListener>,
    supervisor: SupervisorHandle,
    mut is_over: watch::Receiver<Option<End>>,
    holds: Holds,
) {
    let places = Places::new();
    let mut sessions = JoinSet::new();
    // One that is accepted and has no place yet.
    let mut newcomer: Option<UnixStream> = None;
    loop {
        tokio::select! {
            Some(new) = renewed.recv() => match UnixListener::from_std(new) {
                Ok(new) => listener = new,
                Err(error) => {
                    tracing::error!(target: "drover::control", %error, "the control socket can't be served");
                }
            },
            accepted = listener.accept(), if newcomer.is_none() => match accepted {
                Ok((stream, _)) => newcomer = Some(stream),
                Err(error) => {
                    tracing::warn!(target: "drover::control", %error, "can't accept a control client");
                    tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
                }
            },
            place = places.enter(), if newcomer.is_some() => if let Some(stream) = newcomer.take() {
                let (supervisor, is_over) = (supervisor.clone(), is_over.clone());
                let places = Arc::clone(&places);
                sessions.spawn(async move {
                    session::serve(stream, supervisor, is_over, places, None).await;
                    drop(place);
                });
            },
            _ = session::over(&mut is_over) => break,
            Some(_) = sessions.join_next() => {}
        }
    }
    if !holds.are_left() {
        // The keeper may have it for a moment more, and nobody may wait there meanwhile.
        let _ = shutdown(listener.as_raw_fd(), Shutdown::Both);
    }
    drop(listener);
    while sessions.join_next().await.is_some() {}
}
