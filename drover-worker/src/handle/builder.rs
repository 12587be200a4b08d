//! How a bus is set up.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::MessageBus;
use super::standalone::Signals;
use crate::environment::Environment;
use crate::error::ConnectError;
use crate::identity::Identity;
use crate::link;
use crate::link::Terms;
use crate::link::handshake::{self, Introduction, Token};
use crate::link::shared::Shared;
use crate::listener::listen_fds::ListenFds;
use crate::listener::named::Listeners;

impl MessageBus {
    /// Connects to the master named by `DROVER_SOCKET`, or begins standalone mode if there is none.
    ///
    /// # Errors
    ///
    /// As [`MessageBusBuilder::connect`], as are its panics.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn connect() -> Result<Self, ConnectError> {
        Self::builder().connect().await
    }

    /// Begins to set up a bus that differs from the default.
    pub fn builder() -> MessageBusBuilder {
        MessageBusBuilder::default()
    }
}

/// Sets up a [`MessageBus`]; from [`MessageBus::builder`].
///
/// # Examples
///
/// ```no_run
/// # async fn connect() -> Result<(), drover_worker::ConnectError> {
/// use drover_worker::MessageBus;
///
/// let bus = MessageBus::builder().standalone_listen("http", "127.0.0.1:8080").connect().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
#[must_use = "a builder does nothing until connect()"]
pub struct MessageBusBuilder {
    standalone: Vec<(String, String)>,
    orphan_timeout: Option<Duration>,
    socket: Option<PathBuf>,
    token: Option<String>,
    resumable: bool,
    window: Option<u64>,
    /// The end of the first connection is the end of the master.
    follows_its_first_master: bool,
}

/// The capability by which a worker says that it can resume.
const RESUME: &str = "resume";

/// The capability by which a worker says that it takes messages.
const BUS: &str = "bus";

/// How many bytes of messages may wait in a worker if it does not say so.
const WINDOW: u64 = 1024 * 1024;

impl MessageBusBuilder {
    /// The address of a socket (`host:port`, or `unix:path` for a Unix listener) when no master and no socket activation hands
    /// it over. Default: none, so that [`listener`](MessageBus::listener) and its like fail in standalone mode. Under a master it is not looked at.
    pub fn standalone_listen(mut self, name: impl Into<String>, address: impl Into<String>) -> Self {
        self.standalone.push((name.into(), address.into()));
        self
    }

    /// How long this process may live on once the connection to its master has ended and nobody listens on the master's socket. Default: the
    /// master's drain and quit timeouts together, at least 1 s. Where somebody listens there, another master may follow: its answer is awaited
    /// for as long, and the worker serves meanwhile; if none comes, the time begins anew.
    ///
    /// When it has passed the process is killed with its group, if it leads one as a worker does, else ends with code 70, without destructors, even if the async runtime is blocked.
    /// Too short cuts off work under way; too long leaves workers that nobody supervises.
    pub fn orphan_timeout(mut self, timeout: Duration) -> Self {
        self.orphan_timeout = Some(timeout);
        self
    }

    /// The master's socket. Default: `DROVER_SOCKET`; without either the worker is standalone.
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// The secret that says which worker this is. Default: `DROVER_TOKEN`.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Takes the end of the first connection for the end of the master, whoever listens on its socket.
    #[cfg(feature = "testing")]
    pub(crate) fn follow_first_master(mut self) -> Self {
        self.follows_its_first_master = true;
        self
    }

    /// Announces that this worker can be suspended and resumed: after [`stopped`](MessageBus::stopped) it awaits
    /// [`resume_requested`](MessageBus::resume_requested), and begins again when that says so. Default: it does not, and a
    /// master has to replace it instead.
    ///
    /// [`serve`](Self::serve) does all of this. The sockets that were handed over stay open, but for the time of a rest nothing is
    /// taken from them, so that [`listener`](MessageBus::listener) gives each of them again.
    pub fn resumable(mut self) -> Self {
        self.resumable = true;
        self
    }

    /// Announces that this worker takes messages of the application, which [`message`](MessageBus::message) gives. Default: it does not, and
    /// whoever sends it one is told so. To send, it is not needed.
    pub fn messages(mut self) -> Self {
        self.window.get_or_insert(WINDOW);
        self
    }

    /// Takes [`messages`](Self::messages), of which at most this many bytes wait in this process, or are on their way to it, for the app to take
    /// them. Default: 1 MiB. The rest waits at the master, up to 1 MiB, and is refused beyond that, so that whoever sends
    /// hears of it.
    ///
    /// Too low, below 64 KiB, say: the master waits for this worker more often than it need, and messages come in small batches. Too high: a
    /// worker that is slow has old messages, and as much memory; beside its payload each takes about 100 bytes. At least 1: one
    /// message at a time. The largest message comes with any value, and may exceed it.
    pub fn message_window(mut self, bytes: u64) -> Self {
        self.window = Some(bytes.max(1));
        self
    }

    /// Connects to the master, or begins standalone mode.
    ///
    /// The connection belongs to the tokio runtime on which this is called, and lasts until that or the process ends;
    /// the number of handles does not matter to it.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]: the environment is unusable, the master can't be reached, does not answer, or refuses.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection; the master may count the token as used until it reads that.
    pub async fn connect(self) -> Result<MessageBus, ConnectError> {
        let environment = Environment::read()?;
        // Whoever asks for a listener gets the error; a worker without one need not care.
        let _checked_later = ListenFds::of_process();
        let Some(socket) = self.socket.or_else(|| environment.socket.clone()) else {
            let shared = Arc::new(Shared::standalone(
                Identity::standalone(&environment),
                Listeners::standalone(self.standalone),
            ));
            let signals = Signals::listen().map_err(ConnectError::Signals)?;
            tokio::spawn(signals.obey(Arc::clone(&shared)));
            tracing::info!(target: "drover::worker", app = %shared.identity.app, "standalone: no DROVER_SOCKET");
            return Ok(MessageBus::new(shared));
        };
        let Some(token) = self.token.or(environment.token) else {
            return Err(ConnectError::NoToken { socket });
        };
        let named = [(self.resumable, RESUME), (self.window.is_some(), BUS)];
        let capabilities: Vec<_> = named.iter().filter(|(is_so, _)| *is_so).map(|(_, name)| *name).collect();
        let introduction = Introduction { socket, token: Token(token), capabilities };
        let welcomed = handshake::connect(&introduction).await?;
        let session = &welcomed.session;
        let identity = Identity::from(session.identity.clone());
        tracing::info!(
            target: "drover::worker",
            app = %identity.app,
            slot = identity.slot,
            generation = identity.generation,
            worker_id = identity.worker_id,
            version = session.version,
            "connected to the master"
        );
        let terms = Terms {
            introduction,
            orphan_timeout: self.orphan_timeout,
            can_resume: self.resumable,
            window: self.window,
            comes_back: !self.follows_its_first_master,
        };
        let shared = link::start(welcomed, identity, terms)?;
        Ok(MessageBus::new(shared))
    }
}

impl fmt::Debug for MessageBusBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageBusBuilder")
            .field("standalone", &self.standalone)
            .field("orphan_timeout", &self.orphan_timeout)
            .field("socket", &self.socket)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("resumable", &self.resumable)
            .field("window", &self.window)
            .finish()
    }
}
