//! The one task that owns an app's state: `select` waits and yields one typed input, `apply` changes state and does not wait.
//!
//! ```text
//!  handles ──Request──┐                              ┌──► spawner thread ──► child
//!  exit watchers ─────┤  bounded    select → apply   ├──► link writers, signals
//!  link readers ──────┼──────────►     Fleet      ───┤
//!  the next deadline ─┘                              └──► event log, view ──► everybody who looks
//! ```
//!
//! All other tasks carry bytes, exits and signals. The price: what takes several steps is written as states of the machines.

mod asking;
mod change;
mod contact;
mod edition;
mod links;
mod lookup;
mod measuring;
mod notifying;
mod processes;
mod steering;
mod strangers;
mod trace;
mod unlisten;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};

use self::contact::{Contact, ProcessNews, Refusal};
use self::edition::{Edition, Editions};
use self::lookup::{Found, Lookup};
use self::measuring::Measuring;
use self::strangers::Strangers;
use self::unlisten::Unlistening;
use crate::bus::{Exchange, Handler};
use crate::config::AppSpec;
use crate::handle::error::{EndError, OpenError, OperateError, StartError};
use crate::handle::event_log::EventLog;
use crate::handle::hook::{ExitContext, Hook};
use crate::handle::ticket::Reply;
use crate::handle::view::View;
use crate::handle::{Master, REQUESTS, Request};
use crate::link::{ConnectionId, LinkNews, Token};
use crate::listener::{AppListeners, ListenerPool};
use crate::machine::attention::Attention;
use crate::machine::fleet::{EventKind, Fleet, FleetAction, FleetEvent, FleetInput, Outcome, Verdict};
use crate::machine::gate::{self, Doing};
use crate::machine::ids::{Generation, SlotIndex, TicketId, WorkerId};
use crate::machine::phase::Phase;
use crate::machine::worker::Rules;
use crate::notify::FdStore;
use crate::process::AppLog;
use crate::turns;
use crate::upkeep::Teller;

/// How much news may wait for the driver. It works each off in microseconds; senders are tasks of their own that can wait,
/// so a burst of thousands of exits costs time, never memory.
const NEWS: usize = 1024;

/// The owner of one app.
#[derive(Debug)]
pub(crate) struct Driver {
    app: Arc<str>,
    editions: Editions,
    fleet: Fleet,
    attention: Attention,
    hook: Option<Hook>,
    events: EventLog,
    output_log: Option<AppLog>,
    view: Arc<View>,
    /// The generation that the view shows.
    shown: Generation,
    outcome: watch::Sender<Option<Outcome>>,

    requests: mpsc::Receiver<Request>,
    /// Nobody holds a handle any more.
    is_orphaned: bool,
    process_news: mpsc::Receiver<ProcessNews>,
    process_sender: mpsc::Sender<ProcessNews>,
    link_news: mpsc::Receiver<LinkNews>,
    link_sender: mpsc::Sender<LinkNews>,

    /// What the driver holds of each worker, from spawn to reap.
    contacts: HashMap<WorkerId, Contact>,
    tokens: HashMap<Token, WorkerId>,
    connections: HashMap<ConnectionId, WorkerId>,
    /// Refusals of processes that are not known; of workers, perhaps, that were faster than the news of their process.
    early_refusals: Vec<(u32, Refusal)>,
    /// Where listeners are opened: a pool of its own, or shared with other apps.
    pool: ListenerPool,
    /// What its workers are known by to the next master, after a death of this one.
    mark: Option<Arc<str>>,
    /// What any of the editions listens on.
    listeners: AppListeners,
    /// Tells this driver what became of sockets that were swept away.
    teller: Teller,
    /// What connects workers and program.
    bus: Arc<Exchange>,
    measuring: Measuring,
    strangers: Strangers,
    unlistening: Unlistening,
    /// What workers have left for the next worker of their slot.
    stores: HashMap<SlotIndex, FdStore>,

    /// The request that is let in once its names are known; those behind it wait.
    lookup: Option<Lookup>,
    last_ticket: u64,
    /// Who waits for an operation. One entry a request; requests come by a bounded queue, and each has its deadlines.
    waiting: HashMap<TicketId, Waiting>,
}

/// Who waits for an operation.
#[derive(Debug)]
enum Waiting {
    Start(oneshot::Sender<Result<(), StartError>>),
    End(oneshot::Sender<Result<(), EndError>>),
    Operation(oneshot::Sender<Result<(), OperateError>>),
}

