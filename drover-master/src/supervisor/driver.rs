//! The task above the masters: it waits for one input, gives it to the composite, and carries out what comes back.
//!
//! Each app has at most one task here that waits for its news, so that they come in the order of its life: first how its start
//! went, then how it ended.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::builder::Workshop;
use super::handle::{Request, SupervisorHandle};
use super::operation::{Answers, AppError, NotStarted};
use super::roster::Entry;
use super::{End, Supervisor, SupervisorError};
use crate::handle::{EndError, Master, OperateError, StartError, Ticket, Unavailable};
use crate::machine::attention::Attention;
use crate::machine::composite::{AppIndex, AppOperation, Composite, CompositeAction, CompositeInput};
use crate::machine::fleet::{Outcome, Target};
use crate::machine::gate;
use crate::machine::ids::TicketId;
use crate::machine::restart::LeaveReason;
use crate::process::end_remnants;
use crate::signals::Received;
use crate::turns;

/// How many operations may wait for their verdict: far more than the clients of a control socket, so only a program that asks
/// and never looks comes to it.
const OPERATIONS: usize = 1024;

/// How everything ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct SupervisorEnd {
    /// How.
    pub end: End,
    /// What began the end, in words: "asked by SIGTERM". None if every app ended by itself.
    pub why: Option<Arc<str>>,
    /// The apps that did not start and were not started again since, and why; an app whose task is gone is among them,
    /// whenever it went.
    pub failures: Vec<StartError>,
    /// The apps that were not started because of one that they depend on.
    pub not_started: Vec<NotStarted>,
}

pub(super) async fn run(supervisor: Supervisor) -> Result<SupervisorEnd, SupervisorError> {
    let Supervisor { handle, mut requests, mut control, signals, composite, workshop, line } = supervisor;
    if let Some(control) = &mut control {
        control.serve(handle.clone())?;
    }
    let mut signals = signals.map(crate::Signals::listen);
    let mut signal_count = 0_u32;
    let mut running = Running::new(composite, handle.clone(), workshop);
    let mut attention = Attention::default();
    let mut end = None;
    running.make_way(line);
    while end.is_none() {
        let deadline = running.composite.next_deadline();
        let deadline = attention.plan(deadline, deadline.is_some());
        let due = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let input = tokio::select! {
            Some(request) = requests.recv(), if running.has_begun => running.input_of_request(request),
            Some(received) = next_signal(&mut signals) => match received {
                Received::End(name) => {
                    signal_count += 1;
                    Some(CompositeInput::EndRequested { how: Received::how(signal_count), by: name.into() })
                }
                Received::Leave(name) => {
                    signal_count = signal_count.max(1);
                    Some(CompositeInput::EndRequested { how: gate::Request::Shutdown, by: name.into() })
                }
                Received::Reload => {
                    running.reload_all();
                    None
                }
            },
            Some(Ok(news)) = running.tasks.join_next() => running.input_of_news(news),
            () = due => Some(CompositeInput::TimePassed),
        };
        if let Some(by) = attention.look(tokio::time::Instant::now().into_std()) {
            running.apply(CompositeInput::WasAway { by });
        }
        if let Some(input) = input {
            end = running.apply(input);
        }
    }
    let end = end.unwrap_or(End::Killed);
    if let Some(control) = control {
        control.finish(end).await;
    }
    Ok(running.into_end(end))
}

async fn next_signal(signals: &mut Option<mpsc::Receiver<Received>>) -> Option<Received> {
    match signals {
        Some(signals) => signals.recv().await,
        None => std::future::pending().await,
    }
}

/// News of one app.
pub(super) enum AppNews {
    /// Nothing is left of a master that was here before.
    WayMade,
    Started(AppIndex, Result<(), StartError>),
    Ended(AppIndex, Outcome),
    /// The app's task is gone, and with it whoever could tell its outcome.
    Lost(AppIndex),
    /// An end that was asked for stands before a process that does not end.
    Unkillable(AppIndex, u32),
    /// What was passed on to the app's master was let in, and is under way.
    LetIn(AppIndex, TicketId, Ticket<(), OperateError>),
    Operated(AppIndex, TicketId, Result<(), OperateError>),
    /// An end was carried out, or a reload let in; the app's own events tell the rest.
    Asked,
    /// Everything is as it was asked to be, or was told why not.
    Changed,
}

