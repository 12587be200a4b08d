//! Who is on the bus, who is ready, and who has subscribed to what.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use bytes::Bytes;
use drover_proto::bus::Refused;

use super::answer::{Answer, NoReply};
use super::deadlines::RequestDeadlines;
use super::error::SendError;
use super::handler::Handler;
use super::ledger::Asker;
use super::peer::Peer;
use super::traffic::Traffic;
use crate::ids::{SlotIndex, WorkerId};
use crate::keeper::AppTallies;

/// How many topics a worker may subscribe to. Each costs about 300 bytes.
pub(super) const SUBSCRIPTIONS: usize = 256;

/// What connects the workers of one app and its program. Shared by the driver, the connections and the handles.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(super) app: Arc<str>,
    pub(super) handler: Option<Handler>,
    /// Locked for as long as a look takes, never over an await.
    table: RwLock<Table>,
    /// Counts the frames that may be answered, over all workers.
    last_seq: AtomicU64,
    pub(super) deadlines: Arc<RequestDeadlines>,
    pub(super) traffic: Traffic,
}

#[derive(Debug, Default)]
struct Table {
    peers: HashMap<WorkerId, Arc<Peer>>,
    /// The workers of each slot. More than one while a reload replaces them.
    slots: HashMap<SlotIndex, Vec<Arc<Peer>>>,
    /// Ordered, so that a publication reaches its subscribers in the same order each time.
    topics: HashMap<Box<str>, BTreeMap<WorkerId, Arc<Peer>>>,
    /// How many topics each has subscribed to.
    subscriptions: HashMap<WorkerId, usize>,
}

impl Exchange {
    pub(crate) fn new(app: Arc<str>, handler: Option<Handler>, tallies: AppTallies) -> Self {
        Self {
            app,
            handler,
            table: RwLock::default(),
            last_seq: AtomicU64::new(0),
            deadlines: Arc::default(),
            traffic: Traffic(tallies),
        }
    }

    /// What `Welcome` names.
    pub(crate) fn capabilities(&self) -> Vec<String> {
        let app = self.handler.is_some().then_some("app");
        ["bus"].into_iter().chain(app).map(str::to_owned).collect()
    }