/// One thing that happened.
#[derive(Debug)]
enum Input {
    Requested(Request),
    /// What has to be known for it is.
    LookedUp(Box<(Request, Found)>),
    HandlesDropped,
    Process(ProcessNews),
    Link(LinkNews),
    /// A listener may have been shut down by somebody who inherited it.
    ListenerShutDown,
    TimePassed,
}

impl Input {
    /// For people, where it takes too long.
    const fn name(&self) -> &'static str {
        match self {
            Self::Requested(_) | Self::LookedUp(..) => "a request to an app",
            Self::HandlesDropped => "the end of an app's handles",
            Self::Process(_) => "news of a process",
            Self::Link(_) => "news of a connection",
            Self::ListenerShutDown => "a listener that was shut down",
            Self::TimePassed => "a deadline",
        }
    }
}

/// The runtime goes and takes the driver with it, while the app runs: what others see is that nothing does any more.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.fleet.doing() != Doing::Idle {
            self.view.abandon();
        }
    }
}

impl Driver {
    pub(crate) fn new(
        spec: AppSpec,
        hook: Option<Hook>,
        handler: Option<Handler>,
        events: EventLog,
        output_log: Option<AppLog>,
        pool: ListenerPool,
        mark: Option<Arc<str>>,
    ) -> (Master, Self) {
        let app: Arc<str> = spec.name.as_str().into();
        let rng = fastrand::Rng::new();
        let fleet = Fleet::new(Arc::new(Rules::from(&spec)), spec.workers, hook.is_some(), rng);
        let spec = Arc::new(spec);
        let view = Arc::new(View::new(Arc::clone(&spec), &fleet));
        let shown = fleet.generation();
        let editions = Editions::from([(shown, Edition::closed(spec))]);
        let (request_sender, requests) = mpsc::channel(REQUESTS);
        let (process_sender, process_news) = mpsc::channel(NEWS);
        let teller = Self::teller(process_sender.clone());
        let (link_sender, link_news) = mpsc::channel(NEWS);
        let (outcome, outcome_seen) = watch::channel(None);
        let bus = Arc::new(Exchange::new(Arc::clone(&app), handler));
        let master = Master {
            bus: Arc::clone(&bus),
            requests: request_sender,
            view: Arc::clone(&view),
            events: events.clone(),
            outcome: outcome_seen,
        };
        let driver = Self {
            app,
            editions,
            fleet,
            attention: Attention::default(),
            hook,
            events,
            output_log,
            view,
            shown,
            outcome,
            requests,
            is_orphaned: false,
            process_news,
            process_sender,
            link_news,
            link_sender,
            contacts: HashMap::new(),
            tokens: HashMap::new(),
            connections: HashMap::new(),
            early_refusals: Vec::new(),
            pool,
            mark,
            listeners: AppListeners::new(teller.clone()),
            teller,
            bus,
            measuring: Measuring::default(),
            strangers: Strangers::default(),
            unlistening: Unlistening::default(),
            stores: HashMap::new(),
            lookup: None,
            last_ticket: 0,
            waiting: HashMap::new(),
        };
        (master, driver)
    }

    /// Runs until nobody holds a handle and nothing is left to end.
    pub(crate) async fn run(mut self) {
        while !(self.is_orphaned && self.fleet.doing() == Doing::Idle) {
            let input = match self.select().await {
                Input::Requested(request) => match self.look_up_first(request) {
                    Some(request) => Input::Requested(request),
                    None => continue,
                },
                input => input,
            };
            let was_away = self.apply(input);
            if was_away {
                // Whoever reads for the driver has its turn before the next judgement.
                tokio::task::yield_now().await;
            }
        }
    }

