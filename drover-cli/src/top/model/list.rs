//! The list of apps and workers: which rows it has, and in which order.

use std::collections::HashMap;

use drover_proto::latest::{AppStatus, Phase, StatusReply, WorkerStatus};

use super::pattern::Pattern;
use super::place::Place;
use crate::output::word;

/// Apps with more workers than this are folded until somebody opens them.
const FOLDS_ABOVE: usize = 12;

/// So many workers of a folded app are shown that are not as they should be.
const FAILURES: usize = 5;

/// A row of the list.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ListRow<'a> {
    App { app: &'a AppStatus, is_open: bool },
    Worker { app: &'a AppStatus, worker: &'a WorkerStatus },
}

impl ListRow<'_> {
    pub(crate) fn place(&self) -> Place {
        match self {
            Self::App { app, .. } => Place { app: app.name.clone(), worker: None },
            Self::Worker { app, worker } => {
                Place { app: app.name.clone(), worker: Some((worker.slot, worker.role())) }
            }
        }
    }
}

/// What is selected, and which apps were opened or closed by hand.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) selected: Option<Place>,
    opened: HashMap<String, bool>,
    /// Only apps and workers whose name or state has this in it; all, if it is empty or no expression yet.
    pub(crate) narrow: Pattern,
    /// Where the selection was last, for what takes its place.
    last: usize,
}

/// How urgently it has to be seen; 3 is nothing to worry about.
pub(crate) fn urgency(worker: &WorkerStatus) -> u8 {
    match worker.phase() {
        Phase::Failed => 0,
        Phase::BackingOff => 1,
        Phase::Started if !worker.unready.is_empty() => 2,
        _ => 3,
    }
}

fn urgency_of_app(app: &AppStatus) -> u8 {
    match app.phase() {
        Phase::Failed => 0,
        _ => app.workers.iter().map(urgency).min().unwrap_or(3),
    }
}

impl List {
    pub(crate) fn is_open(&self, app: &AppStatus) -> bool {
        self.opened.get(&app.name).copied().unwrap_or(app.workers.len() <= FOLDS_ABOVE)
    }

    pub(crate) fn open(&mut self, app: &str, is_open: bool) {
        self.opened.insert(app.to_owned(), is_open);
    }

