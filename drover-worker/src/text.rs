//! Text for people, cut to what is allowed.

/// Shortens `text` to at most `bytes`, between two characters.
pub(crate) fn cut(text: &mut String, bytes: usize) {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
}