    /// The number of the next frame that may be answered.
    pub(crate) fn next_seq(&self) -> u64 {
        self.last_seq.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A worker's connection stands.
    pub(crate) fn join(&self, peer: Arc<Peer>) {
        let (id, slot) = (peer.identity.id, peer.identity.slot);
        let before = {
            let mut table = self.write();
            let workers = table.slots.entry(slot).or_default();
            workers.retain(|known| known.identity.id != id);
            workers.push(Arc::clone(&peer));
            table.peers.insert(id, peer)
        };
        if let Some(before) = before {
            self.leave(&before);
        }
    }

    /// A worker's connection has ended.
    pub(crate) fn leave(&self, peer: &Arc<Peer>) {
        self.write().forget(peer);
        peer.set_ready(false);
        peer.mailbox.close();
        let (askers, open) = peer.ledger().settle();
        for (seq, request) in open {
            self.deadlines.remove(request.deadline, peer.identity.id, seq);
            if let Some((asked, seq)) = request.asked
                && let Some(asked) = asked.upgrade()
            {
                asked.ledger().give_up(seq);
            }
        }
        for asker in askers {
            self.answer(asker, Err(NoReply::Gone(peer.identity.slot)));
        }
    }

    /// A worker has become ready, or is not any more.
    pub(crate) fn set_ready(&self, id: WorkerId, is_ready: bool) {
        if let Some(peer) = self.read().peers.get(&id) {
            peer.set_ready(is_ready);
        }
    }

    /// Puts a small answer of the driver into a worker's queue. Its reader waits for room in it before it takes the next frame, so
    /// they are few.
    pub(crate) fn owe(&self, id: WorkerId, frame: Bytes) {
        if let Some(peer) = self.read().peers.get(&id) {
            peer.owe(frame);
        }
    }

    /// Gives an answer to whoever waits for it, if somebody still does.
    pub(super) fn answer(&self, asker: Asker<Weak<Peer>>, answer: Answer) {
        match asker {
            // It may have stopped waiting at this very moment.
            Asker::Program(waiting) => drop(waiting.send(answer)),
            Asker::Worker(asker, seq) => {
                let Some(asker) = asker.upgrade() else { return };
                let closed = asker.ledger().close(seq);
                if let Some(open) = closed {
                    self.deadlines.remove(open.deadline, asker.identity.id, seq);
                    asker.reply(seq, answer);
                }
            }
        }
    }

    /// The worker with this id, if it takes messages now.
    pub(super) fn worker(&self, id: WorkerId) -> Result<Arc<Peer>, SendError> {
        let peer = self.read().peers.get(&id).cloned();
        let peer = peer.ok_or_else(|| self.no_worker(format!("worker {id}")))?;
        self.check(&peer)?;
        Ok(peer)
    }

    /// The worker of this slot, if it takes messages now: of several, the newest that is ready.
    pub(super) fn slot(&self, slot: SlotIndex) -> Result<Arc<Peer>, SendError> {
        let peer = {
            let table = self.read();
            let workers = table.slots.get(&slot).into_iter().flatten();
            workers.max_by_key(|peer| (peer.is_ready(), peer.identity.id)).cloned()
        };
        let peer = peer.ok_or_else(|| self.no_worker(format!("slot {slot}")))?;
        self.check(&peer)?;
        Ok(peer)
    }

    fn no_worker(&self, to: String) -> SendError {
        SendError::NoWorker { app: self.app.to_string(), to }
    }

    fn check(&self, peer: &Peer) -> Result<(), SendError> {
        if peer.takes && peer.is_ready() {
            return Ok(());
        }
        let (app, worker) = (self.app.to_string(), peer.identity.slot.0);
        Err(if peer.takes {
            SendError::NotReady { app, worker }
        } else {
            SendError::TakesNone { app, worker }
        })
    }

    /// Every worker that takes messages now.
    pub(super) fn all(&self) -> Vec<Arc<Peer>> {
        let table = self.read();
        let peers = table.peers.values().filter(|peer| peer.takes && peer.is_ready());
        peers.cloned().collect()
    }

    /// Every worker that has subscribed to the topic and is ready.
    pub(super) fn subscribers(&self, topic: &str) -> Vec<Arc<Peer>> {
        let table = self.read();
        let peers = table.topics.get(topic).into_iter().flat_map(BTreeMap::values);
        peers.filter(|peer| peer.is_ready()).cloned().collect()
    }

    /// Whether there was room for one more.
    pub(super) fn subscribe(&self, peer: &Arc<Peer>, topic: &str) -> bool {
        let table = &mut *self.write();
        let id = peer.identity.id;
        // It may have ended since it said so.
        if !table.peers.get(&id).is_some_and(|known| Arc::ptr_eq(known, peer)) {
            return true;
        }
        if table.topics.get(topic).is_some_and(|subscribers| subscribers.contains_key(&id)) {
            return true;
        }
        let count = table.subscriptions.entry(id).or_default();
        if *count >= SUBSCRIPTIONS {
            return false;
        }
        *count += 1;
        table.topics.entry(topic.into()).or_default().insert(id, Arc::clone(peer));
        true
    }

    pub(super) fn unsubscribe(&self, peer: &Arc<Peer>, topic: &str) {
        self.write().unsubscribe(peer, topic);
    }

    /// The error of a mailbox that did not take a message.
    pub(super) fn not_taken(&self, peer: &Peer, refused: Refused) -> SendError {
        let (app, worker) = (self.app.to_string(), peer.identity.slot.0);
        match refused {
            Refused::Full => SendError::Full { app, worker, bytes: peer.mailbox.bytes() },
            Refused::Closed => SendError::NotReady { app, worker },
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn forget(&mut self, peer: &Arc<Peer>) {
        let (id, slot) = (peer.identity.id, peer.identity.slot);
        // One that came back is not forgotten with its old connection.
        if self.peers.get(&id).is_some_and(|known| Arc::ptr_eq(known, peer)) {
            self.peers.remove(&id);
            if let Some(workers) = self.slots.get_mut(&slot) {
                workers.retain(|known| known.identity.id != id);
                if workers.is_empty() {
                    self.slots.remove(&slot);
                }
            }
        }
        if self.subscriptions.contains_key(&id) {
            let of_this = |subscribers: &BTreeMap<WorkerId, Arc<Peer>>| {
                subscribers.get(&id).is_some_and(|known| Arc::ptr_eq(known, peer))
            };
            let topics = self.topics.iter().filter(|(_, subscribers)| of_this(subscribers));
            let topics: Vec<Box<str>> = topics.map(|(topic, _)| topic.clone()).collect();
            topics.iter().for_each(|topic| self.unsubscribe(peer, topic));
        }
    }

    fn unsubscribe(&mut self, peer: &Arc<Peer>, topic: &str) {
        let id = peer.identity.id;
        let Some(subscribers) = self.topics.get_mut(topic) else { return };
        if !subscribers.get(&id).is_some_and(|known| Arc::ptr_eq(known, peer)) {
            return;
        }
        subscribers.remove(&id);
        if subscribers.is_empty() {
            self.topics.remove(topic);
        }
        if let Some(count) = self.subscriptions.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                self.subscriptions.remove(&id);
            }
        }
    }
}
