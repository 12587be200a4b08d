//! Names: of the master, of apps, of sockets.

/// Says what is wrong with a name, if anything is: the message's end and what to do.
///
/// A name becomes part of `app/slot` and `app@id`, of file names and of the colon-separated `LISTEN_FDNAMES`, so
/// it keeps to characters that mean nothing there.
pub fn name_fault(name: &str) -> Option<(String, &'static str)> {
    if name.is_empty() {
        return Some(("is empty".to_owned(), "use letters, digits, `-`, `_` and `.`"));
    }
    let stranger = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    if let Some(stranger) = stranger {
        let shown = if stranger.is_control() { stranger.escape_debug().to_string() } else { stranger.into() };
        let fault = format!("contains `{shown}`");
        return Some((fault, "use ASCII letters, digits, `-`, `_` and `.`"));
    }
    (name.len() > LONGEST).then(|| (format!("is {} bytes long", name.len()), "use at most 64 bytes"))
}

/// The longest name, in bytes: with `.sock` and a directory it must fit the 107 bytes of a socket's path.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_harmless_characters() {
        for name in ["web", "a", "Web-2_b.c", "7", &"x".repeat(64)] {
            assert_eq!(name_fault(name), None, "{name}");
        }
        for (name, end) in [
            ("", "is empty"),
            ("a b", "contains ` `"),
            ("web:2", "contains `:`"),
            ("a/b", "contains `/`"),
            ("wéb", "contains `é`"),
            ("a\u{1b}", "contains `\\u{1b}`"),
            (&"x".repeat(65), "is 65 bytes long"),
        ] {
            assert_eq!(name_fault(name).map(|(end, _)| end).as_deref(), Some(end), "{name}");
        }
    }
}
