//! The supervisor's one task: `select` yields an input, the composite machine decides, actions go to the masters.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{End, Supervisor, SupervisorError};
use crate::machine::composite::{AppIndex, Composite, CompositeAction, CompositeInput};
use crate::machine::fleet::Outcome;
use crate::machine::gate;
use crate::machine::restart::LeaveReason;
use crate::master::{EventLog, Master, StartError, Unavailable};

/// How many requests to end may wait: one a control session and signal, and all mean the same.
const REQUESTS: usize = 256;

pub(super) type Requests = mpsc::Receiver<EndRequest>;

/// Somebody wants the end.
#[derive(Debug)]
pub(super) struct EndRequest {
    how: gate::Request,
    by: Arc<str>,
}

/// A supervisor that runs. A clone is the same one.
#[derive(Debug, Clone)]
pub struct SupervisorHandle {
    masters: Arc<[Master]>,
    events: EventLog,
    requests: mpsc::Sender<EndRequest>,
    since: Instant,
}

/// How everything ended.
#[derive(Debug)]
pub struct SupervisorEnd {
    /// How.
    pub end: End,
    /// The apps that did not start, and why; an app whose task is gone is among them, whenever it went.
    pub failures: Vec<StartError>,
}

impl SupervisorHandle {
    pub(super) fn new(masters: Vec<Master>, events: EventLog) -> (Self, Requests) {
        let (requests, received) = mpsc::channel(REQUESTS);
        let since = tokio::time::Instant::now().into_std();
        (Self { masters: masters.into(), events, requests, since }, received)
    }

    /// The apps, in the order given.
    pub fn masters(&self) -> &[Master] {
        &self.masters
    }

    /// The log that all apps write to.
    pub fn events(&self) -> &EventLog {
        &self.events
    }

    /// Ends everything gracefully. [`Supervisor::run`] tells when it is done.
    pub async fn shutdown(&self) {
        self.end(gate::Request::Shutdown, "shutdown()").await;
    }

    /// Ends everything by SIGKILL.
    pub async fn kill(&self) {
        self.end(gate::Request::Kill, "kill()").await;
    }

    pub(crate) async fn end(&self, how: gate::Request, by: impl Into<Arc<str>>) {
        // A supervisor that is gone has ended already.
        let _ = self.requests.send(EndRequest { how, by: by.into() }).await;
    }

