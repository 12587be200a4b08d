//! What a program holds of an app: its handle, the tickets of what it asked for, what it sees.

use crate::signal::Signal;
pub(crate) mod change;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod event_log;
mod event_memory;
pub(crate) mod hook;
mod shown;
pub(crate) mod ticket;
pub(crate) mod view;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use self::change::ChangeRequest;
pub use self::change::Reload;
pub use self::error::{BuildError, EndError, OperateError, StartError, Unavailable};
pub use self::event::{Event, Occurrence};
pub use self::event_log::{EventLog, EventStream, Missed};
pub use self::hook::ExitContext;
pub(crate) use self::shown::shown;
use self::ticket::Reply;
pub use self::ticket::Ticket;
pub use self::view::Snapshot;
use self::view::View;
use crate::bus::{Bus, Exchange};
use crate::config::{AppSpec, ListenAddr};
use crate::ids::SlotIndex;
use crate::machine::exit::Exit;
use crate::machine::fleet::{Count, Outcome, Target};
use crate::machine::gate;

/// How many requests may wait for the driver. It takes each at once, so a full queue means that the program asks faster
/// than it lets the runtime run.
pub(crate) const REQUESTS: usize = 256;

/// The master of one app. A clone is the same master.
///
/// Operations begin when they are called; the [`Ticket`] they return only reports. When the last handle is dropped the app
/// is shut down gracefully, as long as the runtime lives; when the runtime goes, workers that still live are killed.
///
/// # Example
///
/// ```no_run
/// use drover_master::{Command, Master};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let master = Master::builder("web", Command::new("./web-worker"))
///     .workers(4)
///     .listen("http", "127.0.0.1:8080")
///     .build()?;
/// master.start().await?; // every worker has said that it is ready
/// // …
/// master.shutdown().await?; // every worker has drained and left
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Master {
    pub(crate) bus: Arc<Exchange>,
    pub(crate) requests: mpsc::Sender<DriverRequest>,
    pub(crate) view: Arc<View>,
    pub(crate) events: EventLog,
    pub(crate) outcome: watch::Receiver<Option<Outcome>>,
}

/// A request to the driver.
#[derive(Debug)]
pub(crate) enum DriverRequest {
    Start {
        reply: Reply<StartError>,
    },
    /// Some workers are to be changed.
    Operate {
        request: gate::SlotRequest,
        target: Target,
        by: Arc<str>,
        reply: Reply<OperateError>,
    },
    /// There are to be more workers, or fewer.
    Scale {
        count: Count,
        by: Arc<str>,
        reply: Reply<OperateError>,
    },
    /// Workers are to be replaced, or what replaces them is to go on or to be called off.
    Change {
        change: ChangeRequest,
        by: Arc<str>,
        reply: Reply<OperateError>,
    },
    /// Some workers are to be signalled.
    Signal {
        target: Target,
        signal: Signal,
        by: Arc<str>,
        reply: Reply<OperateError>,
    },
    /// What failed before is to be forgotten.
    Reset {
        target: Target,
        by: Arc<str>,
        reply: Reply<OperateError>,
    },
    /// Somebody wants to see how the last workers of a slot ended.
    History {
        slot: SlotIndex,
        answer: oneshot::Sender<Vec<Arc<Exit>>>,
    },
    /// A signal came: the end, or if that is under way already, a hurry.
    Signalled {
        name: &'static str,
    },
    End {
        how: gate::Request,
        by: Arc<str>,
        reply: Reply<EndError>,
    },
}

impl Master {
    /// Starts the app. Resolved means that every worker is ready (or has completed its work already). Joins a start that is
    /// under way; of an app that runs, starts again what was stopped by itself or given up.
    ///
    /// # Errors
    ///
    /// [`StartError`]. The app is stopped again then, and can be started anew.
    ///
    /// # Cancel safety
    ///
    /// Dropping the ticket cancels nothing.
    pub fn start(&self) -> Ticket<StartError> {
        self.request(|reply| DriverRequest::Start { reply })
    }

    /// Ends the app gracefully: every worker drains and leaves, within the deadlines of its stop policy. Resolved means
    /// that every process has been reaped and every listener closed. Joins an end that is under way.
    ///
    /// # Errors
    ///
    /// [`EndError`]: a process can't be killed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the ticket cancels nothing.
    pub fn shutdown(&self) -> Ticket<EndError> {
        self.end(gate::Request::Shutdown, "shutdown()")
    }

    /// Does not wait any longer: what is not gone gets SIGTERM; called again, SIGKILL. Begins an end if none is under way.
    ///
    /// # Errors
    ///
    /// As [`shutdown`](Self::shutdown).
    pub fn hurry(&self) -> Ticket<EndError> {
        self.end(gate::Request::Hurry, "hurry()")
    }

