//! Many clients at once.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::client::{Client, Done, Kind};
use super::exchange::Form;
use super::now;
use super::tally::{Failure, Fault, Stage, Tally};

/// What a request waits for at most; whoever waits longer has lost it.
const PATIENCE: Duration = Duration::from_secs(15);

/// This many requests of a steady load are under way at most. Beyond that the service is far behind, and more would only fill
/// its queue.
const UNDER_WAY: usize = 4096;

/// After a failure a client waits so long before it sends the next request: refusals come too fast to be worth counting.
const AFTER_A_FAILURE: Duration = Duration::from_millis(1);

/// Whom to ask.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Where it listens.
    pub addr: SocketAddr,
    /// How it is asked.
    pub form: Form,
    /// How long a slow request takes it.
    pub slow: Duration,
    /// What a request waits for at most.
    pub patience: Duration,
}

/// Clients that send the next request once the last one is answered.
#[derive(Debug, Clone, Copy)]
pub struct Clients {
    /// How many take a connection for each request.
    pub once: usize,
    /// How many keep theirs.
    pub kept: usize,
    /// How many ask for what takes long.
    pub slow: usize,
}

/// Clients at work. Dropped, they leave.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
    pace: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    service: Service,
    begin: Instant,
    last_id: AtomicU64,
    is_over: AtomicBool,
    tally: Mutex<Tally>,
}

impl Service {
    /// A service at this address that makes the bodies itself, and whose slow requests take 200 ms.
    pub const fn at(addr: SocketAddr) -> Self {
        Self { addr, form: Form::Number, slow: Duration::from_millis(200), patience: PATIENCE }
    }
}

impl Load {
    /// As many requests as are answered, by so many clients.
    pub fn greedy(service: Service, clients: Clients) -> Self {
        let mut load = Self::new(service);
        let Clients { once, kept, slow } = clients;
        for (kind, count) in [(Kind::Once, once), (Kind::Kept, kept), (Kind::Slow, slow)] {
            for _ in 0..count {
                let shared = Arc::clone(&load.shared);
                load.clients.spawn(async move {
                    let mut client = shared.client(kind);
                    while !shared.is_over.load(Ordering::Relaxed) {
                        if !shared.request(&mut client, kind, now()).await {
                            tokio::time::sleep(AFTER_A_FAILURE).await;
                        }
                    }
                });
            }
        }
        load
    }

    /// This many requests a second, whatever becomes of them, each on a connection of its own. A latency counts from the
    /// moment at which the request was due: who sends late has made somebody wait.
    ///
    /// # Panics
    ///
    /// If the rate is zero.
    pub fn steady(service: Service, kind: Kind, rate: u32) -> Self {
        let mut load = Self::new(service);
        // More can't be under way.
        let (due, dues) = mpsc::channel(UNDER_WAY);
        let shared = Arc::clone(&load.shared);
        load.clients.spawn(Arc::clone(&shared).send_each(kind, dues));
        let interval = Duration::from_secs(1) / rate;
        let pace = std::thread::Builder::new().name("pace".to_owned());
        let pace = pace.spawn(move || {
            let mut next = shared.begin;
            while !shared.is_over.load(Ordering::Relaxed) {
                // A runtime's timer is exact to a millisecond, which is more than what is to be seen. A thread that is
                // parked wakes within 0.1 ms.
                while let Some(left) = next.checked_duration_since(now()).filter(|left| !left.is_zero()) {
                    std::thread::park_timeout(left);
                }
                if let Err(mpsc::error::TrySendError::Closed(_)) = due.try_send(next) {
                    return;
                }
                next += interval;
            }
        });
        load.pace = Some(pace.expect("a thread can be had"));
        load
    }

    fn new(service: Service) -> Self {
        let shared = Shared {
            service,
            begin: now(),
            last_id: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            tally: Mutex::default(),
        };
        Self { shared: Arc::new(shared), clients: JoinSet::new(), pace: None }
    }

    /// Waits until so many requests have ended, at most for so long.
    ///
    /// # Panics
    ///
    /// If they do not.
    pub async fn until(&self, requests: u64, within: Duration) {
        let begin = now();
        while self.requests() < requests {
            assert!(
                begin.elapsed() < within,
                "only {:#}, not {requests} within {within:?}",
                *self.shared.tally()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many requests have ended until now.
    pub fn requests(&self) -> u64 {
        self.shared.tally().requests()
    }

    /// Sends no more, waits for what is under way, and tells what became of all.
    pub async fn end(mut self) -> Tally {
        self.shared.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client does not panic");
        }
        std::mem::take(&mut *self.shared.tally())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(pace) = self.pace.take() {
            // It ends with the next request that would be due.
            let _ = pace.join();
        }
    }
}

impl Shared {
    const fn client(&self, kind: Kind) -> Client {
        let Service { addr, form, slow, patience } = self.service;
        Client::new(kind, addr, form, slow, patience)
    }

    /// One request; whether it was answered.
    async fn request(&self, client: &mut Client, kind: Kind, due: Instant) -> bool {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        let Done { result, took, found_closed } = client.request(id, due).await;
        let mut tally = self.tally();
        tally.closed_between += u64::from(found_closed);
        match result {
            Ok(_) => tally.answered_one(kind, took),
            Err(failure) => {
                tally.failed_one(failure);
                return false;
            }
        }
        true
    }

    /// A task for each request that is due.
    async fn send_each(self: Arc<Self>, kind: Kind, mut dues: mpsc::Receiver<Instant>) {
        let mut under_way = JoinSet::new();
        while let Some(due) = dues.recv().await {
            while under_way.try_join_next().is_some() {}
            if under_way.len() == UNDER_WAY {
                self.tally().failed_one(not_sent(kind, due));
                continue;
            }
            let shared = Arc::clone(&self);
            under_way.spawn(async move {
                let mut client = shared.client(kind);
                shared.request(&mut client, kind, due).await;
            });
        }
        while under_way.join_next().await.is_some() {}
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_sent(kind: Kind, due: Instant) -> Failure {
    let (when, took) = (SystemTime::now(), due.elapsed());
    Failure { kind, fault: Fault::NotSent, stage: Stage::Connecting, port: None, pid: None, when, took }
}

#[cfg(test)]
mod tests;
