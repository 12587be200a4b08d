//! `app/slot | ` before each line, in a colour of the worker's own.

use std::fmt::Write as _;

use super::Colours;

/// Colours that can be told apart on dark and light ground: the six of the standard palette that are neither.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// What stands before each line of a worker.
pub(super) fn prefix(app: &str, slot: u32, colours: Colours) -> String {
    let mut prefix = String::with_capacity(app.len() + 16);
    // Neighbouring slots differ, and apps begin at different places.
    let start: usize = app.bytes().map(usize::from).sum();
    let written = if colours == Colours::Shown {
        let code = COLOURS[(start + slot as usize) % COLOURS.len()];
        write!(prefix, "\x1b[{code}m{app}/{slot} |\x1b[0m ")
    } else {
        write!(prefix, "{app}/{slot} | ")
    };
    written.expect("a String takes everything");
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_have_different_colours_and_none_without_a_terminal() {
        assert_eq!(prefix("web", 3, Colours::Kept), "web/3 | ");
        assert_ne!(prefix("web", 0, Colours::Shown)[..5], prefix("web", 1, Colours::Shown)[..5]);
    }
}
