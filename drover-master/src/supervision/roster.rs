//! Which apps there are at this moment: written by the supervisor's task, read by anybody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::past::Past;
use crate::config::{AppSpec, Description};
use crate::handle::Master;
use crate::machine::composite::{AppIndex, Composite, Fate, Standing};

/// Locked for as long as a copy takes, never over an await.
#[derive(Debug, Clone)]
pub(crate) struct Roster(Arc<Mutex<Listed>>);

#[derive(Debug)]
struct Listed {
    apps: Vec<Entry>,
    standings: Vec<Standing>,
    /// What holds for all apps. Its own apps are not kept here.
    settings: Description,
}

/// An app, its master, and the description that it was last brought to.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) index: AppIndex,
    pub(crate) master: Master,
    pub(crate) spec: Arc<AppSpec>,
    /// What it was described as before.
    pub(crate) past: Past,
}

impl Roster {
    /// The apps in the order given.
    pub(crate) fn new(apps: Vec<Entry>, settings: Description) -> Self {
        let standings = vec![Standing::Idle; apps.len()];
        Self(Arc::new(Mutex::new(Listed { apps, standings, settings })))
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.lock().apps.clone()
    }

    pub(crate) fn masters(&self) -> Vec<Master> {
        self.lock().apps.iter().map(|entry| entry.master.clone()).collect()
    }

    pub(crate) fn standings(&self) -> Vec<Standing> {
        self.lock().standings.clone()
    }

    /// The apps that wait for others before they are started, and for which.
    pub(crate) fn waits(&self) -> Vec<(String, Vec<String>)> {
        let listed = self.lock();
        let name = |place: &usize| listed.apps.get(*place).map(|entry| entry.spec.name.clone());
        let waits =
            listed.apps.iter().zip(&listed.standings).filter_map(|(entry, standing)| match standing {
                Standing::Waiting { on } => {
                    Some((entry.spec.name.clone(), on.iter().filter_map(name).collect()))
                }
                _ => None,
            });
        waits.collect()
    }

    pub(crate) fn find(&self, name: &str) -> Option<(Entry, Standing)> {
        let listed = self.lock();
        let at = listed.apps.iter().position(|entry| entry.spec.name == name)?;
        Some((listed.apps[at].clone(), listed.standings[at].clone()))
    }

    pub(crate) fn at(&self, place: usize) -> Option<AppIndex> {
        self.lock().apps.get(place).map(|entry| entry.index)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.lock().apps.iter().map(|entry| entry.spec.name.clone()).collect()
    }

    /// Everything as it runs: of the number of workers, what it was scaled to.
    pub(crate) fn description(&self) -> Description {
        let listed = self.lock();
        let apps = listed.apps.iter().map(|Entry { master, spec, .. }| {
            let mut spec = AppSpec::clone(spec);
            spec.workers = master.snapshot().status.desired;
            spec
        });
        Description { apps: apps.collect(), ..listed.settings.clone() }
    }

    pub(crate) fn list(&self, apps: Vec<Entry>, composite: &Composite) {
        let mut listed = self.lock();
        listed.apps = apps;
        listed.stand(composite);
    }

    pub(crate) fn show(&self, composite: &Composite) {
        self.lock().stand(composite);
    }

    /// Nobody looks after the apps any more, and their masters are gone too.
    pub(crate) fn abandon(&self) {
        for standing in &mut self.lock().standings {
            if !matches!(standing, Standing::Idle | Standing::Held | Standing::Ended(_)) {
                *standing = Standing::Ended(Fate::Failed);
            }
        }
    }

    pub(crate) fn set(&self, settings: Description) {
        self.lock().settings = Description { apps: Vec::new(), ..settings };
    }

    fn lock(&self) -> MutexGuard<'_, Listed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed {
    /// Takes down how each app stands, with places for numbers. One that the composite does not know, or not any more, is
    /// idle.
    fn stand(&mut self, composite: &Composite) {
        let place = |app: AppIndex| self.apps.iter().position(|entry| entry.index == app);
        let standings = self.apps.iter().map(|entry| match composite.standing(entry.index) {
            Some(Standing::Waiting { on }) => {
                Standing::Waiting { on: on.into_iter().filter_map(place).collect() }
            }
            standing => standing.unwrap_or(Standing::Idle),
        });
        self.standings = standings.collect();
    }
}