pub(super) struct Running {
    pub(super) composite: Composite,
    /// Whether the start was asked for. Before, what a killed master left is ended.
    has_begun: bool,
    pub(super) handle: SupervisorHandle,
    /// Every app, by its number. Whoever looks finds them in the roster of the handle.
    pub(super) apps: BTreeMap<AppIndex, Entry>,
    pub(super) last_index: AppIndex,
    pub(super) workshop: Workshop,
    /// Who has everything changed just now.
    pub(super) changed_by: Option<Arc<str>>,
    pub(super) tasks: JoinSet<AppNews>,
    /// Why the last start of an app failed, for who asks for it.
    pub(super) start_errors: HashMap<AppIndex, StartError>,
    /// Why masters did not do what was passed on to them, until that is answered.
    pub(super) operate_errors: HashMap<TicketId, OperateError>,
    /// The apps that are down because they did not start.
    pub(super) failures: Vec<(AppIndex, StartError)>,
    pub(super) operations: HashMap<TicketId, (AppIndex, Answers)>,
    last_ticket: u64,
    /// Whether how everything ended has been told.
    is_over: bool,
}

/// The runtime goes and takes the supervisor with it: nothing runs any more.
impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            self.handle.roster.abandon();
        }
    }
}

impl Running {
    fn new(composite: Composite, handle: SupervisorHandle, workshop: Workshop) -> Self {
        let apps: BTreeMap<_, _> =
            handle.roster.entries().into_iter().map(|entry| (entry.index, entry)).collect();
        Self {
            composite,
            has_begun: false,
            handle,
            last_index: apps.keys().last().copied().unwrap_or(0),
            apps,
            workshop,
            changed_by: None,
            tasks: JoinSet::new(),
            start_errors: HashMap::new(),
            operate_errors: HashMap::new(),
            failures: Vec::new(),
            operations: HashMap::new(),
            last_ticket: 0,
            is_over: false,
        }
    }

    /// Ends what a master of the same line has left, before anything is opened or started.
    fn make_way(&mut self, line: Option<Arc<str>>) {
        let time = self.handle.roster.description().shutdown_timeout;
        self.tasks.spawn(async move {
            if let Some(line) = line {
                let ended = tokio::task::spawn_blocking(move || end_remnants(&line, time)).await;
                if let Ok(Err(error)) = ended {
                    tracing::warn!(target: "drover::supervisor", %error, "what a master that was killed has left can't be looked for");
                }
            }
            AppNews::WayMade
        });
    }

    fn apply(&mut self, input: CompositeInput) -> Option<End> {
        let now = tokio::time::Instant::now().into_std();
        let _place = turns::at("the supervisor");
        let mut end = None;
        let actions = self.composite.handle(now, input);
        // Who is answered finds everything as the answer says.
        self.handle.roster.show(&self.composite);
        for action in actions {
            match action {
                CompositeAction::StartApp(app) => self.start(app),
                CompositeAction::EndApp { app, how, by } => self.end(app, how, by),
                CompositeAction::OperateApp { ticket, app, operation, by } => {
                    self.operate(ticket, app, operation, by);
                }
                CompositeAction::Admit { ticket } => self.admit(ticket),
                CompositeAction::Answer { ticket, verdict } => self.answer(ticket, verdict),
                CompositeAction::Forget(app) => self.forget(app),
                CompositeAction::ReportStarted => {
                    tracing::info!(target: "drover::supervisor", "every app is started")
                }
                CompositeAction::Finish(how) => end = Some(how),
            }
        }
        end
    }

    fn admit(&mut self, ticket: TicketId) {
        if let Some((_, answers)) = self.operations.get_mut(&ticket) {
            answers.admit();
        }
    }

    /// Those that do not run, and oneshots, refuse.
    fn reload_all(&mut self) {
        let witness = self.workshop.witness.clone();
        if let Some(witness) = &witness {
            witness.begun();
        }
        let handle = self.handle.clone();
        self.tasks.spawn(async move {
            super::hangup::reload_all(handle, witness).await;
            AppNews::Asked
        });
    }