    pub(crate) fn uptime(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

pub(super) async fn run(supervisor: Supervisor) -> Result<SupervisorEnd, SupervisorError> {
    let Supervisor { handle, mut requests, mut control, signals, keep_going } = supervisor;
    if let Some(control) = &mut control {
        control.serve(handle.clone())?;
    }
    let mut signals = signals.map(crate::Signals::listen);
    let mut signal_count = 0_u32;
    let mut running = Running {
        composite: Composite::new(handle.masters.len(), keep_going),
        masters: Arc::clone(&handle.masters),
        tasks: JoinSet::new(),
        failures: Vec::new(),
        started: HashSet::new(),
        lost: HashSet::new(),
    };
    let mut end = running.apply(CompositeInput::StartRequested);
    while end.is_none() {
        let input = tokio::select! {
            Some(EndRequest { how, by }) = requests.recv() => CompositeInput::EndRequested { how, by },
            Some(name) = next_signal(&mut signals) => {
                signal_count += 1;
                let how = match signal_count {
                    1 => gate::Request::Shutdown,
                    2 => gate::Request::Hurry,
                    _ => gate::Request::Kill,
                };
                CompositeInput::EndRequested { how, by: name.into() }
            }
            Some(Ok(news)) = running.tasks.join_next() => match running.input_of(news) {
                Some(input) => input,
                None => continue,
            },
        };
        end = running.apply(input);
    }
    let end = end.unwrap_or(End::Killed);
    if let Some(control) = control {
        control.finish(end).await;
    }
    Ok(SupervisorEnd { end, failures: running.failures })
}

async fn next_signal(signals: &mut Option<mpsc::Receiver<&'static str>>) -> Option<&'static str> {
    match signals {
        Some(signals) => signals.recv().await,
        None => std::future::pending().await,
    }
}

/// News of one app.
enum AppNews {
    Started(AppIndex, Result<(), StartError>),
    Ended(AppIndex, Outcome),
    /// The app's task is gone, and with it whoever could tell its outcome.
    Lost(AppIndex),
    /// An end was carried out; the app's outcome tells the rest.
    Asked,
}

struct Running {
    composite: Composite,
    masters: Arc<[Master]>,
    tasks: JoinSet<AppNews>,
    failures: Vec<StartError>,
    started: HashSet<AppIndex>,
    lost: HashSet<AppIndex>,
}

impl Running {
    fn apply(&mut self, input: CompositeInput) -> Option<End> {
        let mut end = None;
        for action in self.composite.handle(input) {
            match action {
                CompositeAction::StartApp(app) => self.start(app),
                CompositeAction::EndApp { app, how, by } => {
                    let ticket = self.masters[app].end(how, by);
                    self.tasks.spawn(async move {
                        // An unkillable process is told by its event; its app has not ended then.
                        let _ = ticket.await;
                        AppNews::Asked
                    });
                }
                CompositeAction::ReportStarted => {
                    tracing::info!(target: "drover::supervisor", "every app is started")
                }
                CompositeAction::Finish(how) => end = Some(how),
            }
        }
        end
    }

    fn start(&mut self, app: AppIndex) {
        let master = self.masters[app].clone();
        let ticket = master.start();
        self.tasks.spawn(async move { AppNews::Started(app, ticket.await) });
        self.tasks.spawn(async move {
            match master.wait().await {
                Ok(outcome) => AppNews::Ended(app, outcome),
                Err(_) => AppNews::Lost(app),
            }
        });
    }

    fn input_of(&mut self, news: AppNews) -> Option<CompositeInput> {
        match news {
            AppNews::Started(app, Ok(())) => {
                self.started.insert(app);
                Some(CompositeInput::AppStarted(app))
            }
            AppNews::Started(app, Err(StartError::Unavailable(Unavailable::Gone))) => self.lost(app),
            AppNews::Started(app, Err(error)) => {
                // A worker's failure and an interruption end the app's life, which its outcome tells; these never began it.
                let never_began = matches!(
                    error,
                    StartError::Listen { .. } | StartError::Link { .. } | StartError::Unavailable(_)
                );
                never_began.then(|| {
                    self.failures.push(error);
                    CompositeInput::AppNotStarted(app)
                })
            }
            AppNews::Ended(app, outcome) => {
                if let Outcome::StartFailed(failure) = &outcome {
                    let (app, failure) = (self.masters[app].spec().name.as_str().into(), failure.clone());
                    self.failures.push(StartError::Worker { app, failure });
                }
                Some(CompositeInput::AppEnded(app, outcome))
            }
            AppNews::Lost(app) => self.lost(app),
            AppNews::Asked => None,
        }
    }

    /// An app's task is gone. Its start and its outcome both tell; it is one failure.
    fn lost(&mut self, app: AppIndex) -> Option<CompositeInput> {
        if !self.lost.insert(app) {
            return None;
        }
        tracing::error!(target: "drover::supervisor", app = self.masters[app].spec().name, "an app's task is gone");
        self.failures.push(Unavailable::Gone.into());
        Some(if self.started.contains(&app) {
            // Nobody asked for it; why is in `failures`.
            let outcome = Outcome::Failed { reason: LeaveReason::Policy, stop_all: false };
            CompositeInput::AppEnded(app, outcome)
        } else {
            CompositeInput::AppNotStarted(app)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, EventKind, Protocol};

    #[test]
    fn a_supervisor_ends_when_the_task_of_its_app_is_gone() {
        // The runtime that the master's task lives on, and goes with.
        let apps = tokio::runtime::Runtime::new().unwrap();
        let supervisor = apps.block_on(async {
            let app =
                Master::builder("web", Command::new("sleep").arg("600")).workers(1).protocol(Protocol::None);
            Supervisor::builder().app(app).build().unwrap()
        });
        let mut events = supervisor.handle().events().since(0);
        let own = tokio::runtime::Runtime::new().unwrap();
        let running = own.spawn(supervisor.run());
        own.block_on(async { while events.next().await.unwrap().kind != EventKind::AppStarted {} });
        apps.shutdown_background();
        let ended = own.block_on(async { tokio::time::timeout(Duration::from_secs(20), running).await });
        let ended = ended.expect("it ends").unwrap().unwrap();
        assert!(matches!(ended.end, End::Failed | End::StartFailed), "{ended:?}");
        assert!(matches!(ended.failures[..], [StartError::Unavailable(Unavailable::Gone)]), "{ended:?}");
    }
}
