use proptest::prelude::*;

use super::super::parse;
use super::EVERY_KEY;

/// Parses, and shows what is wrong in every way.
fn parse_and_show(text: &str) {
    if let Err(error) = parse(text) {
        assert!(!error.mistakes().is_empty());
        for mistake in error.mistakes() {
            assert!(text.get(mistake.span()).is_some());
            assert!(mistake.line() >= 1 && mistake.line() <= text.matches('\n').count() + 1);
        }
        assert!(error.mistakes().is_sorted_by_key(|mistake| mistake.span().start));
        assert!(error.render("drover.toml", text, false).contains("drover.toml:"));
        assert!(error.render("drover.toml", text, true).contains("drover.toml:"));
    }
}

/// What a mutation puts in: pieces that mean something to TOML or to a section.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        prop::sample::select(vec![
            "\"",
            "'",
            "\"\"\"",
            "[",
            "]",
            "[[",
            "]]",
            "{",
            "}",
            "=",
            ".",
            ",",
            "\n",
            "\r\n",
            "#",
            "\\",
            "0",
            "-1",
            "1.5",
            "inf",
            "true",
            "\"auto\"",
            "\"30s\"",
            "\"unix:\"",
            "app",
            "version = 1",
            "[app.x]",
            "ä",
            "\u{0}",
            "\u{1b}",
            "1979-05-27",
            "99999999999999999999",
            "\\u0000",
            "\u{feff}",
            "\u{202e}",
            "\t",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

fn cut(text: &str, at: usize) -> usize {
    let at = at % (text.len() + 1);
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        parse_and_show(&text);
    }

    #[test]
    fn no_heap_of_pieces_panics(pieces in prop::collection::vec(piece(), 0..20)) {
        parse_and_show(&pieces.concat());
    }

    #[test]
    fn no_mutation_of_a_valid_file_panics(
        edits in prop::collection::vec((any::<usize>(), 0..12_usize, piece()), 1..5)
    ) {
        let mut text = EVERY_KEY.to_owned();
        for (at, length, piece) in edits {
            let start = cut(&text, at);
            let end = (start + length..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
            text.replace_range(start..end, &piece);
        }
        parse_and_show(&text);
    }

    #[test]
    fn any_value_under_any_key_is_read_or_told(
        line in 0..EVERY_KEY.lines().count(),
        value in "(0|-1|1\\.5|inf|true|'[a-z0-9:]{0,6}'|\\[\\]|\\['', 1\\]|\\{\\}|\\{ a = 1 \\})",
    ) {
        let text: Vec<String> = EVERY_KEY.lines().enumerate().map(|(number, text)| {
            match text.split_once(" = ") {
                Some((key, _)) if number == line => format!("{key} = {value}"),
                _ => text.to_owned(),
            }
        }).collect();
        parse_and_show(&text.join("\n"));
    }
}

#[test]
fn a_valid_file_cut_off_anywhere_does_not_panic() {
    for (end, _) in EVERY_KEY.char_indices() {
        parse_and_show(&EVERY_KEY[..end]);
    }
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    let deep = format!("x = {}", "[".repeat(100_000));
    parse_and_show(&deep);
    let dotted = format!("{}x = 1", "a.".repeat(10_000));
    parse_and_show(&dotted);
}
