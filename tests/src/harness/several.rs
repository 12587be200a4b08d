//! Several apps under one supervisor, under test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use drover_master::config::Output;
use drover_master::supervisor::{SupervisorBuilder, SupervisorEnd, SupervisorError, SupervisorHandle};
use drover_master::{Command, Event, EventStream, Master, MasterBuilder};
use tokio::task::JoinHandle;

use super::{of_app, outline, patiently};

/// Names that no other test has.
#[derive(Debug)]
pub struct Names(String);

/// A supervisor that runs, with one reader of its events. What it shows is read in order: each wait goes on where the last
/// one found its event.
#[derive(Debug)]
pub struct Several {
    names: Names,
    handle: SupervisorHandle,
    run: JoinHandle<Result<SupervisorEnd, SupervisorError>>,
    events: EventStream,
    seen: Vec<Arc<Event>>,
}

impl Names {
    /// Names for one test.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        Self(format!("e2e-{}-few{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed)))
    }

    /// The full name of an app.
    pub fn of(&self, role: &str) -> String {
        format!("{}-{role}", self.0)
    }

    /// The description of an app of one worker, whose output is discarded, but for the evidence.
    pub fn app(&self, role: &str, command: &str) -> MasterBuilder {
        Master::builder(&self.of(role), Command::new(command)).workers(1).output(Output::Discard)
    }

    /// Runs them.
    ///
    /// # Panics
    ///
    /// If the description is invalid.
    pub fn run(self, builder: SupervisorBuilder) -> Several {
        let supervisor = builder.build().expect("the description can be meant");
        let handle = supervisor.handle();
        let events = handle.events().since(0);
        Several { names: self, handle, run: tokio::spawn(supervisor.run()), events, seen: Vec::new() }
    }
}

impl Several {
    /// Its handle.
    pub const fn handle(&self) -> &SupervisorHandle {
        &self.handle
    }

    /// The full name of an app.
    pub fn name(&self, role: &str) -> String {
        self.names.of(role)
    }

    /// The process of an app's only worker.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn pid(&self, role: &str) -> u32 {
        let name = self.name(role);
        let master = self.handle.masters().into_iter().find(|master| master.spec().name == name);
        master.expect("there is such an app").snapshot().workers[0].pid.expect("its worker lives")
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        !self.run.is_finished()
    }

    /// Waits until these apps are started.
    ///
    /// # Panics
    ///
    /// If one is not.
    pub async fn until_started(&mut self, roles: &[&str]) {
        for role in roles {
            let name = self.name(role);
            let master = self.handle.masters().into_iter().find(|master| master.spec().name == name);
            let start = master.expect("there is such an app").start();
            patiently("the start", start).await.expect("it starts");
        }
    }

    /// The next event of this name, of this app.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub async fn until(&mut self, role: &str, name: &str) -> Arc<Event> {
        let app = self.name(role);
        loop {
            let next = tokio::time::timeout(super::PATIENCE, self.events.next()).await;
            let Ok(event) = next else { panic!("{role} is never {name}, after {:#?}", outline(&self.seen)) };
            let event = event.expect("a short test misses nothing");
            self.seen.push(Arc::clone(&event));
            if *event.app == *app && event.name() == name {
                return event;
            }
        }
    }

    /// Awaits the end, proves that no process is left, and tells what the apps did: `db starting`, `db ended: completed`.
    ///
    /// # Panics
    ///
    /// If it does not end, or something is left.
    pub async fn end(self) -> (SupervisorEnd, Vec<String>) {
        let end = patiently("the end", self.run).await.expect("it does not panic").expect("it can be served");
        let mut stream = self.handle.events().since(0);
        let mut story = Vec::new();
        while let Some(event) = stream.try_next() {
            let event = event.expect("a short test misses nothing");
            let role = event.app.rsplit('-').next().unwrap_or_default();
            match event.name().strip_prefix("app_") {
                Some(what @ "ended") => story.push(format!("{role} {what}: {}", event.kind.detail())),
                Some(what) => story.push(format!("{role} {what}")),
                None => {}
            }
        }
        for master in self.handle.masters() {
            assert_eq!(of_app(&master.spec().name), [0; 0], "left behind, after {story:#?}");
        }
        (end, story)
    }
}
