//! The handle of a supervisor.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::operation::{Answers, AppError, AppRef, Operation};
use crate::machine::composite::{AppIndex, AppOperation, Composite, Standing};
use crate::machine::gate;
use crate::master::{EventLog, Master};
use crate::process::OutputLog;

/// How many requests may wait for the supervisor. It takes each at once.
const REQUESTS: usize = 256;

pub(super) type Requests = mpsc::Receiver<Request>;

/// A request to the supervisor's task.
#[derive(Debug)]
pub(super) enum Request {
    End { how: gate::Request, by: Arc<str> },
    Operate { app: AppIndex, operation: AppOperation, by: Arc<str>, answers: Answers },
}

/// A supervisor that runs. A clone is the same one.
///
/// Operations on one app begin when they are called; the [`Operation`] that they return only reports. Equal ones join, and a
/// stop beats a start, which is answered as interrupted. Ask them here and not of an app's own [`Master`]: the supervisor
/// would take that for the app's end.
#[derive(Debug, Clone)]
pub struct SupervisorHandle {
    masters: Arc<[Master]>,
    events: EventLog,
    output: OutputLog,
    requests: mpsc::Sender<Request>,
    /// Written by the supervisor's task, read by anybody. Locked for as long as a copy takes.
    standings: Arc<Mutex<Vec<Standing>>>,
    since: Instant,
}

impl SupervisorHandle {
    pub(super) fn new(masters: Vec<Master>, events: EventLog, output: OutputLog) -> (Self, Requests) {
        let (requests, received) = mpsc::channel(REQUESTS);
        let since = tokio::time::Instant::now().into_std();
        let standings = Arc::new(Mutex::new(vec![Standing::Idle; masters.len()]));
        (Self { masters: masters.into(), events, output, requests, standings, since }, received)
    }

    /// The apps, in the order given.
    pub fn masters(&self) -> &[Master] {
        &self.masters
    }

    /// The log that all apps write to.
    pub fn events(&self) -> &EventLog {
        &self.events
    }

    /// The last of what the workers printed; kept only with a control socket.
    pub(crate) const fn output(&self) -> &OutputLog {
        &self.output
    }

    /// How each app stands at this moment, in the order given: what it waits for, whether it is held.
    pub fn standings(&self) -> Vec<Standing> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn show(&self, composite: &Composite) {
        let standings = (0..self.masters.len()).map(|app| composite.standing(app)).collect();
        *self.standings.lock().unwrap_or_else(PoisonError::into_inner) = standings;
    }

    /// Starts an app, and first what it depends on. Done means that every worker is ready, or has completed its work. Joins a
    /// start that is under way; of an app that runs, starts the workers that are down. `by` is told as who asked.
    ///
    /// # Errors
    ///
    /// The verdict may be any [`AppError`]. An app that did not start can be started again: the supervisor lives on, even if it
    /// is essential, and even if nothing else runs.
    pub fn start_app<'a>(&self, app: impl Into<AppRef<'a>>, by: impl Into<Arc<str>>) -> Operation {
        self.operate(app.into(), AppOperation::Start, by.into())
    }

    /// Ends an app, as hard as `how` says, and holds it: it stays down, and the supervisor lives, until somebody starts it
    /// or ends everything. Those that depend on it are left alone. Done means that every process has been reaped. An app
    /// that has ended by itself is left as it is.
    ///
    /// # Errors
    ///
    /// The verdict is [`AppError::UnknownApp`], [`End`](AppError::End), [`Busy`](AppError::Busy) or
    /// [`Gone`](AppError::Gone), if not done.
    pub fn stop_app<'a>(
        &self,
        app: impl Into<AppRef<'a>>,
        how: gate::Request,
        by: impl Into<Arc<str>>,
    ) -> Operation {
        self.operate(app.into(), AppOperation::Stop(how), by.into())
    }

    /// Restarts the workers of an app that runs, as [`Master::restart`] does: its listeners stay open, and those that depend
    /// on it are left alone. Starts it if it does not run, with what it depends on.
    ///
    /// # Errors
    ///
    /// As [`start_app`](Self::start_app). A worker that does not come back is tried again by the restart policy.
    pub fn restart_app<'a>(&self, app: impl Into<AppRef<'a>>, by: impl Into<Arc<str>>) -> Operation {
        self.operate(app.into(), AppOperation::Restart, by.into())
    }

    /// Ends everything gracefully. [`Supervisor::run`](super::Supervisor::run) tells when it is done.
    pub async fn shutdown(&self) {
        self.end(gate::Request::Shutdown, "shutdown()").await;
    }

    /// Ends everything by SIGKILL.
    pub async fn kill(&self) {
        self.end(gate::Request::Kill, "kill()").await;
    }

    pub(crate) async fn end(&self, how: gate::Request, by: impl Into<Arc<str>>) {
        // A supervisor that is gone has ended already.
        let _ = self.requests.send(Request::End { how, by: by.into() }).await;
    }

    pub(crate) fn uptime(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    fn operate(&self, app: AppRef<'_>, operation: AppOperation, by: Arc<str>) -> Operation {
        let found = match app {
            AppRef::Name(name) => self.masters.iter().position(|master| master.spec().name == name),
            AppRef::Index(index) => Some(index).filter(|index| *index < self.masters.len()),
        };
        let Some(index) = found else { return Operation::refused(self.unknown(app)) };
        let (asked, answers) = Operation::new();
        match self.requests.try_send(Request::Operate { app: index, operation, by, answers }) {
            Ok(()) => asked,
            Err(mpsc::error::TrySendError::Full(_)) => Operation::refused(AppError::Busy { limit: REQUESTS }),
            Err(mpsc::error::TrySendError::Closed(_)) => Operation::refused(AppError::Gone),
        }
    }

    fn unknown(&self, app: AppRef<'_>) -> AppError {
        let names: Vec<String> = self.masters.iter().map(|master| master.spec().name.clone()).collect();
        let name = match app {
            AppRef::Name(name) => name.to_owned(),
            AppRef::Index(index) => format!("number {index}"),
        };
        AppError::UnknownApp { name, known: names.join(", ") }
    }
}
