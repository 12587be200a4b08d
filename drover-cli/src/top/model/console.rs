//! The state of the view. It changes by inputs alone, which bring their time along.

use std::collections::HashMap;

use drover_proto::latest::{DescribeReply, StatusReply};

use super::input::{Clock, Input, Use, Wanted};
use super::list::List;
use super::order::Order;
use super::reload::Replacements;
use super::timeline::{Look, Timeline};

/// What is shown below the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Pane {
    /// Lines and events.
    #[default]
    Logs,
    Events,
    /// How the selected worker ended before.
    Ends,
    /// Which worker replaces which.
    Reload,
}

impl Pane {
    pub(crate) const ALL: [Self; 4] = [Self::Logs, Self::Events, Self::Ends, Self::Reload];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Events => "events",
            Self::Ends => "ends",
            Self::Reload => "reload",
        }
    }
}

/// What keys go to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Focus {
    /// The list, or the pane.
    #[default]
    Look,
    /// A pattern is typed; what was there before comes back where it is given up.
    Search {
        before: String,
    },
    Filter {
        before: String,
    },
    /// The same for the list.
    Narrow {
        before: String,
    },
    /// An order waits to be confirmed.
    Confirm(Order),
    /// The keys are shown.
    Help,
}

/// All there is to show.
#[derive(Debug, Default)]
pub(crate) struct Console {
    /// Only these apps; all, if empty.
    pub(crate) apps: Vec<String>,
    pub(crate) is_read_only: bool,
    pub(crate) status: Option<StatusReply>,
    /// When that was.
    pub(crate) told_at: u64,
    /// Whether something has happened since.
    pub(crate) is_stale: bool,
    pub(crate) used: HashMap<u32, Use>,
    pub(crate) now: Clock,
    pub(crate) list: List,
    pub(crate) timeline: Timeline,
    /// The number of the following whose lines are taken.
    pub(crate) following: u64,
    pub(crate) evidence: Option<(String, DescribeReply)>,
    pub(crate) replacements: Replacements,
    pub(crate) pane: Pane,
    pub(crate) is_pane_focused: bool,
    /// How many rows of a pane without time are above it.
    pub(crate) skipped: usize,
    /// Whether the pane has the whole screen.
    pub(crate) is_zoomed: bool,
    pub(crate) focus: Focus,
    /// What came of the last order.
    pub(crate) told: Option<String>,
    /// Why there is no news.
    pub(crate) lost: Option<String>,
    pub(crate) size: (u16, u16),
}

impl Console {
    /// Nothing is known yet.
    pub(crate) fn new(apps: Vec<String>, is_read_only: bool, size: (u16, u16)) -> Self {
        Self { apps, is_read_only, size, ..Self::default() }
    }

    /// Takes in what happened. A key may ask for something.
    pub(crate) fn apply(&mut self, input: Input, now: Clock) -> Option<super::input::Act> {
        self.now = now;
        match input {
            Input::Status(status) => self.status(status),
            Input::Event(event) => {
                self.is_stale = true;
                if self.is_shown(&event.app) {
                    self.replacements.event(&event);
                    self.timeline.event(&event);
                }
            }
            Input::EventsMissed(count) => {
                self.is_stale = true;
                self.timeline.events_missed(count, now.wall);
            }
            Input::Line(following, line) if following == self.following => self.timeline.line(&line),
            Input::LinesMissed(following, count) if following == self.following => {
                self.timeline.lines_missed(count, now.wall);
            }
            Input::Line(..) | Input::LinesMissed(..) | Input::TimePassed => {}
            Input::LinesBegin(following) => {
                self.following = following;
                self.timeline.clear_lines();
            }
            Input::Used(used) => self.used = used,
            Input::Evidence(name, reply) => self.evidence = Some((name, reply)),
            Input::Told(text) => self.told = Some(text),
            Input::Lost(why) => self.lost = Some(why),
            Input::Found => {
                // Another master counts its events anew.
                self.lost = None;
                self.is_stale = true;
            }
            Input::Resized(columns, rows) => self.size = (columns, rows),
            Input::Pressed(key) => return self.press(key),
        }
        None
    }

    fn status(&mut self, mut status: StatusReply) {
        status.apps.retain(|app| self.is_shown(&app.name));
        self.list.settle(&status);
        self.status = Some(status);
        self.told_at = self.now.steady;
        self.is_stale = false;
    }

    fn is_shown(&self, app: &str) -> bool {
        self.apps.is_empty() || app.is_empty() || self.apps.iter().any(|shown| shown == app)
    }

    /// How much older everything is than when the status was told.
    pub(crate) const fn age(&self) -> u64 {
        self.now.steady.saturating_sub(self.told_at)
    }

    /// What has to be known for what is shown.
    pub(crate) fn wanted(&self) -> Wanted {
        let selected = self.list.selected.as_ref();
        let lines = match self.pane {
            Pane::Logs if self.is_pane_shown() => selected.map(super::place::Place::name),
            _ => None,
        };
        let workers = || self.status.iter().flat_map(|status| &status.apps).flat_map(|app| &app.workers);
        let evidence =
            selected.filter(|_| self.pane == Pane::Ends && self.is_pane_shown()).and_then(|place| {
                let (slot, role) = place.worker?;
                let app = self.status.as_ref()?.apps.iter().find(|app| app.name == place.app)?;
                let worker =
                    app.workers.iter().find(|worker| (worker.slot, worker.role()) == (slot, role))?;
                Some((place.name(), worker.id, worker.restarts))
            });
        Wanted {
            lines,
            evidence,
            status: self.is_stale,
            in_flight: workers().any(|worker| worker.in_flight.is_some()),
        }
    }

    /// Below a certain height there is room for one of list and pane.
    pub(crate) const fn is_pane_shown(&self) -> bool {
        self.is_zoomed || self.size.1 >= 14
    }

    /// How many rows the pane has for its text: what the list, the head, the pane's title and the foot leave.
    pub(crate) fn pane_height(&self) -> usize {
        let rows = usize::from(self.size.1);
        if self.is_pane_shown() { rows.saturating_sub(self.list_height() + 3) } else { 0 }
    }

    /// How many rows the list has, with its head: with a pane below it, half of them at most, and no more than it needs.
    pub(crate) fn list_height(&self) -> usize {
        let rows = usize::from(self.size.1).saturating_sub(2);
        let needed = || self.status.as_ref().map_or(0, |status| self.list.rows(status).len()) + 1;
        match (self.is_zoomed, self.is_pane_shown()) {
            (true, _) => 0,
            (false, true) => needed().clamp(4, rows / 2),
            (false, false) => rows,
        }
    }

    /// Which entries of the timeline the pane shows.
    pub(crate) const fn look(&self) -> Look<'_> {
        Look { about: self.list.selected.as_ref(), has_lines: matches!(self.pane, Pane::Logs) }
    }
}
