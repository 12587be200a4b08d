//! Words to people on stderr, results on stdout.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};
use drover_master::config::file::LoadError;
use drover_master::{
    Colours, Exit, Readable, SlotIndex, StartError, keep_standing, say_aside, settle_output,
};

use super::start_report::{self, StartReport};
use super::termination_log;
use crate::exit_status::ExitStatus;

/// How long the last lines of output may take. A terminal that is stopped does not keep a process alive.
pub(crate) const LAST_LINES: Duration = Duration::from_secs(1);

/// What a program that panics exits with.
const PANICKED: i32 = 101;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = Style::new().dimmed();

/// Whether only the thread that writes what workers print writes to stderr: in a master, which never waits for whoever reads that, and
/// where a line stands below all others.
static HAS_WRITER: AtomicBool = AtomicBool::new(false);

/// From now on all that is said on stderr is written by that thread. Flush before the end.
pub(crate) fn say_by_the_writer() {
    HAS_WRITER.store(true, Ordering::Relaxed);
}

/// From now on nothing here waits, as [`say_by_the_writer`], nor does what a panic says.
pub(crate) fn never_wait() {
    say_by_the_writer();
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("<unnamed>");
        let trace = Backtrace::capture();
        let trace =
            if trace.status() == BacktraceStatus::Captured { trace.to_string() } else { String::new() };
        termination_log::keep(&format!("thread '{name}' {panic}"));
        say_aside(format!("\nthread '{name}' {panic}\n{trace}").as_bytes());
        if DIES_OF_PANICS.load(Ordering::Relaxed) && name == "main" && tokio::task::try_id().is_none() {
            settle_output(LAST_LINES);
            die();
        }
    }));
}

#[expect(clippy::disallowed_methods, reason = "what a drop would end or remove is the next master's")]
fn die() -> ! {
    std::process::exit(PANICKED)
}

/// Whether a panic of what runs everything ends the process there and then.
static DIES_OF_PANICS: AtomicBool = AtomicBool::new(false);

/// From now on a panic that would end this process does so without letting go of anything: another one is to go on with what this one
/// has. One of a task of the runtime or of another thread is the end of that alone, as before.
pub(crate) fn die_of_panics() {
    DIES_OF_PANICS.store(true, Ordering::Relaxed);
}

