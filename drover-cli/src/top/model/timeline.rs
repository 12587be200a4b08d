//! Lines and events on one axis of time: what is kept of them, and which part is looked at.

use std::collections::VecDeque;

use drover_master::{Colours, Readable};
use drover_proto::latest::{Event, LogLine, Phase};

use super::level::LineLevel;
use super::pattern::Pattern;
use super::place::Place;
use crate::output::word;

/// Lines and events that are kept: some hundred screens, and a few megabytes with lines as long as the longest.
const LINES: usize = 4000;
const EVENTS: usize = 1000;

/// Of a longer line the rest is on no screen.
const LONGEST: usize = 1000;

/// When something was, and its number among all that came: what tells one entry from every other, and their order.
pub(crate) type Mark = (u64, u64);

/// A line or an event.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) mark: Mark,
    pub(crate) app: String,
    pub(crate) slot: Option<u32>,
    pub(crate) text: String,
    pub(crate) what: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Line(Option<LineLevel>),
    Event { is_failure: bool },
    Missed,
}

/// All that is kept, and where it is looked at.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    lines: VecDeque<Entry>,
    events: VecDeque<Entry>,
    count: u64,
    /// The last entry that is shown; none while the newest one is.
    pub(crate) bottom: Option<Mark>,
    /// How many characters of each text are left of the screen.
    pub(crate) shift: usize,
    /// Whether a text that is wider than the screen goes on in the next row.
    pub(crate) wraps: bool,
    /// The entry that the search stands on.
    pub(crate) hit: Option<Mark>,
    pub(crate) search: Pattern,
    pub(crate) filter: Pattern,
}

/// Which entries are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) about: Option<&'a Place>,
    /// Lines and events, or events alone.
    pub(crate) has_lines: bool,
}

impl Timeline {
    pub(crate) fn line(&mut self, line: &LogLine) {
        let bytes = Colours::Stripped.line(&line.text);
        let whole = String::from_utf8_lossy(&bytes);
        let level = LineLevel::of_line(&whole);
        let text = Readable(&whole.replace('\t', "    ")).to_string();
        let entry = self.entry(line.time_ms, &line.app, Some(line.slot), text, EntryKind::Line(level));
        push(&mut self.lines, entry, LINES);
    }

    pub(crate) fn lines_missed(&mut self, count: u64, at: u64) {
        let entry = self.entry(at, "", None, format!("{count} lines were missed"), EntryKind::Missed);
        push(&mut self.lines, entry, LINES);
    }

    /// Lines of others come from now on.
    pub(crate) fn clear_lines(&mut self) {
        self.lines.clear();
        (self.bottom, self.hit, self.shift) = (None, None, 0);
    }

    pub(crate) fn event(&mut self, event: &Event) {
        let detail = match event.detail.is_empty() {
            true => String::new(),
            false => format!(": {}", Readable(&event.detail)),
        };
        let text = format!("{}{detail}", word::of_event(&event.name));
        let is_failure = matches!(event.phase(), Phase::Failed | Phase::BackingOff)
            || matches!(&*event.name, "gave_up" | "deadline_missed" | "rolled_back" | "unready");
        let entry = self.entry(event.time_ms, &event.app, event.slot, text, EntryKind::Event { is_failure });
        push(&mut self.events, entry, EVENTS);
    }

    pub(crate) fn events_missed(&mut self, count: u64, at: u64) {
        let entry = self.entry(at, "", None, format!("{count} events were missed"), EntryKind::Missed);
        push(&mut self.events, entry, EVENTS);
    }

    fn entry(&mut self, time: u64, app: &str, slot: Option<u32>, mut text: String, what: EntryKind) -> Entry {
        self.count += 1;
        if let Some((at, _)) = text.char_indices().nth(LONGEST) {
            text.truncate(at);
            text.push('…');
        }
        Entry { mark: (time, self.count), app: app.to_owned(), slot, text, what }
    }

