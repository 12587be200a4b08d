//! From a text to what it says, or to every mistake in it.

use std::ops::Range;
use std::path::Path;

use toml_edit::Document;

use super::layers::{Layers, NoProfile};
use super::model::Config;
use super::root;
use crate::config::text::mistake::{Mistakes, ParseError, shown};

/// Reads the text of a `drover.toml`. The files that it names are not opened.
///
/// # Errors
///
/// [`ParseError`] with every mistake, in file order. When the text is not TOML at all it holds that one mistake.
pub fn parse(text: &str) -> Result<Config, ParseError> {
    parse_in(text, None, None).map_err(|error| match error {
        Unread::Mistaken(error) => error,
        Unread::NoProfile(_) => unreachable!("none was asked for"),
    })
}

/// Why a text was not read.
#[derive(Debug)]
pub(super) enum Unread {
    Mistaken(ParseError),
    NoProfile(NoProfile),
}

/// Reads the text of a file that lies in a directory, and what it names there.
pub(super) fn parse_in(
    text: &str,
    directory: Option<&Path>,
    profile: Option<&str>,
) -> Result<Config, Unread> {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let mut mistakes = Mistakes::new(text);
            let span = error.span().unwrap_or(0..0);
            // The parser names neither the key nor where it stood first.
            let message = match error.message() {
                "duplicate key" => format!("key `{}` is there twice", shown(mistakes.source(&span))),
                other => other.to_owned(),
            };
            let help = octal_help(text, &span);
            let mistake = mistakes.add(span, message);
            if let Some(help) = help {
                mistake.help(help);
            }
            return mistakes.or(None).map_err(Unread::Mistaken);
        }
    };
    let layers = Layers::of(document.as_table(), profile).map_err(Unread::NoProfile)?;
    let mut mistakes = Mistakes::new(text).with_defaults(layers.defaults);
    let config = root::read(&layers.table, directory, &mut mistakes);
    mistakes.or(config).map_err(Unread::Mistaken)
}

/// What helps with a number that begins with a zero, as octal ones do in other languages: TOML has none such, and its parser does not
/// know what the number is for.
fn octal_help(text: &str, span: &Range<usize>) -> Option<&'static str> {
    let start = text.get(..span.start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(start..)?.lines().next()?;
    let (key, value) = line.split_once('=')?;
    let is_octal = value.trim_start().starts_with('0') && key.trim_end().ends_with("umask");
    is_octal.then_some("write octal digits in quotes, for example `umask = \"0022\"`")
}
