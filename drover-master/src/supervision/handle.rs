//! The handle of a supervisor.

use std::hash::RandomState;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::change::request::{ApplyReply, Take};
use super::change::reread::Reread;
use super::operation::{AppError, AppRef, REQUESTS};
use super::roster::Roster;
use crate::config::{AppSpec, Description};
use crate::handle::ticket::Reply;
use crate::handle::{EventLog, Master, Ticket, Unavailable};
use crate::keeper::Holds;
use crate::machine::composite::{AppIndex, AppOperation, Standing};
use crate::machine::gate;
use crate::process::OutputLog;

pub(crate) type SupervisorRequests = mpsc::Receiver<SupervisorRequest>;

/// A request to the supervisor's task.
#[derive(Debug)]
pub(crate) enum SupervisorRequest {
    End {
        how: gate::Request,
        by: Arc<str>,
    },
    Operate {
        app: AppIndex,
        operation: AppOperation,
        by: Arc<str>,
        reply: Reply<AppError>,
    },
    /// Everything is to be as described.
    Apply {
        wanted: Box<Description>,
        by: Arc<str>,
        begun: ApplyReply,
    },
    /// An app is to be known by another description.
    Take(Take),
    /// What apps are to each other is to be as the descriptions say that they were brought to.
    Replan {
        done: oneshot::Sender<()>,
    },
}

/// A supervisor that runs. A clone is the same one.
///
/// Operations on one app begin when they are called; the [`Ticket`] that they return only reports. Equal ones join, and a
/// stop beats a start, which is answered as interrupted. Ask them here and not of an app's own [`Master`]: the supervisor
/// would take that for the app's end.
#[derive(Debug, Clone)]
pub struct SupervisorHandle {
    pub(super) roster: Roster,
    events: EventLog,
    output: OutputLog,
    pub(super) requests: mpsc::Sender<SupervisorRequest>,
    /// Whoever reads the description anew, if there is a file.
    pub(super) reader: Option<Arc<dyn Reread>>,
    /// What plans are told apart by; nobody outside can tell a secret from it.
    pub(super) hasher: RandomState,
    since: Instant,
    pub(crate) holds: Holds,
    pub(crate) keeper: Option<u32>,
}

impl SupervisorHandle {
    pub(crate) fn new(
        roster: Roster,
        events: EventLog,
        output: OutputLog,
        reader: Option<Arc<dyn Reread>>,
    ) -> (Self, SupervisorRequests) {
        let (requests, received) = mpsc::channel(REQUESTS);
        let since = tokio::time::Instant::now().into_std();
        let hasher = RandomState::new();
        (
            Self {
                roster,
                events,
                output,
                requests,
                reader,
                hasher,
                since,
                holds: Holds::default(),
                keeper: None,
            },
            received,
        )
    }

    /// Whether a keeper holds what runs, so that another master goes on if this one crashes.
    pub fn is_protected(&self) -> bool {
        self.holds.are_protected()
    }

    /// The pid of the keeper, if this program was started with one: what whoever started it knows.
    pub const fn keeper(&self) -> Option<u32> {
        self.keeper
    }

    /// The apps that there are now, in the order given; those that came later behind them.
    pub fn masters(&self) -> Vec<Master> {
        self.roster.masters()
    }

    /// The master of the app of this name, if there is one. After an apply that restarted the app it is another one: ask anew rather than
    /// keep it.
    pub fn master(&self, app: &str) -> Option<Master> {
        self.roster.find(app).map(|(entry, _)| entry.master)
    }

    /// The apps with the descriptions that they were brought to.
    pub(crate) fn described(&self) -> Vec<(Master, Arc<AppSpec>)> {
        self.roster.entries().into_iter().map(|entry| (entry.master, entry.spec)).collect()
    }

    /// The apps that wait for others before they are started, and for which.
    pub(crate) fn waits(&self) -> Vec<(String, Vec<String>)> {
        self.roster.waits()
    }

    /// The log that all apps write to.
    pub fn events(&self) -> &EventLog {
        &self.events
    }

    /// The last of what the workers printed; kept only with a control socket.
    pub(crate) const fn output(&self) -> &OutputLog {
        &self.output
    }

