//! The handle of a master.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::error::{EndError, OperateError, StartError, Unavailable};
use super::event_log::{EventLog, EventStream};
use super::ticket::{Reply, Ticket};
use super::view::{Snapshot, View};
use crate::config::{AppSpec, ListenAddr};
use crate::machine::exit::Exit;
use crate::machine::fleet::{Count, Outcome, Target};
use crate::machine::gate;
use crate::machine::ids::SlotIndex;

/// How many requests may wait for the driver. It takes each at once, so a full queue means that the program asks faster
/// than it lets the runtime run.
pub(super) const REQUESTS: usize = 256;

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
    pub(super) spec: Arc<AppSpec>,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) view: Arc<View>,
    pub(super) events: EventLog,
    pub(super) outcome: watch::Receiver<Option<Outcome>>,
}

/// A request to the driver.
#[derive(Debug)]
pub(super) enum Request {
    Start {
        reply: Reply<(), StartError>,
    },
    /// Some workers are to be changed.
    Operate {
        request: gate::SlotRequest,
        target: Target,
        by: Arc<str>,
        reply: Reply<(), OperateError>,
    },
    /// There are to be more workers, or fewer.
    Scale {
        count: Count,
        by: Arc<str>,
        reply: Reply<(), OperateError>,
    },
    /// Some workers are to be signalled.
    Signal {
        target: Target,
        signal: i32,
        by: Arc<str>,
        reply: Reply<(), OperateError>,
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
        reply: Reply<(), EndError>,
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
    pub fn start(&self) -> Ticket<(), StartError> {
        self.request(|reply| Request::Start { reply })
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
    pub fn shutdown(&self) -> Ticket<(), EndError> {
        self.end(gate::Request::Shutdown, "shutdown()")
    }

    /// Does not wait any longer: what is not gone gets SIGTERM; called again, SIGKILL. Begins an end if none is under way.
    ///
    /// # Errors
    ///
    /// As [`shutdown`](Self::shutdown).
    pub fn hurry(&self) -> Ticket<(), EndError> {
        self.end(gate::Request::Hurry, "hurry()")
    }

    /// Ends the app now: SIGKILL to every worker and its tree.
    ///
    /// # Errors
    ///
    /// As [`shutdown`](Self::shutdown).
    pub fn kill(&self) -> Ticket<(), EndError> {
        self.end(gate::Request::Kill, "kill()")
    }

    pub(crate) fn end(&self, how: gate::Request, by: impl Into<Arc<str>>) -> Ticket<(), EndError> {
        let by = by.into();
        self.request(|reply| Request::End { how, by, reply })
    }

    /// Restarts every worker: each drains and leaves, and another takes its place as soon as it has. The listeners stay open
    /// meanwhile. Resolved means that every new worker is ready. Joins a restart that is under way.
    ///
    /// # Errors
    ///
    /// [`OperateError`]: a new worker failed before it was ready (the restart policy goes on trying), or the app does not run.
    ///
    /// # Cancel safety
    ///
    /// Dropping the ticket cancels nothing.
    pub fn restart(&self) -> Ticket<(), OperateError> {
        self.operate(gate::SlotRequest::Restart, Target::All, "restart()")
    }

    /// Restarts one worker, as [`restart`](Self::restart) does all.
    ///
    /// # Errors
    ///
    /// [`OperateError`]: as there, and if there is no such worker.
    pub fn restart_worker(&self, target: Target) -> Ticket<(), OperateError> {
        self.operate(gate::SlotRequest::Restart, target, "restart_worker()")
    }

    /// Ends a worker gracefully and leaves its slot empty until it is started again; a pending try is called off. Resolved
    /// means that its process has been reaped. The app runs on, even without any worker.
    ///
    /// # Errors
    ///
    /// [`OperateError`]: there is no such worker, or its process can't be killed.
    pub fn stop_worker(&self, target: Target) -> Ticket<(), OperateError> {
        self.operate(gate::SlotRequest::Stop, target, "stop_worker()")
    }

    /// Starts a worker in a slot that was stopped, given up, or waits for its next try, with a fresh count of failures.
    /// Resolved means that it is ready; of one that runs, at once.
    ///
    /// # Errors
    ///
    /// [`OperateError`]: it failed before it was ready (the restart policy goes on trying), or there is no such slot.
    pub fn start_worker(&self, target: Target) -> Ticket<(), OperateError> {
        self.operate(gate::SlotRequest::Start, target, "start_worker()")
    }

    /// Has more or fewer workers. Newcomers are started in parallel and count when they are ready; those that are too many
    /// drain and leave: first what has failed, then what is not ready, then the least busy, then the youngest. Resolved means
    /// that every newcomer is ready, or everyone that had to leave is gone. A newer call takes the place of one that is under
    /// way. Of an app that does not run it sets how many will be started.
    ///
    /// # Errors
    ///
    /// [`OperateError::Worker`] if a newcomer failed before it was ready: then nothing has changed, and all newcomers are
    /// gone or leaving. [`Denied`](OperateError::Denied) for no workers at all or more than 100,000, and while the app starts
    /// or ends.
    pub fn scale(&self, count: Count) -> Ticket<(), OperateError> {
        self.scale_for(count, "scale()")
    }

    pub(crate) fn scale_for(&self, count: Count, by: impl Into<Arc<str>>) -> Ticket<(), OperateError> {
        let by = by.into();
        self.request(|reply| Request::Scale { count, by, reply })
    }

    /// Sends a signal to the processes of the workers that are meant, and to nothing that they started. What follows is the
    /// worker's business: one that ends by it was ended from outside.
    ///
    /// # Errors
    ///
    /// [`OperateError::Denied`] if no process is meant.
    pub fn signal(&self, target: Target, signal: i32) -> Ticket<(), OperateError> {
        self.send_signal(target, signal, "signal()")
    }

    pub(crate) fn operate(
        &self,
        request: gate::SlotRequest,
        target: Target,
        by: impl Into<Arc<str>>,
    ) -> Ticket<(), OperateError> {
        let by = by.into();
        self.request(|reply| Request::Operate { request, target, by, reply })
    }

    /// As [`operate`](Self::operate), but waits for room instead of being refused: for who has thousands to ask.
    pub(crate) async fn operate_in_turn(
        &self,
        request: gate::SlotRequest,
        target: Target,
        by: impl Into<Arc<str>>,
    ) -> Ticket<(), OperateError> {
        let by = by.into();
        let (ticket, reply) = Ticket::waiting();
        match self.requests.send(Request::Operate { request, target, by, reply }).await {
            Ok(()) => ticket,
            Err(_) => Ticket::refused(Unavailable::Gone),
        }
    }

    pub(crate) fn send_signal(
        &self,
        target: Target,
        signal: i32,
        by: impl Into<Arc<str>>,
    ) -> Ticket<(), OperateError> {
        let by = by.into();
        self.request(|reply| Request::Signal { target, signal, by, reply })
    }

    /// How the last workers of a slot ended, oldest first; at most 8. Empty if there is no such slot.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the master's task can't be asked.
    pub async fn history(&self, slot: SlotIndex) -> Result<Vec<Arc<Exit>>, Unavailable> {
        let (answer, history) = oneshot::channel();
        self.requests.try_send(Request::History { slot, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unavailable::Busy,
            mpsc::error::TrySendError::Closed(_) => Unavailable::Gone,
        })?;
        history.await.map_err(|_| Unavailable::Gone)
    }

    /// Starts the app and waits until it has ended, whoever ended it: the whole life of a program whose purpose it is. An end
    /// that is asked for during the start is no error.
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
    /// # Cancel safety
    ///
    /// A dropped future changes nothing.
    pub async fn wait(&self) -> Result<Outcome, Unavailable> {
        let mut outcome = self.outcome.clone();
        let ended = outcome.wait_for(Option::is_some).await.map_err(|_| Unavailable::Gone)?;
        ended.clone().ok_or(Unavailable::Gone)
    }

    /// The app as it was described.
    pub fn spec(&self) -> &AppSpec {
        &self.spec
    }

    /// The app and all its workers at this moment.
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

    /// Where a TCP listener listens, while it is open: with the port that the kernel chose, if it was left to it.
    pub fn listener_addr(&self, name: &str) -> Option<SocketAddr> {
        self.snapshot().listeners.into_iter().find_map(|(listener, addr)| match addr {
            ListenAddr::Tcp(addr) if listener == name => addr.parse().ok(),
            ListenAddr::Tcp(_) | ListenAddr::Unix(_) => None,
        })
    }

    /// Hands on a signal. What it means the driver says, who knows what is under way: two signals at once are two. More than
    /// it keeps are no more than enough.
    pub(crate) fn signalled(&self, name: &'static str) {
        let _ = self.requests.try_send(Request::Signalled { name });
    }

    /// This master without holding it.
    pub(crate) fn downgrade(&self) -> WeakMaster {
        WeakMaster {
            spec: Arc::clone(&self.spec),
            requests: self.requests.downgrade(),
            view: Arc::clone(&self.view),
            events: self.events.clone(),
            outcome: self.outcome.clone(),
        }
    }

    fn request<T: Unpin, E: From<Unavailable> + Unpin>(
        &self,
        make: impl FnOnce(Reply<T, E>) -> Request,
    ) -> Ticket<T, E> {
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
    spec: Arc<AppSpec>,
    requests: mpsc::WeakSender<Request>,
    view: Arc<View>,
    events: EventLog,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl WeakMaster {
    /// The master, if somebody still holds it.
    pub(crate) fn upgrade(&self) -> Option<Master> {
        Some(Master {
            spec: Arc::clone(&self.spec),
            requests: self.requests.upgrade()?,
            view: Arc::clone(&self.view),
            events: self.events.clone(),
            outcome: self.outcome.clone(),
        })
    }
}