    fn start(&mut self, app: AppIndex) {
        // What failed before does not count any more.
        self.failures.retain(|(failed, _)| *failed != app);
        self.start_errors.remove(&app);
        let Some(master) = self.master(app) else { return };
        let ticket = master.start();
        self.tasks.spawn(async move { AppNews::Started(app, ticket.await) });
    }

    /// Waits for the end of an app whose life has begun.
    fn watch(&mut self, app: AppIndex) {
        let Some(master) = self.master(app) else { return };
        self.tasks.spawn(async move {
            match master.wait().await {
                Ok(outcome) => AppNews::Ended(app, outcome),
                Err(_) => AppNews::Lost(app),
            }
        });
    }

    fn end(&mut self, app: AppIndex, how: gate::Request, by: Arc<str>) {
        let Some(master) = self.master(app) else { return };
        let mut ticket = master.end(how, Arc::clone(&by));
        self.tasks.spawn(async move {
            loop {
                match ticket.await {
                    Err(EndError::Unkillable { pid }) => return AppNews::Unkillable(app, pid),
                    // The whole waits for this end, so it has to be heard; the master takes each request at once.
                    Err(EndError::Unavailable(Unavailable::Busy)) => {
                        tokio::task::yield_now().await;
                        ticket = master.end(how, Arc::clone(&by));
                    }
                    Ok(()) | Err(EndError::Unavailable(Unavailable::Gone)) => return AppNews::Asked,
                }
            }
        });
    }

    fn operate(&mut self, ticket: TicketId, app: AppIndex, operation: AppOperation, by: Arc<str>) {
        let request = match operation {
            AppOperation::Start => gate::SlotRequest::Start,
            AppOperation::Restart => gate::SlotRequest::Restart,
            AppOperation::Stop(_) | AppOperation::Remove => gate::SlotRequest::Stop,
        };
        let Some(master) = self.master(app) else { return };
        let mut asked = master.operate(request, Target::All, by);
        self.tasks.spawn(async move {
            match asked.admitted().await {
                Ok(()) => AppNews::LetIn(app, ticket, asked),
                Err(error) => AppNews::Operated(app, ticket, Err(error)),
            }
        });
    }

    fn input_of_request(&mut self, request: Request) -> Option<CompositeInput> {
        match request {
            Request::End { how, by } => Some(CompositeInput::EndRequested { how, by }),
            Request::Operate { answers, .. } if self.operations.len() >= OPERATIONS => {
                answers.answer(Err(AppError::Busy { limit: OPERATIONS }));
                None
            }
            Request::Operate { app, operation, by, answers } => {
                self.last_ticket += 1;
                let ticket = TicketId(self.last_ticket);
                self.operations.insert(ticket, (app, answers));
                Some(CompositeInput::OperationRequested { ticket, app, operation, by })
            }
            Request::Apply { wanted, by, begun } => self.begin_change(*wanted, by, begun),
            Request::Take(take) => {
                self.take(take);
                None
            }
            Request::Replan { done } => {
                // Whatever is asked after the answer comes to the composite after this.
                let _ = done.send(());
                self.replan()
            }
        }
    }

    fn input_of_news(&mut self, news: AppNews) -> Option<CompositeInput> {
        match news {
            AppNews::WayMade => {
                self.has_begun = true;
                Some(CompositeInput::StartRequested)
            }
            AppNews::Started(app, Ok(())) => {
                self.watch(app);
                Some(CompositeInput::AppStarted(app))
            }
            AppNews::Started(app, Err(error)) => self.start_failed(app, error),
            AppNews::Ended(app, outcome) => {
                if let Outcome::StartFailed(failure) = &outcome {
                    let name = self.name(app);
                    let failure = StartError::Worker { app: name, failure: failure.clone() };
                    self.failures.push((app, failure));
                }
                Some(CompositeInput::AppEnded(app, outcome))
            }
            AppNews::Lost(app) => {
                self.lost(app);
                // Nobody asked for it; why is in `failures`.
                let outcome = Outcome::Failed { reason: LeaveReason::Policy, stop_all: false };
                Some(CompositeInput::AppEnded(app, outcome))
            }
            AppNews::LetIn(app, ticket, asked) => {
                self.admit(ticket);
                self.tasks.spawn(async move { AppNews::Operated(app, ticket, asked.await) });
                None
            }
            AppNews::Operated(app, ticket, Ok(())) => {
                Some(CompositeInput::AppOperated { ticket, app, is_done: true })
            }
            AppNews::Operated(app, ticket, Err(error)) => {
                if self.operations.contains_key(&ticket) {
                    self.operate_errors.insert(ticket, error);
                }
                Some(CompositeInput::AppOperated { ticket, app, is_done: false })
            }
            AppNews::Unkillable(app, pid) => Some(CompositeInput::AppUnkillable { app, pid }),
            AppNews::Asked => None,
            AppNews::Changed => {
                self.changed_by = None;
                None
            }
        }
    }

