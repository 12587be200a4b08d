//! What keys do.

use super::console::{Console, Focus, Pane};
use super::input::Act;
use super::key::Key;
use super::order::{Order, OrderKind};
use super::past;
use super::pattern::Pattern;
use super::timeline::Look;

/// At most so many workers more or fewer at once: a key that repeats itself is not meant as a thousand.
const AT_ONCE: i32 = 64;

/// So many characters a long line moves at a press.
const SIDEWAYS: isize = 20;

/// A pattern that is longer is not typed by fingers.
const LONGEST_PATTERN: usize = 200;

impl Console {
    pub(super) fn press(&mut self, key: Key) -> Option<Act> {
        match key {
            Key::Ctrl('c') => return Some(Act::Quit),
            Key::Ctrl('z') => return Some(Act::Pause),
            Key::Ctrl('l') => return Some(Act::Repaint),
            _ => {}
        }
        match std::mem::take(&mut self.focus) {
            Focus::Look => return self.look_on(key),
            Focus::Help => {}
            Focus::Confirm(order) => return self.confirm(order, key),
            Focus::Search { before } => self.type_search(before, key),
            Focus::Filter { before } => self.type_filter(before, key),
            Focus::Narrow { before } => self.type_narrow(before, key),
        }
        None
    }

    fn look_on(&mut self, key: Key) -> Option<Act> {
        self.told = None;
        match key {
            Key::Char('q') => return Some(Act::Quit),
            Key::Char('?' | 'h') => self.focus = Focus::Help,
            Key::Char(digit @ '1'..='4') => {
                self.pane = Pane::ALL[digit as usize - '1' as usize];
                self.skipped = 0;
            }
            Key::Char('z') => self.is_zoomed = !self.is_zoomed,
            Key::Tab => self.is_pane_focused = !self.is_pane_focused,
            Key::Char('/') => self.begin_pattern(true),
            Key::Char('&') => self.begin_pattern(false),
            Key::Char('F') => {
                self.is_zoomed = false;
                self.focus = Focus::Narrow { before: std::mem::take(&mut self.list.narrow).typed };
                self.settle();
            }
            Key::Char('w') => self.timeline.wraps = !self.timeline.wraps,
            Key::Char('n') => self.next_match(true),
            Key::Char('N') => self.next_match(false),
            Key::Char('f') => self.timeline.follow(),
            Key::Escape => self.clear(),
            Key::Up | Key::Char('k') => self.move_by(-1),
            Key::Down | Key::Char('j') => self.move_by(1),
            Key::PageUp => self.move_by(-self.page()),
            Key::PageDown => self.move_by(self.page()),
            Key::Home | Key::Char('g') => self.move_by(isize::MIN),
            Key::End | Key::Char('G') => self.move_by(isize::MAX),
            Key::Enter => self.fold(None),
            Key::Right if self.is_pane_moved() => self.timeline.shift(SIDEWAYS),
            Key::Left if self.is_pane_moved() => self.timeline.shift(-SIDEWAYS),
            Key::Right => self.fold(Some(true)),
            Key::Left => self.fold(Some(false)),
            Key::Char(letter) => {
                if let Some(what) = OrderKind::of_key(letter) {
                    self.begin_order(what);
                }
            }
            Key::Ctrl(_) | Key::Backspace => {}
        }
        None
    }

    /// Gives up what narrows the view, one after the other.
    fn clear(&mut self) {
        if !self.timeline.search.is_empty() {
            self.timeline.search = Default::default();
            self.timeline.hit = None;
        } else if !self.timeline.filter.is_empty() {
            self.timeline.filter = Default::default();
        } else if !self.list.narrow.is_empty() {
            self.list.narrow = Default::default();
            self.settle();
        } else {
            self.timeline.follow();
            (self.is_zoomed, self.is_pane_focused) = (false, false);
        }
    }

    /// Whether the pane moves instead of the list.
    fn is_pane_moved(&self) -> bool {
        self.is_zoomed || (self.is_pane_focused && self.is_pane_shown())
    }

    fn page(&self) -> isize {
        let rows = if self.is_pane_moved() { self.pane_height() } else { self.list_height() };
        isize::try_from(rows.saturating_sub(1).max(1)).unwrap_or(1)
    }

    fn move_by(&mut self, rows: isize) {
        if self.is_pane_moved() && matches!(self.pane, Pane::Ends | Pane::Reload) {
            let most = past::rows(self).len().saturating_sub(self.pane_height());
            self.skipped = self.skipped.saturating_add_signed(rows).min(most);
        } else if self.is_pane_moved() {
            let height = self.pane_height();
            let selected = self.list.selected.clone();
            let look = Look { about: selected.as_ref(), has_lines: self.pane == Pane::Logs };
            self.timeline.scroll(look, rows, height);
        } else if let Some(status) = &self.status {
            let before = self.list.selected.clone();
            self.list.move_by(status, rows);
            if self.list.selected != before {
                self.timeline.follow();
                self.skipped = 0;
            }
        }
    }