    async fn select(&mut self) -> Input {
        let own = [
            self.fleet.next_deadline(),
            self.measuring.deadline(),
            self.unlistening.deadline(),
            self.strangers.deadline(),
            self.listeners.next_try(),
        ];
        let look = self.attention.plan(own.into_iter().flatten().min(), self.fleet.is_timed());
        let due = async {
            match look {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // Requests first: a stop is heard however much else is going on. Deadlines last: `apply` looks at them each time.
            biased;
            request = self.requests.recv(), if !self.is_orphaned && self.lookup.is_none() => {
                request.map_or(Input::HandlesDropped, Input::Requested)
            }
            (request, found) = Lookup::found(&mut self.lookup) => Input::LookedUp(Box::new((request, found))),
            Some(news) = self.process_news.recv() => Input::Process(news),
            Some(news) = self.link_news.recv() => Input::Link(news),
            () = self.listeners.until_shut_down() => Input::ListenerShutDown,
            () = due => Input::TimePassed,
        }
    }

    /// Tells whether the master was away before: then nobody is judged yet.
    fn apply(&mut self, input: Input) -> bool {
        let now = tokio::time::Instant::now().into_std();
        let away = self.attention.look(now);
        if let Some(by) = away {
            tracing::warn!(
                target: "drover::master",
                app = &*self.app,
                "the master was away for {:.1} s: stopped, or starved of CPU; every deadline is moved by that",
                by.as_secs_f64()
            );
            self.fleet.handle(now, FleetInput::WasAway { by });
        }
        let (mut admitted, mut taken) = (None, None);
        let _place = turns::at(input.name());
        let (input, _known) = match input {
            Input::LookedUp(looked_up) => {
                let (mut request, mut found) = *looked_up;
                match found.complete(&mut request) {
                    Ok(()) => (Input::Requested(request), Some(found.hosts.known())),
                    Err(fault) => {
                        if let Request::Change { reply, .. } = request {
                            let _ = reply.verdict.send(Err(fault.into()));
                        }
                        return away.is_some();
                    }
                }
            }
            input => (input, None),
        };
        match input {
            // It was let in above.
            Input::LookedUp(..) => {}
            Input::Requested(Request::Start { reply }) => admitted = self.start(now, reply),
            Input::Requested(Request::Operate { request, target, by, reply }) => {
                let ticket = self.wait(Waiting::Operation(reply.verdict));
                admitted = reply.gate;
                let input = FleetInput::OperationRequested { ticket, request, target, by };
                self.fleet.handle(now, input);
            }
            Input::Requested(Request::Scale { count, by, reply }) => {
                let ticket = self.wait(Waiting::Operation(reply.verdict));
                admitted = reply.gate;
                let queued = self.listeners.queued();
                self.fleet.handle(now, FleetInput::ScaleRequested { ticket, count, queued, by });
            }
            Input::Requested(Request::Change { change, by, reply }) => {
                admitted = self.change(now, change, by, reply);
            }
            Input::Requested(Request::Signal { target, signal, by, reply }) => {
                let ticket = self.wait(Waiting::Operation(reply.verdict));
                admitted = reply.gate;
                self.fleet.handle(now, FleetInput::SignalRequested { ticket, target, signal, by });
            }
            Input::Requested(Request::History { slot, answer }) => {
                // Who asked may be gone.
                let _ = answer.send(self.fleet.history(slot));
            }
            Input::Requested(Request::Signalled { name }) => {
                let how = match self.fleet.doing() {
                    Doing::Stopping | Doing::Killing => gate::Request::Hurry,
                    Doing::Idle | Doing::Starting | Doing::Started => gate::Request::Shutdown,
                };
                let ticket = self.next_ticket();
                self.fleet.handle(now, FleetInput::EndRequested { ticket, how, by: name.into() });
            }
            Input::Requested(Request::End { how, by, reply }) => {
                let ticket = self.wait(Waiting::End(reply.verdict));
                admitted = reply.gate;
                self.fleet.handle(now, FleetInput::EndRequested { ticket, how, by });
            }
            Input::HandlesDropped => {
                self.is_orphaned = true;
                let (ticket, how) = (self.next_ticket(), gate::Request::Shutdown);
                let by = "the drop of the last handle".into();
                self.fleet.handle(now, FleetInput::EndRequested { ticket, how, by });
            }
            Input::Process(news) => self.process_news(now, news),
            Input::Link(news) => taken = self.link_news(now, news),
            Input::ListenerShutDown => self.renew_listeners(now),
            Input::TimePassed => {}
        }
        if self.listeners.next_try().is_some_and(|at| at <= now) {
            self.renew_listeners(now);
        }
        if away.is_none() && self.fleet.next_deadline().is_some_and(|at| at <= now) {
            self.fleet.handle(now, FleetInput::TimePassed);
        }
        self.measure(now);
        self.unlisten(now);
        self.carry_out(now);
        self.tell_strangers(now);
        // Only now: a refusal has its verdict, and what a worker said its effect.
        drop((admitted, taken));
        away.is_some()
    }

    /// Does what the fleet wants done. Who waits is answered last, when everything is as the answer says.
    fn carry_out(&mut self, now: Instant) {
        let (mut answers, mut ended) = (Vec::new(), None);
        while let Some(action) = self.fleet.poll_action() {
            match action {
                FleetAction::Spawn(identity) => self.spawn(identity),
                FleetAction::Worker { id, action } => self.worker_action(now, id, action),
                FleetAction::Forget { id } => self.forget(id),
                FleetAction::AskPolicy { worker, exit, proposed } => {
                    let context = ExitContext { worker, exit: &exit, proposed };
                    let decision = self.hook.as_ref().map_or(proposed, |hook| hook.ask(&context));
                    self.fleet.handle(now, FleetInput::ExitDecided { worker, decision });
                }
                FleetAction::Publish(event) => {
                    if let EventKind::ReloadStarted { from, to, .. } = event.kind {
                        self.begin_edition(from, to);
                    }
                    self.follow(&event);
                    self.tell_bus(&event);
                    self.publish(event);
                }
                FleetAction::Answer { ticket, verdict } => answers.push((ticket, verdict)),
                FleetAction::End(outcome) => {
                    self.close();
                    ended = Some(outcome);
                }
            }
        }
        self.tidy_editions();
        let changed = self.fleet.take_changed();
        self.close_queues(&changed);
        self.tidy_stores(&changed);
        self.view.update(&self.fleet, &changed, self.events.last_seq());
        if ended.is_some() {
            self.outcome.send_replace(ended);
        }
        for (ticket, verdict) in answers {
            self.answer(ticket, verdict);
        }
    }

    fn publish(&self, event: FleetEvent) {
        trace::event(&self.events.publish(&self.app, event));
    }

    /// Messages are for those who are ready.
    fn tell_bus(&self, event: &FleetEvent) {
        if let (EventKind::Entered { .. } | EventKind::Exited { .. }, Some((worker, _))) =
            (&event.kind, event.worker)
        {
            self.bus.set_ready(worker.id, event.phase == Phase::Started);
        }
    }

    fn start(&mut self, now: Instant, reply: Reply<StartError>) -> Option<oneshot::Sender<()>> {
        if self.fleet.doing() == Doing::Idle {
            if let Err(error) = self.open() {
                self.close();
                reply.refuse(StartError::opening(Arc::clone(&self.app), error));
                return None;
            }
            self.outcome.send_replace(None);
        }
        let ticket = self.wait(Waiting::Start(reply.verdict));
        self.fleet.handle(now, FleetInput::StartRequested { ticket });
        reply.gate
    }

    /// Opens what the app is started with.
    fn open(&mut self) -> Result<(), OpenError> {
        let generation = self.fleet.generation();
        if let Some(edition) = self.editions.get_mut(&generation) {
            edition.open(&mut self.listeners, &self.pool, &self.link_sender, &self.teller)?;
        }
        self.show_edition();
        Ok(())
    }

    /// Nobody can connect any more, unless another app listens there too.
    fn close_listeners(&mut self) {
        self.listeners = AppListeners::new(self.teller.clone());
        self.show_edition();
    }

    fn close(&mut self) {
        for edition in self.editions.values_mut() {
            (edition.link, edition.notify) = (None, None);
        }
        self.stores.clear();
        self.close_listeners();
    }

    fn wait(&mut self, waiting: Waiting) -> TicketId {
        let ticket = self.next_ticket();
        self.waiting.insert(ticket, waiting);
        ticket
    }

    fn next_ticket(&mut self) -> TicketId {
        self.last_ticket += 1;
        TicketId(self.last_ticket)
    }

    /// A dropped ticket is no reason to do anything else.
    fn answer(&mut self, ticket: TicketId, verdict: Verdict) {
        let app = Arc::clone(&self.app);
        match self.waiting.remove(&ticket) {
            Some(Waiting::Start(answer)) => drop(answer.send(StartError::of(app, verdict))),
            Some(Waiting::End(answer)) => drop(answer.send(EndError::of(verdict))),
            Some(Waiting::Operation(answer)) => drop(answer.send(OperateError::of(app, verdict))),
            // Signals and the drop of the last handle wait for nothing.
            None => {}
        }
    }
}
