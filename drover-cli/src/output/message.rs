//! Words to people on stderr, results on stdout.

use std::error::Error;
use std::io::{self, Write};

use anstream::eprintln;
use anstyle::{AnsiColor, Style};
use drover_master::StartError;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = Style::new().dimmed();

/// Prints an error with its causes.
pub(crate) fn error(error: &dyn Error) {
    error_text(&chain(error));
}

/// Prints the text of an error.
pub(crate) fn error_text(text: &str) {
    eprintln!("{ERROR}error:{ERROR:#} {text}");
}

/// Prints why a start failed, and the last words of the worker it failed by.
pub(crate) fn start_failure(failure: &StartError) {
    error(failure);
    if !failure.last_words().is_empty() {
        eprintln!("{NOTE}its last words on stderr:{NOTE:#}");
        for line in failure.last_words() {
            eprintln!("  {line}");
        }
    }
}

/// Prints a remark.
pub(crate) fn note(text: &str) {
    eprintln!("{NOTE}drover:{NOTE:#} {text}");
}

/// Prints text as it is.
pub(crate) fn plain(text: &str) {
    eprintln!("{text}");
}

/// Prints a result. A reader that has gone is no error to anybody.
pub(crate) fn result(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", text.trim_end_matches('\n'))?;
    stdout.flush()
}

/// Whether prefixes of workers' lines, which go to both streams, may be coloured.
pub(crate) fn is_coloured() -> bool {
    is_stdout_coloured() && anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Whether a result may be coloured.
pub(crate) fn is_stdout_coloured() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
