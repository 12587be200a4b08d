//! Mistakes in a text: where, what and what to do; and how they are shown.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// One mistake in a `drover.toml`.
///
/// Its `Display` is one line: what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    message: String,
    help: Option<String>,
    span: Range<usize>,
    labels: Vec<(Range<usize>, String)>,
    line: usize,
    column: usize,
}

impl Mistake {
    fn new(text: &str, span: Range<usize>, message: String) -> Self {
        let span = within(text, &span);
        let before = &text[..span.start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            message,
            help: None,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            span,
            labels: Vec::new(),
        }
    }

    /// Adds what to do about it.
    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Points at a further place; the first label is of the mistake's own place if it has the same span.
    pub(crate) fn label(&mut self, span: Range<usize>, label: impl Into<String>) -> &mut Self {
        self.labels.push((span, label.into()));
        self
    }

    /// What is wrong, and in which key.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, if there is more to say than the message does.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The line it stands in, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The character of the line it begins at, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// The bytes of the text it covers.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    fn render(&self, level: Level<'_>, path: &str, text: &str, renderer: &Renderer) -> String {
        let mut own = AnnotationKind::Primary.span(within(text, &self.span));
        let mut snippet = Snippet::source(text).path(path);
        for (span, label) in &self.labels {
            if *span == self.span {
                own = own.label(label);
            } else {
                snippet = snippet.annotation(AnnotationKind::Context.span(within(text, span)).label(label));
            }
        }
        let mut group = level.primary_title(&self.message).element(snippet.annotation(own));
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Every mistake of a `drover.toml`; at least one.
///
/// Its `Display` has one line for each, with line and column; [`ParseError::render`] shows them in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    mistakes: Vec<Mistake>,
}

impl ParseError {
    /// The mistakes in file order.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// Shows every mistake in its line with a caret, as rustc does, and counts them if there are several.
    ///
    /// `path` is the file's name as the reader knows it, `text` what was parsed; `colour` adds terminal styles.
    /// The result ends without a newline.
    #[must_use]
    pub fn render(&self, path: &str, text: &str, colour: bool) -> String {
        let renderer = renderer(colour);
        let mut shown: Vec<String> =
            self.mistakes.iter().map(|mistake| mistake.render(Level::ERROR, path, text, &renderer)).collect();
        if shown.len() > 1 {
            shown.push(render_title(&format!("{} mistakes in {path}", shown.len()), colour));
        }
        shown.join("\n\n")
    }
}

impl ParseError {
    /// Shows what is not a mistake as one is shown, but as warnings.
    #[must_use]
    pub fn render_warnings(warnings: &[Mistake], path: &str, text: &str, colour: bool) -> String {
        let renderer = renderer(colour);
        let shown: Vec<String> =
            warnings.iter().map(|warning| warning.render(Level::WARNING, path, text, &renderer)).collect();
        shown.join("\n\n")
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}line {}, column {}: {mistake}", mistake.line, mistake.column)?;
        }
        Ok(())
    }
}

impl Error for ParseError {}

/// Where a key stands, and its value.
#[derive(Clone, Debug)]
pub(crate) struct KeyPlace {
    pub(crate) key_span: Range<usize>,
    pub(crate) span: Range<usize>,
    /// Those of an array, one by one.
    pub(crate) elements: Vec<Range<usize>>,
    pub(crate) is_text: bool,
    /// Whether its value is one that the key takes.
    pub(crate) is_right: bool,
}

/// The mistakes found so far in one text.
#[derive(Debug)]
pub(crate) struct Mistakes<'t> {
    text: &'t str,
    found: Vec<Mistake>,
    /// Where the keys stand that have been read, by their paths.
    places: HashMap<String, KeyPlace>,
    /// Where keys stand that are under every app.
    defaults: Vec<Range<usize>>,
    /// The keys that were asked for: those that there are.
    #[cfg(test)]
    pub(crate) asked: Vec<String>,
}

