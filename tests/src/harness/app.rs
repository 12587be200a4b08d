//! One app under test.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use drover_master::config::Output;
use drover_master::{
    Command, Event, EventKind, EventStream, Exit, Master, MasterBuilder, Outcome, StartError, WorkerStatus,
};

use super::{of_app, patiently, variable_of};

/// A master with one reader of its events. What it shows is read in order: each wait goes on where the last one found its
/// event.
#[derive(Debug)]
pub struct App {
    /// The master; none once the test has dropped it.
    master: Option<Master>,
    name: String,
    events: EventStream,
    seen: Vec<Arc<Event>>,
    sockets: BTreeSet<PathBuf>,
}

impl App {
    /// The description of an app of one worker under a name that no other test has; its output is discarded, but for the
    /// evidence.
    pub fn builder(command: impl Into<std::ffi::OsString>) -> MasterBuilder {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let name = format!("e2e-{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed));
        Master::builder(&name, Command::new(command)).workers(1).output(Output::Discard)
    }

    /// The app, not started yet.
    ///
    /// # Panics
    ///
    /// If the description is invalid.
    pub fn new(builder: MasterBuilder) -> Self {
        let master = builder.build().expect("the description can be meant");
        let (name, events) = (master.spec().name.clone(), master.events());
        Self { master: Some(master), name, events, seen: Vec::new(), sockets: BTreeSet::new() }
    }

    /// The app, started.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn started(builder: MasterBuilder) -> Self {
        let app = Self::new(builder);
        patiently("the start", app.master().start()).await.expect("the app starts");
        app
    }

    /// The app whose start fails, and why.
    ///
    /// # Panics
    ///
    /// If it starts.
    pub async fn failed(builder: MasterBuilder) -> (Self, StartError) {
        let app = Self::new(builder);
        let error = patiently("the failure", app.master().start()).await.expect_err("the app can't start");
        (app, error)
    }

    /// Its master.
    pub fn master(&self) -> &Master {
        self.master.as_ref().expect("the test has not dropped it")
    }

    /// Drops the only handle.
    pub fn drop_master(&mut self) {
        self.master = None;
    }

    /// The app's own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pid of the worker in a slot.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn pid(&self, slot: usize) -> u32 {
        self.worker(slot).pid.expect("there is a worker in the slot")
    }

    /// A slot and the worker in it.
    pub fn worker(&self, slot: usize) -> WorkerStatus {
        self.master().snapshot().workers[slot].clone()
    }

    /// The next event.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub async fn next(&mut self) -> Arc<Event> {
        match tokio::time::timeout(super::PATIENCE, self.events.next()).await {
            Ok(Ok(event)) => {
                self.note_socket(&event);
                self.seen.push(Arc::clone(&event));
                event
            }
            Ok(Err(missed)) => panic!("{missed}"),
            Err(_) => panic!("no event comes any more, after {:#?}", outline(&self.seen)),
        }
    }

    /// The next event with this name.
    pub async fn until(&mut self, name: &str) -> Arc<Event> {
        loop {
            let event = self.next().await;
            if event.name() == name {
                return event;
            }
        }
    }

    /// The next end of a worker.
    pub async fn exit(&mut self) -> Arc<Exit> {
        match &self.until("exited").await.kind {
            EventKind::Exited { exit } => Arc::clone(exit),
            other => panic!("{other:?}"),
        }
    }

    /// All events so far, read or not.
    pub fn all_events(&self) -> Vec<Arc<Event>> {
        let mut stream = self.master().events();
        std::iter::from_fn(|| stream.try_next())
            .map(|event| event.expect("a short test misses nothing"))
            .collect()
    }

    /// Shuts down, and proves that nothing is left.
    ///
    /// # Panics
    ///
    /// If it does not end, or something is left.
    pub async fn end(mut self) {
        patiently("the shutdown", self.master().shutdown()).await.expect("every process can be ended");
        self.is_gone().await;
    }

    /// Awaits the end, and proves that nothing is left.
    ///
    /// # Panics
    ///
    /// If it does not end, or something is left.
    pub async fn outcome(&mut self) -> Outcome {
        let master = self.master().clone();
        let outcome = patiently("the outcome", master.wait()).await.expect("the runtime lives");
        drop(master);
        self.is_gone().await;
        outcome
    }

    /// Proves at once that no process and no socket is left. The events up to here are read.
    ///
    /// # Panics
    ///
    /// If something is left.
    pub async fn is_gone(&mut self) {
        assert_eq!(of_app(&self.name), [0; 0], "left behind, after {:#?}", outline(&self.seen));
        while let Some(event) = self.events.try_next() {
            self.seen.push(event.expect("a short test misses nothing"));
        }
        for event in self.seen.iter().filter(|event| *event.app == *self.name) {
            let Some(pid) = event.worker.and_then(|worker| worker.pid) else { continue };
            assert!(!is_our_child(pid), "process {pid} is not reaped");
        }
        for socket in &self.sockets {
            let directory = socket.parent().expect("a socket lies in a directory");
            assert!(!directory.exists(), "{} is left", directory.display());
        }
    }

    /// The path of its workers' socket, as a living worker was told it.
    ///
    /// # Panics
    ///
    /// If the worker was told none.
    pub fn socket(&mut self, slot: usize) -> PathBuf {
        let socket =
            PathBuf::from(variable_of(self.pid(slot), "DROVER_SOCKET").expect("it speaks the protocol"));
        self.sockets.insert(socket.clone());
        socket
    }

    fn note_socket(&mut self, event: &Event) {
        let pid = event.worker.and_then(|worker| worker.pid);
        for name in ["DROVER_SOCKET", "NOTIFY_SOCKET"] {
            self.sockets.extend(pid.and_then(|pid| variable_of(pid, name)).map(PathBuf::from));
        }
    }
}

/// Events as a person reads them, for the message of a test that fails.
pub fn outline(events: &[Arc<Event>]) -> Vec<String> {
    let line = |event: &Arc<Event>| {
        let worker =
            event.worker.map_or_else(String::new, |worker| format!("/{} pid {:?}", worker.slot, worker.pid));
        format!("{} {}{worker} {} {}", event.seq, event.app, event.name(), event.kind.detail())
    };
    events.iter().map(line).collect()
}

/// Whether a process, or what the kernel keeps of it, is a child of this one.
fn is_our_child(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
    parent.is_some_and(|parent| parent == std::process::id().to_string())
}
