//! What lines are searched for.

use regex::{Regex, RegexBuilder};

/// How large a compiled pattern may get: what fingers type is far below, and a screen must not wait for one.
const LARGEST: usize = 1 << 20;

/// A regular expression as it was typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pattern {
    pub(crate) typed: String,
    regex: Option<Regex>,
}

impl Pattern {
    /// Capitals in it make it tell small letters from capitals. What is not an expression (yet) matches nothing.
    pub(crate) fn new(typed: &str) -> Self {
        let has_capitals = typed.chars().any(char::is_uppercase);
        let regex = RegexBuilder::new(typed).case_insensitive(!has_capitals).size_limit(LARGEST).build();
        let regex = regex.ok().filter(|_| !typed.is_empty());
        Self { typed: typed.to_owned(), regex }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.typed.is_empty()
    }

    /// Whether it can be searched for.
    pub(crate) const fn is_valid(&self) -> bool {
        self.regex.is_some() || self.typed.is_empty()
    }

    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.regex.as_ref().is_some_and(|regex| regex.is_match(text))
    }

    /// Where it is in a text, in bytes.
    pub(crate) fn places(&self, text: &str) -> Vec<(usize, usize)> {
        let found = self.regex.iter().flat_map(|regex| regex.find_iter(text));
        found.map(|found| (found.start(), found.end())).filter(|(start, end)| start < end).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_count_where_some_are_typed_and_what_is_half_typed_matches_nothing() {
        for (typed, text, places) in [
            ("err", "an ERR or error", vec![(3, 6), (10, 13)]),
            ("Err", "an ERR or Error", vec![(10, 13)]),
            ("(", "an (", vec![]),
            ("", "anything", vec![]),
            ("x*", "axx", vec![(1, 3)]),
        ] {
            let pattern = Pattern::new(typed);
            assert_eq!(pattern.places(text), places, "{typed}");
            assert_eq!(pattern.is_valid(), typed != "(");
        }
    }
}
