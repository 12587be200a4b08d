//! The task above the masters: it waits for one input, gives it to the composite, and carries out what comes back.
//!
//! Each app has at most one task here that waits for its news, so that they come in the order of its life: first how its start
//! went, then how it ended.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::End;
use super::change::ChangeMemory;
use super::cpu_following::CpuFollowing;
use super::handle::{SupervisorHandle, SupervisorRequest, SupervisorRequests};
use super::memory::{SupervisorMemory, SupervisorState};
use super::news::AppNews;
use super::operation::{AppError, NotStarted};
use super::roster::Entry;
use super::watching::AppWatches;
use super::workshop::Workshop;
use crate::handle::ticket::Reply;
use crate::handle::{Master, OperateError, StartError};
use crate::ids::TicketId;
use crate::keeper::{Kept, MasterCrash, Taking};
use crate::machine::attention::Attention;
use crate::machine::composite::{AppIndex, Composite, CompositeAction, CompositeInput};
use crate::machine::fleet::{EventKind, FleetEvent};
use crate::machine::gate;
use crate::machine::phase::Phase;
use crate::process::end_remnants;
use crate::signals::{Received, Signals};
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
    /// What began the end, in words: "asked by SIGTERM". None if every app ended on its own.
    pub why: Option<Arc<str>>,
    /// The apps that did not start and were not started again since, and why; an app whose task is gone is among them,
    /// whenever it went.
    pub failures: Vec<StartError>,
    /// The apps that were not started because of one that they depend on.
    pub not_started: Vec<NotStarted>,
}

/// What the task begins with.
#[derive(Debug)]
pub(crate) struct SupervisorTask {
    pub(crate) handle: SupervisorHandle,
    pub(crate) requests: SupervisorRequests,
    pub(crate) signals: Option<Signals>,
    pub(crate) composite: Composite,
    pub(crate) workshop: Workshop,
    /// The line of masters whose remnants are ended first.
    pub(crate) line: Option<Arc<str>>,
    /// How the master before this one ended, if this one goes on in its place.
    pub(crate) crash: Option<MasterCrash>,
    /// Where what runs is written down.
    pub(crate) memory: Option<SupervisorMemory>,
    /// What an earlier master has written, to go on with.
    pub(crate) remembered: Option<(SupervisorState, Vec<CompositeAction>, Taking)>,
}

/// Runs until nothing is left. `tell_clients` is given the end while everything can still be looked at.
pub(crate) async fn run<T: Future<Output = ()>>(
    task: SupervisorTask,
    tell_clients: impl FnOnce(End) -> T,
) -> SupervisorEnd {
    let SupervisorTask {
        handle,
        mut requests,
        signals,
        composite,
        workshop,
        line,
        crash,
        memory,
        remembered,
    } = task;
    let mut signals = signals.map(Signals::listen);
    if handle.holds.keeper().is_some() {
        Kept::hear_signals();
    }
    let mut running = Running::new(composite, handle.clone(), workshop, memory);
    let mut attention = Attention::default();
    let mut end = None;
    match remembered {
        Some((whole, undone, taking)) => {
            end = running.resume(whole, undone, line);
            // What the apps have not taken by then, they take as long as they have the same.
            drop(taking);
        }
        None => {
            running.write_whole();
            running.make_way(line);
        }
    }
    if let Some(crash) = crash {
        tell_of_crash(&handle, crash);
    }
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
                    running.signal_count += 1;
                    running.is_changed = true;
                    let how = Received::how(running.signal_count);
                    Some(CompositeInput::EndRequested { how, by: name.into() })
                }
                Received::Leave(name) => {
                    running.signal_count = running.signal_count.max(1);
                    running.is_changed = true;
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
        if running.is_changed && end.is_none() {
            running.write_whole();
        }
    }
    let end = end.unwrap_or(End::Killed);
    tell_clients(end).await;
    running.into_end(end)
}

/// Of no app: it is the master's own.
fn tell_of_crash(handle: &SupervisorHandle, crash: MasterCrash) {
    let told = format!("pid {} goes on: {crash}", std::process::id());
    tracing::info!(target: "drover::supervisor", "{told}");
    let kind = EventKind::MasterReplaced { told: told.into() };
    handle.events().publish(&Arc::from(""), FleetEvent { worker: None, phase: Phase::Started, kind });
}

async fn next_signal(signals: &mut Option<mpsc::Receiver<Received>>) -> Option<Received> {
    match signals {
        Some(signals) => signals.recv().await,
        None => std::future::pending().await,
    }
}