    /// Ends the app now: SIGKILL to every worker and its tree.
    ///
    /// # Errors
    ///
    /// As [`shutdown`](Self::shutdown).
    pub fn kill(&self) -> Ticket<EndError> {
        self.end(gate::Request::Kill, "kill()")
    }

    pub(crate) fn end(&self, how: gate::Request, by: impl Into<Arc<str>>) -> Ticket<EndError> {
        let by = by.into();
        self.request(|reply| DriverRequest::End { how, by, reply })
    }

    /// Starts the app and waits until it has ended, whoever ended it: the whole life of a program whose purpose it is. An end
    /// that is asked for during the start is not an error.
    ///
    /// # Errors
    ///
    /// [`StartError`] if it did not start.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels nothing.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), drover_master::StartError> {
    /// # use drover_master::{Command, Master, Signals};
    /// # let master = Master::builder("web", Command::new("./web-worker")).signals(Signals::shutdown()).build().unwrap();
    /// let outcome = master.run().await?;
    /// println!("web {outcome}"); // "web shut down, asked by SIGINT"
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run(&self) -> Result<Outcome, StartError> {
        match self.start().await {
            Ok(()) | Err(StartError::Interrupted { .. }) => Ok(self.wait().await?),
            Err(error) => Err(error),
        }
    }

    /// Waits until the app has ended, whoever ended it, and tells how. Resolves at once if it has ended and was not started
    /// again; waits for the first end if it was never started.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the runtime of the master's task is gone.
    ///
    /// # Cancel safety
    ///
    /// A dropped future changes nothing.
    pub async fn wait(&self) -> Result<Outcome, Unavailable> {
        let mut outcome = self.outcome.clone();
        let ended = outcome.wait_for(Option::is_some).await.map_err(|_| Unavailable::Gone)?;
        ended.clone().ok_or(Unavailable::Gone)
    }

    /// Sends messages to the app's workers.
    pub fn bus(&self) -> Bus {
        Bus::new(Arc::clone(&self.bus))
    }

    /// The app as it is described now: another description takes its place when the reload by it is committed.
    pub fn spec(&self) -> Arc<AppSpec> {
        self.view.spec()
    }

    /// The app and all its workers at this moment; once the runtime that drove them is gone: that nothing runs any more.
    pub fn snapshot(&self) -> Snapshot {
        self.view.read()
    }

    /// What happens from the moment of this snapshot on: no event is in both, none is in neither.
    pub fn watch(&self) -> (Snapshot, EventStream) {
        let snapshot = self.snapshot();
        let events = self.events.since(snapshot.last_seq);
        (snapshot, events)
    }

    /// Every event that is kept, and then what happens. With a shared log it tells of all apps that share it.
    pub fn events(&self) -> EventStream {
        self.events.since(0)
    }

    /// Where a TCP or UDP listener listens, while it is open: with the port that the kernel chose, if it was left to it.
    pub fn listener_addr(&self, name: &str) -> Option<SocketAddr> {
        self.snapshot().listeners.into_iter().find_map(|(listener, addr)| match addr {
            ListenAddr::Tcp(addr) | ListenAddr::Udp(addr) if listener == name => addr.parse().ok(),
            ListenAddr::Tcp(_) | ListenAddr::Udp(_) | ListenAddr::Unix(_) => None,
        })
    }

    /// Hands on a signal. What it means the driver says, who knows what is under way: two signals at once are two. More than
    /// it keeps are no more than enough.
    pub(crate) fn signalled(&self, name: &'static str) {
        let _ = self.requests.try_send(DriverRequest::Signalled { name });
    }

    /// This master without holding it.
    pub(crate) fn downgrade(&self) -> WeakMaster {
        WeakMaster {
            bus: Arc::clone(&self.bus),
            requests: self.requests.downgrade(),
            view: Arc::clone(&self.view),
            events: self.events.clone(),
            outcome: self.outcome.clone(),
        }
    }

    pub(crate) fn request<E: From<Unavailable>>(
        &self,
        make: impl FnOnce(Reply<E>) -> DriverRequest,
    ) -> Ticket<E> {
        let (ticket, reply) = Ticket::waiting();
        match self.requests.try_send(make(reply)) {
            Ok(()) => ticket,
            Err(mpsc::error::TrySendError::Full(_)) => Ticket::refused(Unavailable::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => Ticket::refused(Unavailable::Gone),
        }
    }
}

/// A master that may have no handle any more.
#[derive(Debug)]
pub(crate) struct WeakMaster {
    bus: Arc<Exchange>,
    requests: mpsc::WeakSender<DriverRequest>,
    view: Arc<View>,
    events: EventLog,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl WeakMaster {
    /// The master, if somebody still holds it.
    pub(crate) fn upgrade(&self) -> Option<Master> {
        Some(Master {
            bus: Arc::clone(&self.bus),
            requests: self.requests.upgrade()?,
            view: Arc::clone(&self.view),
            events: self.events.clone(),
            outcome: self.outcome.clone(),
        })
    }
}
