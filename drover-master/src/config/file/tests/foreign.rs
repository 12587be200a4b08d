//! The words of other process managers beside the keys that there are.

use super::{EVERY_KEY, asked};
use crate::config::text::foreign::{APP, RESTART, ROOT, SOCKET, START, STOP};

#[test]
fn every_answer_names_a_key_that_exists() {
    let known = asked(EVERY_KEY);
    for (prefix, table) in [
        ("", ROOT),
        ("app.*.", APP),
        ("app.*.stop.", STOP),
        ("app.*.start.", START),
        ("app.*.restart.", RESTART),
        ("sockets.*.", SOCKET),
    ] {
        for (words, answer) in table {
            if let Some(key) = answer.key() {
                let path = format!("{prefix}{key}");
                assert!(known.contains(&path), "{path}, the answer to {words:?}");
            }
        }
    }
}

#[test]
fn no_foreign_word_is_one_of_ours() {
    let known = asked(EVERY_KEY);
    for (prefix, table) in [("app.*.", APP), ("app.*.stop.", STOP), ("sockets.*.", SOCKET)] {
        for word in table.iter().flat_map(|(words, _)| *words) {
            assert!(!known.contains(&format!("{prefix}{word}")), "{word}");
        }
    }
}