    /// What is looked at, the oldest first.
    pub(crate) fn shown(&self, look: Look<'_>) -> Vec<&Entry> {
        let lines = self.lines.iter().filter(|_| look.has_lines);
        let events = self.events.iter();
        let is_wanted = |entry: &&Entry| {
            look.about.is_none_or(|place| place.concerns(&entry.app, entry.slot))
                && (self.filter.is_empty() || !self.filter.is_valid() || self.filter.is_in(&entry.text))
        };
        let mut shown: Vec<&Entry> = lines.chain(events).filter(is_wanted).collect();
        shown.sort_by_key(|entry| entry.mark);
        shown
    }

    /// How many of those that are shown are above the lower edge, and how many came since below it.
    pub(crate) fn edge(&self, shown: &[&Entry], height: usize) -> (usize, usize) {
        let height = self.least(height);
        let above = match self.bottom {
            None => shown.len(),
            // What stood there may be gone by now.
            Some(mark) => shown.partition_point(|entry| entry.mark <= mark).max(height.min(shown.len())),
        };
        (above, shown.len() - above)
    }

    /// How many entries stay above the edge: those of a screen; or one, which may fill the screen alone.
    fn least(&self, height: usize) -> usize {
        if self.wraps { height.min(1) } else { height }
    }

    /// Moves the lower edge by some rows; at the newest entry it follows again.
    pub(crate) fn scroll(&mut self, look: Look<'_>, rows: isize, height: usize) {
        let shown = self.shown(look);
        let (above, _) = self.edge(&shown, height);
        let to = above.saturating_add_signed(rows).max(self.least(height).min(shown.len()));
        self.bottom = if to >= shown.len() { None } else { shown.get(to - 1).map(|entry| entry.mark) };
    }

    /// Moves the texts sideways, as far as the longest may be.
    pub(crate) const fn shift(&mut self, characters: isize) {
        let shift = self.shift.saturating_add_signed(characters);
        self.shift = if shift > LONGEST { LONGEST } else { shift };
    }

    /// To the newest entry, and those that come.
    pub(crate) const fn follow(&mut self) {
        (self.bottom, self.hit) = (None, None);
    }

    /// Searches for another pattern: for the newest match above the lower edge, while it is typed.
    pub(crate) fn seek(&mut self, look: Look<'_>, typed: &str, height: usize) {
        self.search = Pattern::new(typed);
        let found = {
            let shown = self.shown(look);
            let (above, _) = self.edge(&shown, height);
            let matching = |at: &usize| self.search.is_in(&shown[*at].text);
            (0..above).rev().find(matching).or_else(|| (above..shown.len()).find(matching))
        };
        self.go(look, found, height);
    }

    /// To the next match, older or newer, around the ends.
    pub(crate) fn next(&mut self, look: Look<'_>, is_newer: bool, height: usize) {
        let found = {
            let shown = self.shown(look);
            let (above, _) = self.edge(&shown, height);
            let from = match self.hit {
                Some(mark) => shown.partition_point(|entry| entry.mark < mark),
                None => above.saturating_sub(1),
            };
            let matching = |at: &usize| self.search.is_in(&shown[*at].text);
            match is_newer {
                true => (from + 1..shown.len()).chain(0..=from).find(|at| *at < shown.len() && matching(at)),
                false => (0..from.min(shown.len())).rev().chain((from..shown.len()).rev()).find(matching),
            }
        };
        self.go(look, found, height);
    }

    fn go(&mut self, look: Look<'_>, found: Option<usize>, height: usize) {
        let Some(at) = found else {
            self.hit = None;
            return;
        };
        let shown = self.shown(look);
        let hit = shown[at].mark;
        let (above, _) = self.edge(&shown, height);
        let is_visible = at < above && at + height >= above;
        // Where it is on the screen already, that stands still.
        let edge = match is_visible {
            // What is below it may need all rows.
            _ if self.wraps => at + 1,
            true => above,
            false => (at + height / 2 + 1).max(height).min(shown.len()),
        };
        self.bottom = shown.get(edge - 1).map(|entry| entry.mark);
        self.hit = Some(hit);
    }
}

fn push(entries: &mut VecDeque<Entry>, entry: Entry, most: usize) {
    if entries.len() == most {
        entries.pop_front();
    }
    entries.push_back(entry);
}
