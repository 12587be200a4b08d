//! Which apps and workers a client means.

use std::fmt;
use std::str::FromStr;

use glob::Pattern;

use crate::ids::{SlotIndex, WorkerId};

/// `APP`, `APP/SLOT` or `APP@ID`. In APP and SLOT `*`, `?` and `[abc]` stand for any that fit, as in a shell.
///
/// # Examples
///
/// ```
/// use drover_master::control::Name;
///
/// let name: Name = "web*/0".parse().unwrap();
/// assert!(name.matches_worker("web-2", 0, None));
/// assert!(!name.matches_worker("web-2", 1, None));
/// assert!(!name.is_of_apps());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    text: String,
    app: Pattern,
    part: Part,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// The app as a whole.
    Whole,
    /// Slots, whoever is in them.
    Slot(Pattern),
    /// One very worker.
    Worker(u64),
}

/// A text that names nothing: the client's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a name: {reason}; expected APP, APP/SLOT or APP@ID, where * ? [abc] stand for any that fit"
)]
pub struct NameError {
    text: String,
    reason: String,
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = |reason: String| NameError { text: text.to_owned(), reason };
        let pattern = |part: &str| {
            if part.is_empty() {
                return Err(wrong("a part of it is empty".to_owned()));
            }
            Pattern::new(part).map_err(|error| wrong(error.msg.to_owned()))
        };
        let (app, part) = if let Some((app, slot)) = text.split_once('/') {
            (app, Part::Slot(pattern(slot)?))
        } else if let Some((app, id)) = text.split_once('@') {
            let id = id.parse().map_err(|_| wrong(format!("`{id}` is not a worker's number")))?;
            (app, Part::Worker(id))
        } else {
            (text, Part::Whole)
        };
        Ok(Self { text: text.to_owned(), app: pattern(app)?, part })
    }
}

impl Name {
    /// Whether it means apps as a whole.
    pub const fn is_of_apps(&self) -> bool {
        matches!(self.part, Part::Whole)
    }

    /// Whether it may mean more than one: a pattern.
    pub fn is_pattern(&self) -> bool {
        self.text.contains(['*', '?', '['])
    }

    /// Whether it means one very worker, `APP@ID`.
    pub const fn is_by_number(&self) -> bool {
        matches!(self.part, Part::Worker(_))
    }

    /// The very worker that is meant, if one is.
    pub(crate) const fn worker(&self) -> Option<WorkerId> {
        match self.part {
            Part::Worker(id) => Some(WorkerId(id)),
            Part::Whole | Part::Slot(_) => None,
        }
    }

    /// The one slot that is meant, if one is.
    pub(crate) fn slot(&self) -> Option<SlotIndex> {
        match &self.part {
            Part::Slot(pattern) => pattern.as_str().parse().ok().map(SlotIndex),
            Part::Whole | Part::Worker(_) => None,
        }
    }

    /// Whether it means this app, or something of it.
    pub fn matches_app(&self, app: &str) -> bool {
        self.app.matches(app)
    }

    /// Whether it means this slot, or its worker: as such, or as a part of its app.
    pub fn matches_worker(&self, app: &str, slot: u32, id: Option<u64>) -> bool {
        self.matches_app(app)
            && match &self.part {
                Part::Whole => true,
                Part::Slot(pattern) => pattern.matches(&slot.to_string()),
                Part::Worker(worker) => id == Some(*worker),
            }
    }

    pub(crate) fn matches(&self, app: &str, slot: SlotIndex, id: Option<WorkerId>) -> bool {
        self.matches_worker(app, slot.0, id.map(|id| id.0))
    }
}

/// The name as it was typed.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_means_what_it_says() {
        for (text, app, slot, id, meant) in [
            ("web", "web", 3, Some(9), true),
            ("web", "webs", 0, None, false),
            ("w*", "web", 3, None, true),
            ("*", "anything", 0, None, true),
            ("web/3", "web", 3, None, true),
            ("web/3", "web", 33, None, false),
            ("web/*", "web", 33, None, true),
            ("web/[12]", "web", 2, None, true),
            ("web/?", "web", 12, None, false),
            ("web@9", "web", 3, Some(9), true),
            ("web@9", "web", 9, Some(3), false),
            ("web@9", "web", 9, None, false),
            ("w*@9", "web", 0, Some(9), true),
        ] {
            assert_eq!(name(text).matches_worker(app, slot, id), meant, "{text} and {app}/{slot}@{id:?}");
        }
        assert!(name("web").is_of_apps() && !name("web/*").is_of_apps());
    }

    #[test]
    fn what_names_nothing_says_why() {
        for (text, reason) in [
            ("", "a part of it is empty"),
            ("/1", "a part of it is empty"),
            ("web/", "a part of it is empty"),
            ("web@x", "`x` is not a worker's number"),
            ("we[b", "invalid range pattern"),
        ] {
            let error = text.parse::<Name>().unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("expected APP"), "{error}");
        }
    }
}
