//! What the view wants to know, and the connections by which it is asked: one each, and none for what nobody looks at.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::{self, Sender};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::usage::Usage;
use super::{act, follow};
use crate::top::model::{Console, Input, Order, Wanted};

/// Whoever walks through the list does not want the lines of everything on the way.
const STANDS_STILL: Duration = Duration::from_millis(150);

/// Between two questions for the status while much happens; and where only time tells how many requests are in flight.
const SOON: Duration = Duration::from_millis(250);
const IN_FLIGHT: Duration = Duration::from_secs(2);

/// Orders that are not done yet: each has a connection of its own, of the few that a master has for clients that wait.
const ORDERS: usize = 8;

/// Asks for what is wanted.
#[derive(Debug)]
pub(super) struct Desires {
    path: PathBuf,
    news: Sender<Input>,
    /// One question for the status waits at most.
    asks: Sender<()>,
    watch: JoinHandle<()>,
    lines: Option<JoinHandle<()>>,
    evidence: Option<JoinHandle<()>>,
    orders: JoinSet<()>,
    usage: Usage,
    /// Whether what processes use is on the screen.
    is_list_shown: bool,
    /// What is asked for.
    served: Wanted,
    /// When what is wanted became another.
    since: Option<Instant>,
    followings: u64,
    asked_at: Instant,
    is_asked: bool,
    status_at: Option<Instant>,
}

impl Desires {
    pub(super) fn new(path: PathBuf, apps: Vec<String>, news: Sender<Input>) -> Self {
        let (asks, asked) = mpsc::channel(1);
        let watch = tokio::spawn(follow::watch(path.clone(), apps, news.clone(), asked));
        Self {
            path,
            news,
            asks,
            watch,
            lines: None,
            evidence: None,
            orders: JoinSet::new(),
            usage: Usage::new(),
            is_list_shown: true,
            served: Wanted::default(),
            since: None,
            followings: 0,
            asked_at: Instant::now(),
            // The first one is asked without being asked for.
            is_asked: true,
            status_at: None,
        }
    }

    /// Learns from what came.
    pub(super) fn note(&mut self, input: &Input) {
        match input {
            Input::Status(_) => self.is_asked = false,
            Input::Lost(_) => self.is_asked = false,
            // What was followed ended with its master.
            Input::Found => self.served = Wanted::default(),
            _ => {}
        }
    }

    /// Asks for what has become wanted.
    pub(super) fn serve(&mut self, console: &Console) {
        while self.orders.try_join_next().is_some() {}
        let wanted = console.wanted();
        self.serve_status(&wanted);
        self.is_list_shown = !console.is_zoomed;
        if self.is_list_shown {
            let pids = || {
                let apps = console.status.iter().flat_map(|status| &status.apps);
                apps.flat_map(|app| &app.workers).map(|worker| worker.pid).filter(|pid| *pid != 0).collect()
            };
            self.usage.look(pids, &self.news);
        }
        let is_same = (&wanted.lines, &wanted.evidence) == (&self.served.lines, &self.served.evidence);
        if is_same {
            self.since = None;
            return;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let is_first = self.served.lines.is_none() && self.served.evidence.is_none();
        if !is_first && since + STANDS_STILL > Instant::now() {
            return;
        }
        self.since = None;
        if wanted.lines != self.served.lines {
            self.follow(wanted.lines.clone());
        }
        if wanted.evidence != self.served.evidence {
            self.describe(wanted.evidence.as_ref().map(|(name, ..)| name.clone()));
        }
        self.served = wanted;
    }

    fn serve_status(&mut self, wanted: &Wanted) {
        let due = match (self.is_asked, wanted.status, wanted.in_flight) {
            (true, ..) | (false, false, false) => None,
            (false, true, _) => Some(self.asked_at + SOON),
            (false, false, true) => Some(self.asked_at + IN_FLIGHT),
        };
        self.status_at = due;
        if due.is_some_and(|due| due <= Instant::now()) && self.asks.try_send(()).is_ok() {
            (self.asked_at, self.is_asked, self.status_at) = (Instant::now(), true, None);
        }
    }

    /// When it has something to do next.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let settled = self.since.map(|since| since + STANDS_STILL);
        let usage = self.is_list_shown.then(|| self.usage.next_at());
        settled.into_iter().chain(self.status_at).chain(usage).min()
    }

    fn follow(&mut self, name: Option<String>) {
        if let Some(before) = self.lines.take() {
            before.abort();
        }
        self.followings += 1;
        self.lines = name.map(|name| {
            tokio::spawn(follow::lines(self.path.clone(), name, self.followings, self.news.clone()))
        });
    }

    fn describe(&mut self, name: Option<String>) {
        if let Some(before) = self.evidence.take() {
            before.abort();
        }
        self.evidence =
            name.map(|name| tokio::spawn(act::describe(self.path.clone(), name, self.news.clone())));
    }

    /// Has the master do something.
    pub(super) fn carry(&mut self, order: Order) {
        if self.orders.len() >= ORDERS {
            let told = format!("{} orders are not done yet; not asked: {}", ORDERS, order.line());
            drop(self.news.try_send(Input::Told(told)));
            return;
        }
        self.orders.spawn(act::carry(self.path.clone(), order, self.news.clone()));
    }
}

impl Drop for Desires {
    fn drop(&mut self) {
        self.watch.abort();
        self.lines.iter().chain(&self.evidence).for_each(JoinHandle::abort);
    }
}