    fn start_failed(&mut self, app: AppIndex, error: StartError) -> Option<CompositeInput> {
        self.start_errors.insert(app, error.clone());
        match error {
            StartError::Unavailable(Unavailable::Gone) => {
                self.lost(app);
                Some(CompositeInput::AppNotStarted(app))
            }
            StartError::Listen { .. } | StartError::Link { .. } | StartError::Unavailable(_) => {
                self.failures.push((app, error));
                Some(CompositeInput::AppNotStarted(app))
            }
            // A life that began has an end, and its outcome tells what this means. Whoever waits is told of a process that
            // does not end.
            StartError::Unkillable { pid, .. } => {
                self.watch(app);
                Some(CompositeInput::AppUnkillable { app, pid })
            }
            StartError::Worker { .. } | StartError::Interrupted { .. } | StartError::Denied { .. } => {
                self.watch(app);
                None
            }
        }
    }

    /// An app's task is gone, with its runtime.
    fn lost(&mut self, app: AppIndex) {
        tracing::error!(target: "drover::supervisor", app = &*self.name(app), "an app's task is gone");
        self.failures.push((app, Unavailable::Gone.into()));
    }

    pub(super) fn name(&self, app: AppIndex) -> Arc<str> {
        // A request may come later than the end of what it means.
        self.apps.get(&app).map_or("(removed)", |entry| &entry.spec.name).into()
    }

    fn master(&self, app: AppIndex) -> Option<Master> {
        self.apps.get(&app).map(|entry| entry.master.clone())
    }

    fn into_end(mut self, end: End) -> SupervisorEnd {
        self.is_over = true;
        let not_started =
            self.composite.not_started().map(|(app, missing)| self.not_started(app, missing)).collect();
        SupervisorEnd {
            end,
            why: self.composite.why().cloned(),
            failures: std::mem::take(&mut self.failures).into_iter().map(|(_, error)| error).collect(),
            not_started,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::machine::composite::{Fate, Standing};
    use crate::{Command, EventKind, Master, Protocol};

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

    #[test]
    fn what_is_shown_after_the_runtime_is_gone_is_that_nothing_runs() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (handle, master, alone) = runtime.block_on(async {
            let sleeper = || {
                let command = Command::new("sleep").arg("600");
                Master::builder("web", command).workers(1).protocol(Protocol::None)
            };
            let supervisor = Supervisor::builder().app(sleeper()).build().unwrap();
            let (handle, mut events) = (supervisor.handle(), supervisor.handle().events().since(0));
            tokio::spawn(supervisor.run());
            while events.next().await.unwrap().kind != EventKind::AppStarted {}
            let alone = sleeper().build().unwrap();
            alone.start().await.unwrap();
            let master = handle.master("web").unwrap();
            assert!(handle.master("mail").is_none());
            (handle, master, alone)
        });
        for master in [&master, &alone] {
            assert_eq!(master.snapshot().status.phase, crate::Phase::Started);
        }
        drop(runtime);
        for master in [master, alone] {
            let shown = master.snapshot();
            assert_eq!((shown.status.phase, shown.status.ready), (crate::Phase::Failed, 0));
            assert!(shown.status.outcome.is_some_and(|outcome| outcome.contains("runtime")));
            assert_eq!((shown.workers[0].phase, shown.workers[0].pid), (crate::Phase::Failed, None));
        }
        assert_eq!(handle.standings(), [Standing::Ended(Fate::Failed)]);
    }
}