    /// Failures first; else as the master has them.
    pub(crate) fn rows<'a>(&self, status: &'a StatusReply) -> Vec<ListRow<'a>> {
        let mut apps: Vec<&AppStatus> = status.apps.iter().collect();
        apps.sort_by_key(|app| urgency_of_app(app));
        let mut rows = Vec::new();
        for app in apps {
            // An app that matches itself is shown as always.
            let is_whole = self.is_wanted(&app.name, word::of_app(app));
            let is_named = |worker: &WorkerStatus| {
                is_whole || self.is_wanted(&format!("{}/{}", app.name, worker.slot), word::of_worker(worker))
            };
            if !is_whole && !app.workers.iter().any(is_named) {
                continue;
            }
            // What was looked for among many is not folded away.
            let is_open = self.is_open(app) || !is_whole;
            rows.push(ListRow::App { app, is_open });
            let mut workers: Vec<&WorkerStatus> =
                app.workers.iter().filter(|worker| is_named(worker)).collect();
            workers.sort_by_key(|worker| (urgency(worker), worker.slot));
            let most = if is_open { workers.len() } else { FAILURES };
            let is_shown = |worker: &&WorkerStatus| is_open || urgency(worker) < 3;
            rows.extend(
                workers.into_iter().filter(is_shown).take(most).map(|worker| ListRow::Worker { app, worker }),
            );
        }
        rows
    }

    fn is_wanted(&self, name: &str, state: &str) -> bool {
        let narrow = &self.narrow;
        narrow.is_empty() || !narrow.is_valid() || narrow.is_in(name) || narrow.is_in(state)
    }

    /// Where the selection is among the rows.
    pub(crate) fn at(&self, rows: &[ListRow<'_>]) -> Option<usize> {
        rows.iter().position(|row| Some(row.place()) == self.selected)
    }

    /// Selects something that is there: what was selected; or another in the same slot, its app, or what is in its place.
    pub(crate) fn settle(&mut self, status: &StatusReply) {
        let rows = self.rows(status);
        let same_slot = |row: &ListRow<'_>| {
            let (place, selected) = (row.place(), self.selected.as_ref());
            selected.is_some_and(|selected| {
                place.app == selected.app
                    && place.worker.map(|(slot, _)| slot) == selected.worker.map(|(slot, _)| slot)
            })
        };
        let same_app = |row: &ListRow<'_>| {
            self.selected.as_ref().is_some_and(|selected| row.place().app == selected.app)
        };
        let found = self.at(&rows);
        let found = found.or_else(|| rows.iter().position(same_slot));
        let found = found.or_else(|| rows.iter().position(same_app));
        self.select(&rows, found.unwrap_or(self.last));
    }

    /// Moves by some rows.
    pub(crate) fn move_by(&mut self, status: &StatusReply, rows: isize) {
        let all = self.rows(status);
        let at = self.at(&all).unwrap_or(self.last);
        self.select(&all, at.saturating_add_signed(rows));
    }

    fn select(&mut self, rows: &[ListRow<'_>], at: usize) {
        self.last = at.min(rows.len().saturating_sub(1));
        self.selected = rows.get(self.last).map(ListRow::place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str, phases: &[Phase]) -> AppStatus {
        let worker = |(slot, phase): (usize, &Phase)| WorkerStatus {
            slot: u32::try_from(slot).unwrap(),
            phase: (*phase).into(),
            ..Default::default()
        };
        AppStatus {
            name: name.into(),
            phase: Phase::Started.into(),
            workers: phases.iter().enumerate().map(worker).collect(),
            ..Default::default()
        }
    }

    fn names(list: &List, status: &StatusReply) -> String {
        let rows = list.rows(status);
        rows.iter().map(|row| row.place().name()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn failures_float_up_and_what_is_selected_stays_so() {
        use Phase::{BackingOff, Failed, Started};
        let mut status = StatusReply {
            apps: vec![app("web", &[Started, Started]), app("mail", &[Started, Started])],
            ..Default::default()
        };
        let mut list = List::default();
        list.settle(&status);
        assert_eq!(names(&list, &status), "web web/0 web/1 mail mail/0 mail/1");
        list.move_by(&status, 1);
        status.apps[1] = app("mail", &[BackingOff, Failed]);
        list.settle(&status);
        assert_eq!(names(&list, &status), "mail mail/1 mail/0 web web/0 web/1");
        assert_eq!(list.selected.as_ref().unwrap().name(), "web/0");
        status.apps.remove(0);
        list.settle(&status);
        assert_eq!(list.selected.as_ref().unwrap().name(), "mail/0");
        list.settle(&StatusReply::default());
        assert_eq!(list.selected, None);
    }

    #[test]
    fn a_large_app_is_folded_to_what_is_wrong_with_it_until_it_is_opened() {
        let mut phases = [Phase::Started; 40];
        phases[17] = Phase::Failed;
        let status = StatusReply { apps: vec![app("web", &phases)], ..Default::default() };
        let mut list = List::default();
        assert_eq!(names(&list, &status), "web web/17");
        list.open("web", true);
        assert_eq!(list.rows(&status).len(), 41);
        list.open("web", false);
        assert_eq!(list.rows(&status).len(), 2);
    }

    #[test]
    fn a_narrowed_list_has_what_matches_by_name_or_state_with_its_app() {
        use Phase::{BackingOff, Started};
        let apps =
            vec![app("web", &[Started, BackingOff]), app("mail", &[Started; 20]), app("webmail", &[Started])];
        let status = StatusReply { apps, ..Default::default() };
        for (typed, expected) in [
            ("", "web web/1 web/0 mail webmail webmail/0"),
            ("backing", "web web/1"),
            ("^mail", "mail"),
            ("mail/1[78]", "mail mail/17 mail/18"),
            ("web", "web web/1 web/0 webmail webmail/0"),
            ("nothing", ""),
            ("(", "web web/1 web/0 mail webmail webmail/0"),
        ] {
            let mut list = List { narrow: Pattern::new(typed), ..List::default() };
            assert_eq!(names(&list, &status), expected, "{typed}");
            list.settle(&status);
            assert_eq!(list.selected.is_none(), expected.is_empty(), "{typed}");
        }
    }
}