    /// How each app stands at this moment, in the order of [`masters`](Self::masters): what it waits for, by places in that
    /// order, or whether it is held.
    pub fn standings(&self) -> Vec<Standing> {
        self.roster.standings()
    }

    /// Starts an app, and first what it depends on. Done means that every worker is ready, or has completed its work. Joins a
    /// start that is under way; of an app that runs, starts the workers that are down. `by` is told as who asked.
    ///
    /// # Errors
    ///
    /// The verdict may be any [`AppError`]. An app that did not start can be started again: the supervisor lives on, even if it
    /// is essential, and even if nothing else runs.
    pub fn start_app<'a>(&self, app: impl Into<AppRef<'a>>, by: impl Into<Arc<str>>) -> Ticket<AppError> {
        self.operate(app.into(), AppOperation::Start, by.into())
    }

    /// Ends an app, as hard as `how` says, and holds it: it stays down, and the supervisor lives, until somebody starts it
    /// or ends everything. Those that depend on it are left alone. Done means that every process has been reaped. An app
    /// that has ended on its own is left as it is.
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
    ) -> Ticket<AppError> {
        self.operate(app.into(), AppOperation::Stop(how), by.into())
    }

    /// Restarts the workers of an app that runs, as [`Master::restart`] does: its listeners stay open, and those that depend
    /// on it are left alone. Starts it if it does not run, with what it depends on.
    ///
    /// # Errors
    ///
    /// As [`start_app`](Self::start_app). A worker that does not come back is tried again by the restart policy.
    pub fn restart_app<'a>(&self, app: impl Into<AppRef<'a>>, by: impl Into<Arc<str>>) -> Ticket<AppError> {
        self.operate(app.into(), AppOperation::Restart, by.into())
    }

    /// Ends an app and forgets it, once nothing that stays depends on it.
    pub(super) fn remove_app(&self, app: &str, by: Arc<str>) -> Ticket<AppError> {
        self.operate(app.into(), AppOperation::Remove, by)
    }

    /// Ends everything gracefully. [`Supervisor::run`](crate::supervisor::Supervisor::run) tells when it is done.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has asked for it, or has not.
    pub async fn shutdown(&self) {
        self.end(gate::Request::Shutdown, "shutdown()").await;
    }

    /// Ends everything by SIGKILL.
    ///
    /// # Cancel safety
    ///
    /// As [`shutdown`](Self::shutdown).
    pub async fn kill(&self) {
        self.end(gate::Request::Kill, "kill()").await;
    }

    pub(crate) async fn end(&self, how: gate::Request, by: impl Into<Arc<str>>) {
        // A supervisor that is gone has ended already.
        let _ = self.requests.send(SupervisorRequest::End { how, by: by.into() }).await;
    }

    /// The file that everything was started from, for people and for whoever compares; empty: none.
    pub(crate) fn file(&self) -> String {
        let file = self.reader.as_ref().and_then(|reader| reader.file());
        file.map_or_else(String::new, |file| file.display().to_string())
    }

    /// The profile that was laid over it; empty: none.
    pub(crate) fn profile(&self) -> String {
        self.reader.as_ref().and_then(|reader| reader.profile()).unwrap_or_default().to_owned()
    }

    pub(crate) fn uptime(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    fn operate(&self, app: AppRef<'_>, operation: AppOperation, by: Arc<str>) -> Ticket<AppError> {
        let found = match app {
            AppRef::Name(name) => self.roster.find(name).map(|(entry, _)| entry.index),
            AppRef::Index(place) => self.roster.at(place),
        };
        let Some(index) = found else { return Ticket::refused(self.unknown(app)) };
        let (ticket, reply) = Ticket::waiting();
        match self.requests.try_send(SupervisorRequest::Operate { app: index, operation, by, reply }) {
            Ok(()) => ticket,
            Err(mpsc::error::TrySendError::Full(_)) => Ticket::refused(Unavailable::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => Ticket::refused(Unavailable::Gone),
        }
    }

    fn unknown(&self, app: AppRef<'_>) -> AppError {
        let name = match app {
            AppRef::Name(name) => name.to_owned(),
            AppRef::Index(index) => format!("number {index}"),
        };
        AppError::UnknownApp { name, known: self.roster.names().join(", ") }
    }
}