    fn next_match(&mut self, is_newer: bool) {
        let (height, selected) = (self.pane_height(), self.list.selected.clone());
        let look = Look { about: selected.as_ref(), has_lines: self.pane == Pane::Logs };
        self.timeline.next(look, is_newer, height);
        self.tell_no_match();
    }

    fn tell_no_match(&mut self) {
        let search = &self.timeline.search;
        if self.timeline.hit.is_none() && !search.is_empty() {
            self.told = Some(format!("nothing here matches {}", search.typed));
        }
    }

    fn fold(&mut self, is_open: Option<bool>) {
        let (Some(place), Some(status)) = (self.list.selected.clone(), &self.status) else { return };
        let Some(app) = status.apps.iter().find(|app| app.name == place.app) else { return };
        let is_open = is_open.unwrap_or(place.worker.is_none() && !self.list.is_open(app));
        self.list.open(&place.app, is_open);
        if !is_open {
            // On a folded worker the selection would be nowhere.
            self.list.selected = Some(super::place::Place { worker: None, ..place });
        }
        self.list.settle(status);
    }

    fn begin_order(&mut self, what: OrderKind) {
        let Some(place) = &self.list.selected else { return };
        if self.is_read_only {
            self.told = Some("this view is read-only".to_owned());
            return;
        }
        let name = if what.is_of_apps() { place.app.clone() } else { place.name() };
        self.focus = Focus::Confirm(Order { what, name });
    }

    fn confirm(&mut self, mut order: Order, key: Key) -> Option<Act> {
        match (key, &mut order.what) {
            (Key::Char('y') | Key::Enter, _) => {
                self.told = Some(format!("{} …", order.line()));
                return Some(Act::Carry(order));
            }
            (Key::Char(sign @ ('+' | '-')), OrderKind::Scale(by)) => {
                let step = if sign == '+' { 1 } else { -1 };
                // From one more to one fewer: to add none is not an order.
                let next = if *by + step == 0 { step } else { *by + step };
                *by = next.clamp(-AT_ONCE, AT_ONCE);
                self.focus = Focus::Confirm(order);
            }
            (Key::Char('n' | 'q') | Key::Escape, _) => {}
            _ => self.focus = Focus::Confirm(order),
        }
        None
    }

    fn begin_pattern(&mut self, is_search: bool) {
        if !matches!(self.pane, Pane::Logs | Pane::Events) {
            self.pane = Pane::Logs;
        }
        if !self.is_pane_shown() {
            self.is_zoomed = true;
        }
        self.focus = match is_search {
            true => Focus::Search { before: std::mem::take(&mut self.timeline.search).typed },
            false => Focus::Filter { before: std::mem::take(&mut self.timeline.filter).typed },
        };
        self.timeline.hit = None;
    }

    fn type_search(&mut self, before: String, key: Key) {
        let typed = match edited(&self.timeline.search.typed, key) {
            Edit::Typed(typed) => {
                self.focus = Focus::Search { before };
                typed
            }
            Edit::Done => {
                self.is_pane_focused = true;
                self.tell_no_match();
                return;
            }
            Edit::GivenUp => before,
        };
        let (height, selected) = (self.pane_height(), self.list.selected.clone());
        let look = Look { about: selected.as_ref(), has_lines: self.pane == Pane::Logs };
        self.timeline.seek(look, &typed, height);
    }

    fn type_filter(&mut self, before: String, key: Key) {
        let typed = match edited(&self.timeline.filter.typed, key) {
            Edit::Typed(typed) => {
                self.focus = Focus::Filter { before };
                typed
            }
            Edit::Done => return,
            Edit::GivenUp => before,
        };
        self.timeline.filter = Pattern::new(&typed);
    }

    fn type_narrow(&mut self, before: String, key: Key) {
        let typed = match edited(&self.list.narrow.typed, key) {
            Edit::Typed(typed) => {
                self.focus = Focus::Narrow { before };
                typed
            }
            Edit::Done => return,
            Edit::GivenUp => before,
        };
        self.list.narrow = Pattern::new(&typed);
        self.settle();
    }

    /// Selects something that the list has now.
    fn settle(&mut self) {
        if let Some(status) = &self.status {
            let before = self.list.selected.clone();
            self.list.settle(status);
            if self.list.selected != before {
                self.timeline.follow();
                self.skipped = 0;
            }
        }
    }
}

enum Edit {
    Typed(String),
    Done,
    GivenUp,
}

fn edited(text: &str, key: Key) -> Edit {
    let mut text = text.to_owned();
    match key {
        Key::Enter => return Edit::Done,
        Key::Escape => return Edit::GivenUp,
        Key::Backspace if text.is_empty() => return Edit::GivenUp,
        Key::Backspace => drop(text.pop()),
        Key::Ctrl('u') => text.clear(),
        Key::Char(letter) if text.len() < LONGEST_PATTERN => text.push(letter),
        _ => {}
    }
    Edit::Typed(text)
}
