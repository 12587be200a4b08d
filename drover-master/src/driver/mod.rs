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

mod adopting;
mod apply;
mod asking;
mod change;
mod contact;
mod edition;
mod input;
mod keeping;
mod links;
mod lookup;
mod measuring;
mod memory;
mod notifying;
mod processes;
mod steering;
mod strangers;
mod trace;
mod unlisten;
mod waiting;
mod wall_clock;

pub(crate) use memory::check_state;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use self::adopting::Takeover;
use self::contact::{Contact, HandshakeRefusal, ProcessNews};
use self::edition::{Edition, Editions};
use self::input::Input;
use self::lookup::Lookup;
use self::measuring::Measuring;
use self::memory::DriverMemory;
use self::strangers::Strangers;
use self::unlisten::Unlistening;
use self::waiting::Waiter;
use self::wall_clock::WallClock;
use crate::bus::{Exchange, Handler};
use crate::config::AppSpec;
use crate::handle::event_log::EventLog;
use crate::handle::hook::Hook;
use crate::handle::view::View;
use crate::handle::{DriverRequest, Master, REQUESTS};
use crate::ids::{Generation, SlotIndex, TicketId, WorkerId};
use crate::keeper::Holds;
use crate::link::{ConnectionId, LinkNews, Token};
use crate::listener::{AppListeners, ListenerPool};
use crate::machine::attention::Attention;
use crate::machine::fleet::{Fleet, Outcome};
use crate::machine::gate::Doing;
use crate::notify::FdStore;
use crate::process::{AppLog, OutputTransit};
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
    transit: OutputTransit,
    view: Arc<View>,
    /// The generation that the view shows.
    shown: Generation,
    outcome: watch::Sender<Option<Outcome>>,

    requests: mpsc::Receiver<DriverRequest>,
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
    early_refusals: Vec<(u32, HandshakeRefusal)>,
    /// What outlives this master.
    holds: Holds,
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
    wall_clock: WallClock,
    /// What workers have left for the next worker of their slot.
    stores: HashMap<SlotIndex, FdStore>,

    /// The request that is let in once its names are known; those behind it wait.
    lookup: Option<Lookup>,
    last_ticket: u64,
    /// What it writes down for another master.
    memory: Option<DriverMemory>,
    /// What was under way when the master before this one died, until this one has taken over.
    takeover: Option<Takeover>,
    /// Whoever waits for an operation. One entry a request; requests come by a bounded queue, and each has its deadlines.
    waiting: HashMap<TicketId, Waiter>,
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
        let spec = Arc::new(spec);
        let fleet = Fleet::new(Arc::clone(&spec), spec.workers, hook.is_some(), rng);
        let view = Arc::new(View::new(Arc::clone(&spec), &fleet));
        let shown = fleet.generation();
        let editions = Editions::from([(shown, Edition::closed(spec, shown, pool.holds().clone()))]);
        let (request_sender, requests) = mpsc::channel(REQUESTS);
        let (process_sender, process_news) = mpsc::channel(NEWS);
        let teller = Self::teller(process_sender.clone());
        let (link_sender, link_news) = mpsc::channel(NEWS);
        let (outcome, outcome_seen) = watch::channel(None);
        let tallies = pool.holds().tallies().of(&app);
        let bus = Arc::new(Exchange::new(Arc::clone(&app), handler, tallies));
        let master = Master {
            bus: Arc::clone(&bus),
            requests: request_sender,
            view: Arc::clone(&view),
            events: events.clone(),
            outcome: outcome_seen,
        };
        let driver = Self {
            app: Arc::clone(&app),
            editions,
            fleet,
            attention: Attention::default(),
            hook,
            events,
            output_log,
            transit: OutputTransit::default(),
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
            holds: pool.holds().clone(),
            pool,
            mark,
            listeners: AppListeners::new(app, teller.clone()),
            teller,
            bus,
            measuring: Measuring::default(),
            strangers: Strangers::default(),
            unlistening: Unlistening::default(),
            wall_clock: WallClock::default(),
            stores: HashMap::new(),
            lookup: None,
            last_ticket: 0,
            memory: None,
            takeover: None,
            waiting: HashMap::new(),
        };
        let mut driver = driver;
        driver.remember_or_begin();
        (master, driver)
    }

    /// What its workers print outlives this process on its way.
    pub(crate) fn with_transit(mut self, transit: OutputTransit) -> Self {
        self.transit = transit;
        self
    }

    /// Runs until nobody holds a handle and nothing is left to end.
    pub(crate) async fn run(mut self) {
        self.take_over().await;
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
            self.wall_clock.deadline(),
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
            () = self.wall_clock.rung() => Input::TimePassed,
            () = due => Input::TimePassed,
        }
    }
}
