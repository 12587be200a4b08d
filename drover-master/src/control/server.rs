//! Accepts control clients.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::path::{ControlPath, ControlPathError};
use super::place::ControlPlace;
use super::session;
use crate::listener::{UnixPath, UnixPathError};
use crate::supervisor::{End, SupervisorHandle};
use crate::upkeep::{Upkeep, keep};

/// How many clients are served at once; more wait in the kernel's queue. A session that does nothing ends by itself.
const SESSIONS: usize = 128;

/// The kernel's queue.
pub(super) const BACKLOG: u32 = 128;

/// How long sessions may take, once all is over, to hand out their last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// How long to wait when no descriptor is left for a new connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// Why a master can't be asked: misuse or environment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// There is no usable directory.
    #[error(transparent)]
    Path(#[from] ControlPathError),
    /// Another master serves there.
    #[error("another master{} serves at `{}`; end it with `drover -s {} down`, or choose another socket with -s or another name", pid_of(*holder), path.display(), path.display())]
    InUse {
        /// The socket.
        path: std::path::PathBuf,
        /// Its process, if that is known.
        holder: Option<u32>,
    },
    /// The socket can't be made.
    #[error("the control socket can't be opened")]
    Socket(#[source] UnixPathError),
    /// The runtime can't take the socket.
    #[error("the control socket can't be served")]
    Io(#[from] io::Error),
}

fn pid_of(holder: Option<u32>) -> String {
    holder.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

/// The claimed socket, and once it serves, who accepts.
#[derive(Debug)]
pub(crate) struct ControlServer {
    wanted: ControlPath,
    path: std::path::PathBuf,
    /// None once it serves.
    socket: Option<UnixPath>,
    served: Option<Served>,
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

impl From<UnixPathError> for ControlError {
    fn from(error: UnixPathError) -> Self {
        match error {
            UnixPathError::InUse { path, holder } => Self::InUse { path, holder },
            error => Self::Socket(error),
        }
    }
}

impl ControlServer {
    /// Claims the socket, so that a second master on it is refused before anything of it starts.
    pub(crate) fn claim(wanted: &ControlPath) -> Result<Self, ControlError> {
        let path = wanted.to_serve()?;
        let socket = Some(UnixPath::claim(&path)?);
        Ok(Self { wanted: wanted.clone(), path, socket, served: None })
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
        let place = Arc::new(ControlPlace::new(self.wanted.clone(), &self.path, socket, fresh, events));
        let acceptor = tokio::spawn(accept(listener, renewed, supervisor, is_over));
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
) {
    let places = Arc::new(Semaphore::new(SESSIONS));
    let waiting = Arc::new(Semaphore::new(session::WAITING));
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (listener.accept().await, place)
            } => accepted,
            _ = is_over.wait_for(Option::is_some) => break,
            Some(new) = renewed.recv() => {
                match UnixListener::from_std(new) {
                    Ok(new) => listener = new,
                    Err(error) => tracing::error!(target: "drover::control", %error, "the control socket can't be served"),
                }
                continue;
            }
            Some(_) = sessions.join_next() => continue,
        };
        match accepted {
            (Ok((stream, _)), Ok(place)) => {
                let (supervisor, is_over) = (supervisor.clone(), is_over.clone());
                let waiting = Arc::clone(&waiting);
                sessions.spawn(async move {
                    session::serve(stream, supervisor, is_over, waiting).await;
                    drop(place);
                });
            }
            (Err(error), _) => {
                tracing::warn!(target: "drover::control", %error, "can't accept a control client");
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            }
            (_, Err(_)) => break,
        }
    }
    drop(listener);
    while sessions.join_next().await.is_some() {}
}
