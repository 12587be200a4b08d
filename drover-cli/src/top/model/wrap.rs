//! Texts that are wider than the screen.

/// The rows of a text: broken between words where that leaves no row half empty, each after the first one indented.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    // Nothing can be read on a screen that is not wider.
    let width = width.max(8);
    let (mut rows, mut rest) = (Vec::new(), text.to_owned());
    while let Some((end, _)) = rest.char_indices().nth(width) {
        let row = &rest[..end];
        let word = row
            .rfind(' ')
            .filter(|at| row[*at..].chars().count() <= width / 2 && !row[..*at].trim().is_empty());
        let cut = word.unwrap_or(end);
        let after = format!("  {}", rest[cut..].trim_start());
        rest.truncate(cut);
        rows.push(std::mem::replace(&mut rest, after));
    }
    rows.push(rest);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_between_words_or_where_the_screen_ends() {
        for (text, rows) in [
            ("short", &["short"][..]),
            ("one two three four", &["one two", "  three", "  four"]),
            ("abcdefghijklmnopqrst", &["abcdefghij", "  klmnopqr", "  st"]),
            ("", &[""]),
        ] {
            assert_eq!(wrapped(text, 10), rows, "{text}");
        }
    }
}
