//! Texts of the program itself.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::Written;

/// How many different ones are kept. A program has some tens of them; a state that has more is broken.
const MOST: usize = 1024;

/// How long one may be, in bytes. They are words and clauses.
const LONGEST: usize = 400;

static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

impl Written for &'static str {
    type Form = String;

    fn form(&self) -> String {
        (*self).to_owned()
    }

    /// Each different one stays in memory once.
    fn of_form(form: String) -> Result<Self, String> {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = known.get(form.as_str()) {
            return Ok(text);
        }
        if known.len() == MOST || form.len() > LONGEST {
            return Err("this is not a text of the program".to_owned());
        }
        let text: Self = Box::leak(form.into_boxed_str());
        known.insert(text);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_read_twice_is_kept_once() {
        let read = || <&str>::of_form("kept once".to_owned()).unwrap();
        assert_eq!((read(), read().as_ptr()), ("kept once", read().as_ptr()));
        assert!(<&str>::of_form("x".repeat(LONGEST + 1)).is_err());
    }
}