pub(super) struct Running {
    pub(super) composite: Composite,
    /// Whether the start was asked for, or the end instead. Before the start, what a killed master left is ended.
    pub(super) has_begun: bool,
    pub(super) handle: SupervisorHandle,
    /// Every app, by its number. Whoever looks finds them in the roster of the handle.
    pub(super) apps: BTreeMap<AppIndex, Entry>,
    pub(super) last_index: AppIndex,
    pub(super) workshop: Workshop,
    /// Who asked for the change under way.
    pub(super) changed_by: Option<Arc<str>>,
    /// The change under way.
    pub(super) change_under_way: Option<ChangeMemory>,
    /// How many signals have asked for the end.
    pub(super) signal_count: u32,
    /// Where what runs is written down, for another master.
    pub(super) memory: Option<SupervisorMemory>,
    /// Whether there is something to write that is not an input of the composite.
    pub(super) is_changed: bool,
    pub(super) tasks: JoinSet<AppNews>,
    /// The apps whose files are watched.
    pub(super) watches: AppWatches,
    /// The apps whose number of workers follows the CPUs.
    pub(super) cpu_following: CpuFollowing,
    /// Why the last start of an app failed, for whoever asks for it.
    pub(super) start_errors: HashMap<AppIndex, StartError>,
    /// Why masters did not do what was passed on to them, until that is answered.
    pub(super) operate_errors: HashMap<TicketId, OperateError>,
    /// The apps that are down because they did not start.
    pub(super) failures: Vec<(AppIndex, StartError)>,
    pub(super) operations: HashMap<TicketId, (AppIndex, Reply<AppError>)>,
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
    fn new(
        composite: Composite,
        handle: SupervisorHandle,
        workshop: Workshop,
        memory: Option<SupervisorMemory>,
    ) -> Self {
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
            change_under_way: None,
            signal_count: 0,
            memory,
            is_changed: false,
            tasks: JoinSet::new(),
            watches: AppWatches::default(),
            cpu_following: CpuFollowing::default(),
            start_errors: HashMap::new(),
            operate_errors: HashMap::new(),
            failures: Vec::new(),
            operations: HashMap::new(),
            last_ticket: 0,
            is_over: false,
        }
    }

    /// Goes on where another master was.
    fn resume(
        &mut self,
        whole: SupervisorState,
        undone: Vec<CompositeAction>,
        line: Option<Arc<str>>,
    ) -> Option<End> {
        (self.last_index, self.signal_count) = (whole.last_index, whole.signals);
        self.change_under_way = whole.change;
        if !whole.has_begun {
            // What is to be ended first may not have been, and nothing was started.
            self.make_way(line);
            return None;
        }
        self.has_begun = true;
        self.go_on(undone)
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

    pub(super) fn apply(&mut self, input: CompositeInput) -> Option<End> {
        let now = tokio::time::Instant::now().into_std();
        self.write_down(now, &input);
        let _place = turns::at("the supervisor");
        let mut end = None;
        let actions = self.composite.handle(now, input);
        if self.composite.is_ending() {
            self.workshop.pool.leave_stored();
        }
        // When an answer arrives, everything is as it says.
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
                    self.workshop.pool.end_unopened();
                    tracing::info!(target: "drover::supervisor", "every app is started");
                }
                CompositeAction::Finish(how) => end = Some(how),
            }
        }
        // What the end of all takes is never done for sure: another master would end as well.
        if end.is_none() {
            self.all_done();
        }
        end
    }

    pub(super) fn admit(&mut self, ticket: TicketId) {
        if let Some((_, reply)) = self.operations.get_mut(&ticket) {
            reply.admit();
        }
    }

    fn input_of_request(&mut self, request: SupervisorRequest) -> Option<CompositeInput> {
        match request {
            SupervisorRequest::End { how, by } => Some(CompositeInput::EndRequested { how, by }),
            SupervisorRequest::Operate { reply, .. } if self.operations.len() >= OPERATIONS => {
                reply.answer(Err(AppError::Busy { limit: OPERATIONS }));
                None
            }
            SupervisorRequest::Operate { app, operation, by, reply } => {
                self.last_ticket += 1;
                let ticket = TicketId(self.last_ticket);
                self.operations.insert(ticket, (app, reply));
                Some(CompositeInput::OperationRequested { ticket, app, operation, by })
            }
            SupervisorRequest::Apply { wanted, by, begun } => self.begin_change(*wanted, by, begun),
            SupervisorRequest::Take(take) => {
                self.take(take);
                None
            }
            SupervisorRequest::Replan { done } => {
                // Whatever is asked after the answer comes to the composite after this.
                let _ = done.send(());
                self.replan()
            }
        }
    }

    pub(super) fn name(&self, app: AppIndex) -> Arc<str> {
        // A request may come later than the end of what it means.
        self.apps.get(&app).map_or("(removed)", |entry| &entry.spec.name).into()
    }

    pub(super) fn master(&self, app: AppIndex) -> Option<Master> {
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
