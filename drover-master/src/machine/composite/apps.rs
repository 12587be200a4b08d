//! The apps by their numbers, which are never given twice: news of one that is gone can't be taken for news of another.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

use super::AppIndex;
use super::app::App;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Apps(BTreeMap<AppIndex, App>);

impl Apps {
    pub(super) fn new(indices: impl IntoIterator<Item = AppIndex>) -> Self {
        Self(indices.into_iter().map(|app| (app, App::new())).collect())
    }

    pub(super) fn contains(&self, app: AppIndex) -> bool {
        self.0.contains_key(&app)
    }

    /// Adds an app, if it is not there.
    pub(super) fn add(&mut self, app: AppIndex) {
        self.0.entry(app).or_insert_with(App::new);
    }

    pub(super) fn remove(&mut self, app: AppIndex) {
        self.0.remove(&app);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (AppIndex, &App)> {
        self.0.iter().map(|(index, app)| (*index, app))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &App> {
        self.0.values()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut App> {
        self.0.values_mut()
    }
}

impl Index<AppIndex> for Apps {
    type Output = App;

    fn index(&self, app: AppIndex) -> &App {
        &self.0[&app]
    }
}

impl IndexMut<AppIndex> for Apps {
    fn index_mut(&mut self, app: AppIndex) -> &mut App {
        self.0.get_mut(&app).expect("whoever names an app has it from the plan, or was checked")
    }
}