/// A line on stderr. If it can't be written, there is nowhere to say so.
fn tell(text: &str) {
    let text = if is_stderr_coloured() { format!("{text}\n") } else { format!("{}\n", strip_str(text)) };
    if HAS_WRITER.load(Ordering::Relaxed) {
        say_aside(text.as_bytes());
    } else {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Prints an error with its causes.
pub(crate) fn error(error: &dyn Error) {
    error_text(&chain(error));
}

/// Prints an error with its causes, and what can be done.
pub(crate) fn error_with_remedy(error: &dyn Error, remedy: &str) {
    error_text(&format!("{}; {remedy}", chain(error)));
}

/// Prints the text of an error.
pub(crate) fn error_text(text: &str) {
    tell(&format!("{ERROR}error:{ERROR:#} {text}"));
    termination_log::keep(text);
    start_report::say(&StartReport::Error(text.to_owned()));
}

/// Why a file could not be loaded, as it is shown.
pub(crate) fn load_error(error: &LoadError, is_coloured: bool) -> String {
    match error {
        LoadError::NoneHere { .. } => {
            let text = format!("{ERROR}error:{ERROR:#} {error} with -f");
            if is_coloured { text } else { strip_str(&text).to_string() }
        }
        _ => error.render(is_coloured),
    }
}

/// Prints why a start failed, and the last words of the worker it failed by.
pub(crate) fn start_failure(failure: &StartError) {
    error(failure);
    last_words(failure.last_words());
}

/// An app that had started and then failed for good.
pub(crate) struct AppFailure {
    /// Which one.
    pub(crate) app: Arc<str>,
    /// Why it was not tried again.
    pub(crate) reason: &'static str,
    /// The slot of the worker that failed last, and how it did.
    pub(crate) last: Option<(SlotIndex, Arc<Exit>)>,
}

/// Prints why an app failed, and the last words of the worker it failed by.
pub(crate) fn app_failure(failure: &AppFailure) {
    let AppFailure { app, reason, last } = failure;
    let how = last.as_ref().map_or_else(String::new, |(slot, exit)| format!("; worker {slot} {exit}"));
    error_text(&format!("app `{app}` failed: {reason}{how}"));
    last_words(last.as_ref().map_or(&[], |(_, exit)| &exit.stderr_tail));
}

/// Prints the last words of a worker that failed, if it had any.
pub(crate) fn last_words(lines: &[String]) {
    if !lines.is_empty() {
        tell(&format!("{NOTE}its last words on stderr:{NOTE:#}"));
        for line in lines {
            // Colours are taken off, and what else would move the cursor is shown.
            let line = format!("  {}", Readable(&strip_str(line).to_string()));
            termination_log::keep(&line);
            tell(&line);
        }
        start_report::say(&StartReport::LastWords(lines.to_vec()));
    }
}

/// Prints a remark.
pub(crate) fn note(text: &str) {
    tell(&format!("{NOTE}drover:{NOTE:#} {text}"));
}

/// Prints text as it is.
pub(crate) fn plain(text: &str) {
    tell(text);
    termination_log::keep(text);
    start_report::say(&StartReport::Plain(text.to_owned()));
}

/// Prints a result. A reader that has gone is not an error to anybody.
pub(crate) fn result(text: &str) -> io::Result<()> {
    if HAS_WRITER.load(Ordering::Relaxed) && io::stdout().is_terminal() {
        // It stands below what was said before, and a line that is written again comes back below it.
        keep_standing(None);
        settle_output(LAST_LINES);
    }
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", text.trim_end_matches('\n'))?;
    stdout.flush()
}

/// Prints the whole result of a verb, and tells what came of that.
pub(crate) fn whole_result(text: &str) -> ExitStatus {
    written(result(text))
}

/// What a result that could not be written means to a script: a reader that has gone has seen enough, but a full disk, say,
/// is a failure.
pub(crate) fn written(result: io::Result<()>) -> ExitStatus {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            error_text(&format!("the result can't be written: {error}"));
            ExitStatus::Failed
        }
        Ok(()) | Err(_) => ExitStatus::Done,
    }
}

/// What becomes of colours in workers' lines, which go to both streams.
pub(crate) fn colours() -> Colours {
    colours_where(is_coloured())
}

/// What becomes of them in a result.
pub(crate) fn stdout_colours() -> Colours {
    colours_where(is_stdout_coloured())
}

/// A file or a pipe gets no colours of ours, and those of workers as they are; whoever wants none gets none.
fn colours_where(are_shown: bool) -> Colours {
    let no_color = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match anstream::ColorChoice::global() {
        _ if are_shown => Colours::Shown,
        anstream::ColorChoice::Never => Colours::Stripped,
        anstream::ColorChoice::Auto if no_color() => Colours::Stripped,
        _ => Colours::Kept,
    }
}

/// Whether prefixes of workers' lines, which go to both streams, may be coloured.
pub(crate) fn is_coloured() -> bool {
    is_stdout_coloured() && is_stderr_coloured()
}

/// Whether what is said on stderr may be coloured.
pub(crate) fn is_stderr_coloured() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Whether the terminal shows lines and nothing else.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// How many columns the terminal has that results go to; none where they go elsewhere.
pub(crate) fn stdout_width() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout())
        .map(|(columns, _)| columns.0.into())
        .filter(|width| *width > 0)
}

/// Whether a result may be coloured.
pub(crate) fn is_stdout_coloured() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        // Some libraries repeat the cause in their own text.
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}
