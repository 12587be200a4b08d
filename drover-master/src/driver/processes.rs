//! The driver's dealings with processes: made, read, signalled, forgotten.

use crate::signal::Signal;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Driver;
use super::contact::{Contact, ProcessNews};
use super::notifying::NotifySetup;
use crate::config::{AppSpec, Output, Probe, Protocol, Stdin};
use crate::ids::WorkerId;
use crate::link::Token;
use crate::machine::exit::{ExitStatus, SpawnStep};
use crate::machine::fleet::FleetInput;
use crate::machine::worker::{Identity, Question, Worker, WorkerInput};
use crate::process::{
    AwaitedText, Death, Ended, KeptSpawn, LogSinks, NotifyBy, OutputReader, Printer, SpawnFailure,
    SpawnRequest, Spawned, Stamp, StdinSource, Tail, aftermath, spawn, until_empty, until_ended,
};

/// How long the connection of an ended worker is read on. Usually its end is there at once; a grandchild may hold it open
/// for ever, and an exit is never tied to that.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How long the processes of a worker's probes may take to be gone after SIGKILL, before it is reported instead of waited for.
const PROBE_END: Duration = Duration::from_secs(2);

impl Driver {
    pub(super) fn spawn(&mut self, identity: Identity) {
        let id = identity.id;
        let Some(edition) = self.editions.get_mut(&identity.generation) else {
            let sentence = format!("generation {} is over", identity.generation);
            return self
                .not_made(id, SpawnFailure { step: SpawnStep::Prepare, errno: libc::ESTALE, sentence });
        };
        let spec = Arc::clone(&edition.spec);
        let needs_token = spec.protocol == Protocol::Drover;
        let token = match needs_token.then(Token::random).transpose() {
            Ok(token) => token,
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                let sentence = format!("no random bits for its token: {error}");
                return self.not_made(id, SpawnFailure { step: SpawnStep::Prepare, errno, sentence });
            }
        };
        if let (Some(server), Some(account)) = (&mut edition.link, &spec.command.account)
            && let Err(error) = server.admit(account)
        {
            let sentence = format!(
                "{account} can't be let in to the worker socket: {}",
                crate::sentence::sentence(&error)
            );
            return self
                .not_made(id, SpawnFailure { step: SpawnStep::Prepare, errno: libc::EACCES, sentence });
        }
        let sockets = match self.listeners.sockets(&spec.listeners, identity.slot) {
            Ok(sockets) => sockets,
            Err((name, error)) => {
                let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
                let sentence = format!("listener `{name}`: no socket for this slot: {error}");
                return self.not_made(id, SpawnFailure { step: SpawnStep::Prepare, errno, sentence });
            }
        };
        let named = spec.listeners.iter().position(|listener| Some(&*listener.name) == spec.stdin.socket());
        let stdin = match named.and_then(|at| sockets.get(at)) {
            Some(socket) => StdinSource::Socket(Arc::clone(socket)),
            None if spec.stdin == Stdin::Open => StdinSource::Open,
            None => StdinSource::Null,
        };
        let mut words = edition.words(identity, token.as_ref(), self.mark.as_deref());
        if let Some(token) = &token {
            self.tokens.insert(token.clone(), id);
        }
        let mut contact = Contact::new(identity, token);
        let text = spec.start.probe.as_ref().and_then(Probe::text);
        contact.awaited = text.map(|text| Arc::new(AwaitedText::new(text.clone())));
        let output = match &spec.output {
            // It is read, to be listened to.
            Output::Inherit | Output::Discard if contact.awaited.is_some() => Output::Forward,
            output => output.clone(),
        };
        let told = match NotifySetup::of(
            edition,
            identity,
            &mut self.stores,
            &mut contact,
            &self.teller,
            &self.holds,
        ) {
            Ok(told) => told,
            Err(failure) => {
                self.forget_token(&contact);
                return self.not_made(id, failure);
            }
        };
        let mut sockets = sockets;
        told.tell(&spec, &mut words, &mut sockets);
        let stamp = Stamp::draw();
        let cell = self.remember_birth(identity, contact.token.as_ref(), stamp);
        let pipes = self.memory.as_ref().map(|_| (self.holds.clone(), self.kept_name(identity)));
        self.contacts.insert(id, contact);
        let sender = self.process_sender.clone();
        let request = SpawnRequest {
            app: Arc::clone(&self.app),
            command: spec.command.of_slot(identity.slot.0),
            output,
            words,
            sockets,
            notify: NotifyBy { fd: told.pipe, tells_watchdog_pid: told.watchdog.is_some() },
            stdin,
            // Whoever is kept outlives its master.
            parent_death_signal: (!needs_token && self.memory.is_none()).then_some(libc::SIGKILL),
            stamp,
            kept: KeptSpawn { cell, pipes },
            // On the spawner's thread, which may wait for room. Without a driver the process is dropped, and so killed.
            done: Box::new(move |result| drop(sender.blocking_send(ProcessNews::Made { id, result }))),
        };
        if let Err(failure) = spawn(request) {
            self.not_made(id, failure);
        }
    }

    /// Tells a failure by the queue, as every other result, so that the fleet is not entered twice.
    fn not_made(&self, id: WorkerId, failure: SpawnFailure) {
        let sender = self.process_sender.clone();
        tokio::spawn(async move { sender.send(ProcessNews::Made { id, result: Err(failure) }).await });
    }

    pub(super) fn process_news(&mut self, now: Instant, news: ProcessNews) {
        match news {
            ProcessNews::Made { id, result: Ok(spawned) } => self.made(now, id, spawned),
            ProcessNews::Made { id, result: Err(failure) } => {
                let SpawnFailure { step, errno, sentence } = failure;
                let input = WorkerInput::SpawnFailed { step, errno, detail: Some(sentence.into()) };
                self.feed(now, FleetInput::Worker { id, input });
            }
            ProcessNews::Notified { id, heard, applied } => {
                self.heard(now, id, heard);
                drop(applied);
            }
            ProcessNews::Died { id, death: (status, usage), by_itself } => {
                self.remember_death(id, status, usage);
                self.end_probe(id);
                self.lead_away_from_dead(id);
                self.feed(now, FleetInput::Worker { id, input: WorkerInput::Died { status } });
                // Whoever asked may be gone. Up to now the process is not reaped.
                let _ = by_itself.send(self.fleet.worker(id).is_some_and(Worker::has_left_by_itself));
            }
            ProcessNews::RestFound { id, pids } => {
                self.feed(now, FleetInput::Worker { id, input: WorkerInput::RestFound { pids } });
            }
            ProcessNews::Ended { id, ended } => {
                // It may have named one in its last words, which are heard after its death.
                self.end_main(id);
                if !ended.survivors.is_empty() {
                    let pids = Arc::clone(&ended.survivors);
                    tracing::error!(target: "drover::process", worker = id.0, ?pids, "processes of its tree live on");
                    self.feed(now, FleetInput::Worker { id, input: WorkerInput::RestSurvived { pids } });
                }
                // What it said last comes by another way than its end, and may be behind it: a Started, for instance, or
                // the refusal that it left for. What waits already is older than the end.
                for _ in 0..self.link_news.len() {
                    if let Ok(news) = self.link_news.try_recv() {
                        self.link_news(now, news);
                    }
                }
                match self.contacts.get_mut(&id) {
                    Some(contact) if contact.link.is_some() => {
                        contact.ended = Some(ended);
                        let sender = self.process_sender.clone();
                        tokio::spawn(async move {
                            tokio::time::sleep(LAST_WORDS).await;
                            let _ = sender.send(ProcessNews::SaidNoMore { id }).await;
                        });
                    }
                    _ => self.ended(now, id, ended),
                }
            }
            ProcessNews::ProbePassed { id } => {
                self.feed(now, FleetInput::Worker { id, input: WorkerInput::ProbePassed });
            }
            ProcessNews::ProbeFailed { id, reason } => {
                tracing::debug!(target: "drover::process", worker = id.0, %reason, "not ready");
                self.feed(now, FleetInput::Worker { id, input: WorkerInput::ProbeFailed { reason } });
            }
            ProcessNews::Asked { id, question, number, fault } => {
                if let Some(reason) = &fault {
                    tracing::debug!(target: "drover::process", worker = id.0, ?question, %reason, "unhealthy");
                }
                let input = WorkerInput::Answered { question, number, fault };
                self.feed(now, FleetInput::Worker { id, input });
            }
            ProcessNews::QueueEmptied { id } => {
                self.feed(now, FleetInput::Worker { id, input: WorkerInput::QueueEmptied });
            }
            ProcessNews::Upkeep(news) => self.upkeep_news(now, news),
            ProcessNews::SocketsLetGo => self.sockets_let_go(),
            ProcessNews::SaidNoMore { id } => {
                if let Some(ended) = self.contacts.get_mut(&id).and_then(|contact| contact.ended.take()) {
                    self.ended(now, id, ended);
                }
            }
        }
    }

    pub(super) fn ended(&mut self, now: Instant, id: WorkerId, ended: Ended) {
        let Ended { status, usage, stderr_tail, .. } = ended;
        let input = WorkerInput::Exited { status, usage, stderr_tail };
        self.feed(now, FleetInput::Worker { id, input });
    }

    pub(super) fn made(&mut self, now: Instant, id: WorkerId, spawned: Spawned) {
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        let early = contact.early.take();
        let mut refused = contact.early_refusal.take();
        let pid = spawned.tree.pid();
        self.attend(id, spawned, None);
        self.feed(now, FleetInput::Worker { id, input: WorkerInput::Spawned { pid } });
        if let Some(at) = self.early_refusals.iter().position(|(peer, _)| *peer == pid) {
            refused = refused.or(Some(self.early_refusals.swap_remove(at).1));
        }
        if !self.early_refusals.is_empty() && self.contacts.values().all(|contact| contact.tree.is_some()) {
            // The rest came from strangers.
            self.early_refusals.clear();
        }
        if let Some(refusal) = refused {
            self.refused(now, id, refusal);
        }
        if let Some((connection, answer)) = early {
            self.admit(now, connection, id, answer);
        }
    }

    /// Reads what a process says, and waits for its end; `death` is known of one whose end an earlier master has told.
    pub(super) fn attend(&mut self, id: WorkerId, spawned: Spawned, death: Option<Death>) {
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        let Spawned { tree, holds, stdout, stderr } = spawned;
        let tree = Arc::new(tree);
        contact.tree = Some(Arc::clone(&tree));
        contact.holds = holds;
        let (identity, pid) = (contact.identity, tree.pid());
        let (probing, is_abandoned) = (Arc::clone(&contact.probing), Arc::clone(&contact.is_abandoned));
        let awaited = contact.awaited.as_ref().map_or_else(Weak::new, Arc::downgrade);
        let ear = self.hear(id, pid);
        let output = self.read_output(identity, pid, [stdout, stderr], awaited);
        let sender = self.process_sender.clone();
        tokio::spawn(async move {
            let (death, left_by_itself) = match death {
                Some(death) => (death, false),
                None => {
                    let death = until_ended(&tree).await;
                    // At once: what follows takes its time, and a dead worker must not become ready by its uptime meanwhile. And it is not
                    // reaped before it is written down how it ended.
                    let (by_itself, answer) = oneshot::channel();
                    let _ = sender.send(ProcessNews::Died { id, death, by_itself }).await;
                    (death, answer.await.unwrap_or(false) && death.0 == ExitStatus::Code(0))
                }
            };
            let found = async |pids| drop(sender.send(ProcessNews::RestFound { id, pids }).await);
            let survivors = until_empty(&tree, left_by_itself, &is_abandoned, found).await;
            drop(tree);
            let ended = aftermath(survivors, death, output).await;
            // What it said before it ended comes before the news of its end, by the same queue.
            if let Some(ear) = ear {
                ear.finish().await;
            }
            // On that news the driver has ended its probe, whose process is to be gone with it.
            let turn = timeout(PROBE_END, probing.acquire_many(Question::ALL.len() as u32)).await;
            probing.close();
            if turn.is_err() {
                tracing::error!(target: "drover::process", worker = id.0, "the program of its probe survived SIGKILL");
            }
            // Without a driver nobody wants to know.
            let _ = sender.send(ProcessNews::Ended { id, ended }).await;
        });
    }

    fn read_output(
        &self,
        worker: Identity,
        pid: u32,
        [stdout, stderr]: [Option<OwnedFd>; 2],
        awaited: Weak<AwaitedText>,
    ) -> Option<(tokio::task::JoinHandle<()>, Arc<Tail>)> {
        let spec = &self.editions.get(&worker.generation)?.spec;
        let output = match &spec.output {
            Output::Inherit if stdout.is_none() && stderr.is_none() => return None,
            // It is read because somebody listens, and goes where it would go otherwise.
            Output::Inherit => Output::Forward,
            output => output.clone(),
        };
        let Identity { slot, generation, id, .. } = worker;
        let reader = self.reader_of(Printer { slot, generation, worker: id, pid }, spec, output, awaited);
        let tail = Arc::clone(&reader.tail);
        Some((tokio::spawn(reader.run(stdout, stderr)), tail))
    }

    fn reader_of(
        &self,
        printer: Printer,
        spec: &AppSpec,
        output: Output,
        awaited: Weak<AwaitedText>,
    ) -> OutputReader {
        OutputReader {
            app: Arc::clone(&self.app),
            slot: printer.slot,
            output,
            sinks: LogSinks::of(&self.app, spec.logs.as_ref(), printer),
            log: self.output_log.clone().map(|log| log.by(printer)),
            tail: Arc::new(self.known_tail(printer)),
            awaited,
            transit: self.transit.by(printer),
        }
    }

    /// What an earlier master has read last of the stderr of one of its workers.
    pub(super) fn known_tail(&self, printer: Printer) -> Tail {
        let tail = Tail::default();
        if let Some(log) = &self.output_log {
            tail.begin_with(&log.last_errors_of(printer, Tail::LINES));
        }
        tail
    }

    /// Writes what an earlier master has read of workers that are gone, and had not written.
    pub(super) fn write_rest(&self) {
        for printer in self.transit.unclaimed(&self.app) {
            // Another process of an earlier life of the app may have had the number of this worker.
            let is_there = self
                .contacts
                .get(&printer.worker)
                .is_some_and(|contact| contact.tree.as_ref().is_some_and(|tree| tree.pid() == printer.pid));
            let edition = self.editions.get(&printer.generation);
            let Some(edition) = edition.or_else(|| self.editions.get(&self.fleet.generation())) else {
                continue;
            };
            if !is_there {
                let spec = &edition.spec;
                let reader = self.reader_of(printer, spec, spec.output.clone(), Weak::new());
                tokio::spawn(reader.run(None, None));
            }
        }
    }

    pub(super) fn signal(&self, id: WorkerId, signal: Signal) {
        let Some(tree) = self.contacts.get(&id).and_then(|contact| contact.tree.as_ref()) else { return };
        tracing::debug!(target: "drover::process", worker = id.0, pid = tree.pid(), %signal, "signal");
        if let Err(error) = tree.signal(signal) {
            tracing::error!(target: "drover::process", %error, worker = id.0, pid = tree.pid(), %signal, "can't signal");
        }
        self.signal_main(id, signal, tree.pid());
    }

    /// The first rung: to the main process alone, which is the one that it named, if it has named another that lives.
    pub(super) fn signal_first(&self, id: WorkerId, signal: Signal) {
        let Some(tree) = self.contacts.get(&id).and_then(|contact| contact.tree.as_ref()) else { return };
        tracing::debug!(target: "drover::process", worker = id.0, pid = tree.pid(), %signal, "signal to the main process");
        if self.signal_named(id, signal) {
            return;
        }
        match tree.signal_first(signal) {
            Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
                tracing::error!(target: "drover::process", %error, worker = id.0, pid = tree.pid(), %signal, "can't signal");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// What its process left behind is not waited for any more.
    pub(super) fn abandon_rest(&self, id: WorkerId) {
        if let Some(contact) = self.contacts.get(&id) {
            contact.is_abandoned.notify_one();
        }
    }

    /// Sends a signal that somebody asked for to the process alone, and to the one that it named as its main process.
    pub(super) fn deliver(&self, id: WorkerId, signal: Signal) {
        let Some(tree) = self.contacts.get(&id).and_then(|contact| contact.tree.as_ref()) else { return };
        match tree.deliver(signal) {
            Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
                tracing::error!(target: "drover::process", %error, worker = id.0, pid = tree.pid(), %signal, "can't signal");
            }
            // ESRCH: it ended a moment ago, which its exit tells.
            Ok(()) | Err(_) => {}
        }
        self.deliver_to_main(id, signal);
    }

    pub(super) fn forget(&mut self, id: WorkerId) {
        self.close_link(id);
        self.forget_worker(id);
        let Some(contact) = self.contacts.remove(&id) else { return };
        self.forget_token(&contact);
        let slot = contact.identity.slot;
        if self.fleet.worker_status(slot).is_none() {
            // The app has become smaller.
            self.stores.remove(&slot);
        }
    }

    fn forget_token(&mut self, contact: &Contact) {
        if let Some(token) = &contact.token {
            self.tokens.remove(token);
        }
    }

    pub(super) fn worker_of_process(&self, pid: u32) -> Option<WorkerId> {
        let owns = |contact: &Contact| contact.tree.as_ref().is_some_and(|tree| tree.pid() == pid);
        self.contacts.iter().find(|(_, contact)| owns(contact)).map(|(id, _)| *id)
    }
}
