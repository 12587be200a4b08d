//! How a supervisor writes down what there is, and how it goes on where another one was.

use std::io;
use std::time::Instant;

use super::driver::Running;
use super::memory::{AppMemory, SupervisorState};
use crate::config::{AppSpec, Description};
use crate::machine::composite::{CompositeAction, CompositeInput, Standing};
use crate::machine::gate;

impl Running {
    /// Writes an input down, before it changes anything.
    pub(super) fn write_down(&mut self, now: Instant, input: &CompositeInput) {
        let written = self.memory.as_mut().map_or(Ok(()), |memory| memory.told(now, input));
        self.check(written);
    }

    /// What the composite wanted done is done.
    pub(super) fn all_done(&mut self) {
        let written = self.memory.as_mut().map_or(Ok(()), super::memory::SupervisorMemory::done);
        self.check(written);
        if self.is_changed || self.memory.as_ref().is_some_and(super::memory::SupervisorMemory::is_long) {
            self.write_whole();
        }
    }

    /// Writes all of it anew.
    pub(super) fn write_whole(&mut self) {
        self.is_changed = false;
        if self.memory.is_none() {
            return;
        }
        let app = |entry: &super::roster::Entry| AppMemory {
            index: entry.index,
            spec: AppSpec::clone(&entry.spec),
            past: entry.past.all().map(|spec| AppSpec::clone(spec)).collect(),
        };
        let whole = SupervisorState {
            apps: self.apps.values().map(app).collect(),
            settings: Description { apps: Vec::new(), ..self.handle.roster.description() },
            last_index: self.last_index,
            has_begun: self.has_begun,
            change: self.change_under_way.clone(),
            signals: self.signal_count,
        };
        let written = self.memory.as_mut().map_or(Ok(()), |memory| memory.renew(&whole, &self.composite));
        self.check(written);
    }

    fn check(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            tracing::error!(target: "drover::keeper", %error, "what runs can't be written down any more; a crash of this master would end it");
            self.memory = None;
        }
    }

    /// Goes on where another one was: whatever it had under way is begun again, and joins what the apps do.
    pub(super) fn go_on(&mut self, undone: Vec<CompositeAction>) -> Option<crate::machine::composite::End> {
        self.end_strays();
        self.watch_surroundings();
        let apps: Vec<_> = self.apps.keys().copied().collect();
        for app in apps {
            match self.composite.standing(app) {
                Some(Standing::Starting) => self.start(app),
                Some(Standing::Started) => self.watch(app),
                Some(Standing::Stopping) => {
                    let asked = undone.iter().rev().find_map(|action| match action {
                        CompositeAction::EndApp { app: other, how, by } if *other == app => {
                            Some((*how, by.clone()))
                        }
                        _ => None,
                    });
                    let (how, by) =
                        asked.unwrap_or((gate::Request::Shutdown, "the master before this one".into()));
                    self.watch(app);
                    self.end(app, how, by);
                }
                _ => {}
            }
        }
        let mut end = None;
        for action in undone {
            match action {
                CompositeAction::Forget(app) => self.forget(app),
                CompositeAction::Finish(how) => end = Some(how),
                // By how each app stands, or to somebody who is gone.
                _ => {}
            }
        }
        // Whoever waited for it is gone, and so is what would have told that it is done.
        for (app, ticket) in self.composite.passed_on() {
            end = end.or(self.apply(CompositeInput::AppOperated { ticket, app, is_done: true }));
        }
        if end.is_none() {
            self.resume_change();
            self.write_whole();
        }
        self.handle.roster.show(&self.composite);
        end
    }

    /// What was not brought to its description yet is.
    fn resume_change(&mut self) {
        let Some(change) = self.change_under_way.clone() else { return };
        self.tasks.spawn(self.handle.clone().resume_change(change));
    }

    /// Processes that an earlier master has made, and of which it has written nothing: of an app that can't be read any more.
    fn end_strays(&self) {
        let Some(keeper) = self.handle.holds.keeper().cloned() else { return };
        for pid in self.handle.holds.strays() {
            tracing::warn!(target: "drover::keeper", pid, "a process of an earlier master that nobody knows is ended");
            // A child of the keeper is not reaped before it is asked to, and so keeps its number.
            match crate::process::Tree::adopt(pid, None, std::sync::Arc::clone(&keeper)) {
                // Dropped, it is killed with its group.
                Ok(tree) => {
                    drop(tree);
                    // Then the keeper reaps it as it does any orphan.
                    self.handle.holds.clear_stray(pid);
                }
                Err(error) => tracing::error!(target: "drover::keeper", pid, %error, "can't be ended"),
            }
        }
    }
}
