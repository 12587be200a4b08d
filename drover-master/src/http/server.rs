//! Accepts connections of the admin HTTP.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;

use super::admin::Admin;
use super::follow::{self, EventCounter};
use super::serve::serve;
use super::spec::AdminSpec;
use crate::config::{ListenAddr, ListenSpec};
use crate::keeper::{Holds, Kept};
use crate::listener::{ListenError, Listener};
use crate::supervision::SupervisorHandle;

/// How many connections there may be at once; more wait in the kernel's queue. Readers that follow take most of them; the rest is
/// for scrapers, probes and pages that load.
const CONNECTIONS: usize = 320;

/// What the listener is held by.
const HELD: &str = "http";

/// The kernel's queue.
const BACKLOG: u32 = 128;

/// How long a client may take for the head of a request, and between two requests.
const HEAD: Duration = Duration::from_secs(30);

/// How long a client may leave an answer unread. A scraper that stalls gives its place back.
const STALL: Duration = Duration::from_secs(30);

/// How many bytes of a head are kept: what a browser sends with the cookies of other programs on localhost.
const HEAD_BYTES: usize = 32 * 1024;

/// How long to wait when no descriptor is left for a new connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// Why the admin HTTP can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Others than this machine could reach the address: the caller's fault.
    #[error(
        "the admin HTTP can't listen on {listen}, which other machines reach: use 127.0.0.1, [::1], localhost or unix:PATH, and put a proxy before it that knows who may see it"
    )]
    NotLocal {
        /// Where it was to listen.
        listen: ListenAddr,
    },
    /// The address can't be listened on: the environment's.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The socket can't be served.
    #[error("the admin HTTP can't be served")]
    Io(#[from] io::Error),
}

/// The admin HTTP of a supervisor. Dropped, it serves no more.
///
/// # Example
///
/// ```no_run
/// use drover_master::http::{AdminServer, AdminSpec};
/// use drover_master::supervisor::Supervisor;
/// use drover_master::{Command, Master};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut admin = AdminServer::open(AdminSpec::new("127.0.0.1:9900".parse()?))?;
/// let supervisor = Supervisor::builder().app(Master::builder("web", Command::new("./web"))).build()?;
/// admin.serve(supervisor.handle())?;
/// supervisor.run().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AdminServer {
    spec: AdminSpec,
    listener: Listener,
    tasks: JoinSet<()>,
}

impl AdminServer {
    /// Takes the address, so that a program learns at its start that it is in use. Nobody is answered yet. Blocks while a host
    /// name is resolved.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub fn open(spec: AdminSpec) -> Result<Self, AdminError> {
        Self::open_held(spec, &Holds::default())
    }

    /// The same, held by this keeper: after a crash of this process the next one serves there, and who has connected meanwhile is answered.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub fn open_kept(spec: AdminSpec, kept: &Kept) -> Result<Self, AdminError> {
        Self::open_held(spec, kept.holds())
    }

    pub(super) fn open_held(spec: AdminSpec, holds: &Holds) -> Result<Self, AdminError> {
        if !spec.listen.is_local() {
            return Err(AdminError::NotLocal { listen: spec.listen });
        }
        let wanted = ListenSpec { backlog: BACKLOG, ..ListenSpec::new("http", spec.listen.clone()) };
        let listener = Listener::open_held(&wanted, None, holds, HELD)
            .map_err(|error| error.with_holder().unwrap_or(error))?;
        Ok(Self { spec, listener, tasks: JoinSet::new() })
    }

    /// Where it listens, with the port that the kernel chose if it was left to it.
    pub const fn addr(&self) -> &ListenAddr {
        &self.listener.addr
    }

    /// Answers from now on, on the runtime that this is called on, until it is dropped.
    ///
    /// # Errors
    ///
    /// [`AdminError::Io`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn serve(&mut self, supervisor: SupervisorHandle) -> Result<(), AdminError> {
        let admin = Arc::new(Admin::new(self.spec.clone(), supervisor));
        let socket = Socket::of(&self.listener)?;
        let counter = EventCounter::begin(Arc::clone(&admin));
        self.tasks.spawn(accept(Arc::clone(&admin), socket));
        self.tasks.spawn(counter.run());
        self.tasks.spawn(follow::readings(admin));
        Ok(())
    }
}

/// What connections come from.
#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection of either kind.
trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection for S {}

impl Socket {
    fn of(listener: &Listener) -> io::Result<Self> {
        let socket: OwnedFd = listener.socket().try_clone()?;
        Ok(match listener.addr {
            ListenAddr::Unix(_) => {
                let socket = std::os::unix::net::UnixListener::from(socket);
                socket.set_nonblocking(true)?;
                Self::Unix(UnixListener::from_std(socket)?)
            }
            ListenAddr::Tcp(_) | ListenAddr::Udp(_) => {
                let socket = std::net::TcpListener::from(socket);
                socket.set_nonblocking(true)?;
                Self::Tcp(TcpListener::from_std(socket)?)
            }
        })
    }

    async fn accept(&self) -> io::Result<Box<dyn Connection>> {
        Ok(match self {
            Self::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                // An event is worth a packet of its own. A connection that is gone already tells so at the first read.
                let _ = stream.set_nodelay(true);
                Box::new(stream)
            }
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

async fn accept(admin: Arc<Admin>, socket: Socket) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match socket.accept().await {
            Ok(stream) => {
                let admin = Arc::clone(&admin);
                connections.spawn(async move {
                    let _place = place;
                    converse(admin, stream).await;
                });
            }
            Err(error) => {
                tracing::warn!(target: "drover::http", %error, "can't accept a client");
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
}

/// Answers the requests of one connection.
async fn converse(admin: Arc<Admin>, stream: Box<dyn Connection>) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STALL));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES).half_close(false);
    let answer = service_fn(move |request| serve(Arc::clone(&admin), request));
    // What a client does wrong is its own affair, and is told to it where that is possible.
    if let Err(error) = http.serve_connection(TokioIo::new(Box::pin(stream)), answer).await {
        tracing::debug!(target: "drover::http", %error, "a connection ended");
    }
}