impl<'t> Mistakes<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            found: Vec::new(),
            places: HashMap::new(),
            defaults: Vec::new(),
            #[cfg(test)]
            asked: Vec::new(),
        }
    }

    /// Knows where keys stand that are under every app.
    pub(crate) fn with_defaults(self, defaults: Vec<Range<usize>>) -> Self {
        Self { defaults, ..self }
    }

    /// Whether this stands under every app.
    pub(crate) fn is_default(&self, span: &Range<usize>) -> bool {
        self.defaults.iter().any(|place| place.contains(&span.start))
    }

    /// What is wrong with a key under every app was noted for each: tells it once, and by its own name.
    pub(crate) fn tell_defaults_once(&mut self, apps: &[&str]) {
        let mut told: Vec<(Range<usize>, String)> = Vec::new();
        for mut mistake in std::mem::take(&mut self.found) {
            if self.is_default(&mistake.span) {
                for app in apps {
                    let path = format!("app.{}", key_shown(app));
                    let is_of_it =
                        |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || "_-".contains(c));
                    if let Some((before, rest)) =
                        mistake.message.split_once(&path).filter(|(_, rest)| is_of_it(rest))
                    {
                        mistake.message = format!("{before}defaults{rest}");
                        break;
                    }
                }
                let this = (mistake.span.clone(), mistake.message.clone());
                if told.contains(&this) {
                    continue;
                }
                told.push(this);
            }
            self.found.push(mistake);
        }
    }

    /// Notes a mistake; the answer takes its help and labels.
    pub(crate) fn add(&mut self, span: Range<usize>, message: impl Into<String>) -> &mut Mistake {
        let index = self.found.len();
        self.found.push(Mistake::new(self.text, span, message.into()));
        &mut self.found[index]
    }

    /// How many there are so far.
    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    /// Keeps where a key stands.
    pub(crate) fn note_place(&mut self, path: &str, place: KeyPlace) {
        self.places.insert(path.to_owned(), place);
    }

    /// Where a key stands that the file has, by its path as messages show it.
    pub(crate) fn place(&self, path: &str) -> Option<&KeyPlace> {
        self.places.get(path)
    }

    /// The text of a span, as it stands in the file.
    pub(crate) fn source(&self, span: &Range<usize>) -> &'t str {
        &self.text[within(self.text, span)]
    }

    /// What was noted, in file order.
    pub(crate) fn into_found(mut self) -> Vec<Mistake> {
        self.found.sort_by_key(|mistake| mistake.span.start);
        self.found
    }

    /// Answers with what was read if it is whole and nothing was noted, else with what was noted, in file order.
    pub(crate) fn or<T>(self, read: Option<T>) -> Result<T, ParseError> {
        match read {
            Some(read) if self.found.is_empty() => Ok(read),
            _ => {
                debug_assert!(!self.found.is_empty(), "whoever reads nothing notes why");
                Err(ParseError { mistakes: self.into_found() })
            }
        }
    }
}

/// Shows an error that has no place in a text.
pub(crate) fn render_title(title: &str, colour: bool) -> String {
    renderer(colour).render(&[Group::with_title(Level::ERROR.primary_title(title))])
}

fn renderer(colour: bool) -> Renderer {
    if colour { Renderer::styled() } else { Renderer::plain() }
}

/// A text of the file as a message may repeat it: without control characters, and not without end.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == LONGEST_SHOWN {
            shown.push('…');
            break;
        }
        if c.is_control() { shown.extend(c.escape_debug()) } else { shown.push(c) }
    }
    shown
}

/// A key as one writes it in TOML: bare if it can be.
pub(crate) fn key_shown(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !key.is_empty() && key.chars().all(bare) {
        shown(key)
    } else {
        format!("\"{}\"", shown(key).replace('"', "\\\""))
    }
}

const LONGEST_SHOWN: usize = 80;

/// The part of a span that lies in the text, on whole characters.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let floor =
        |index: usize| (0..=index.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_quoted_where_toml_needs_it() {
        assert_eq!(key_shown("web-2"), "web-2");
        assert_eq!(key_shown("a.b"), "\"a.b\"");
        assert_eq!(key_shown(""), "\"\"");
        assert_eq!(key_shown("a\"b"), "\"a\\\"b\"");
    }
}
