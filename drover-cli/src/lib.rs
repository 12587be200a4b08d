//! The `drover` command as a library: arguments, one file a verb, output, exit codes.
//!
//! Typed → meant → done: [`args`] is what was typed, each verb in `commands` does it and ends in an [`ExitStatus`].
//! Progress and messages go to stderr, results to stdout.

#![forbid(unsafe_code)]

pub mod args;
mod commands;
mod demo;
mod exit_status;
mod export;
mod foreign;
mod grace;
mod import;
mod output;
#[cfg(test)]
mod pages;
mod path;
#[cfg(feature = "tui")]
mod top;
mod usage;

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use drover_master::logging::Level;

pub use drover_master::config::file as config;
pub use exit_status::ExitStatus;

/// The programs on the pages are compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[doc = include_str!("../../docs/guides/first-app-rust.md")]
struct Pages;

use args::{Cli, Verb};
use output::message::{self, LAST_LINES};
use output::termination_log;

/// Runs the command line to its end.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Targets the first thread, which would keep the mask that this process was started with.
    if let Err(error) = drover_master::unblock_signals() {
        message::error(&error);
    }
    let args: Vec<OsString> = args.into_iter().collect();
    match Cli::try_parse_from(&args) {
        Ok(cli) => run(cli).into(),
        Err(mut error) => {
            if let Some(answer) = of_foreign_word(&error) {
                message::error_text(&answer);
                return ExitStatus::Usage.into();
            }
            tell_where_a_command_stands(&mut error, &args);
            // Help and version are asked for, and are results; anything else is a mistake.
            let printed = error.print();
            if error.use_stderr() { ExitStatus::Usage.into() } else { message::written(printed).into() }
        }
    }
}

/// What does here what a verb of another program does there.
fn of_foreign_word(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => foreign::answer(word),
        _ => None,
    }
}

/// `drover run sleep 1` wants two dashes, as `drover run -- sleep 1`, so that the command's options are its own.
fn tell_where_a_command_stands(error: &mut clap::Error, args: &[OsString]) {
    let is_run = args.iter().any(|arg| arg == "run");
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return };
    if is_run && error.kind() == ErrorKind::UnknownArgument && !word.starts_with('-') {
        let tip = format!("put the command after `--`: drover run -- {word}");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
}

/// What `-v` asks for; `DROVER_LOG` overrules it.
fn level(verbose: u8) -> Level {
    match verbose {
        0 => Level::Warn,
        1 => Level::Debug,
        _ => Level::Trace,
    }
}

fn run(cli: Cli) -> ExitStatus {
    cli.global.color.write_global();
    // The demo's worker is an app: its traces are its own.
    if !matches!(cli.verb, Verb::DemoWorker)
        && let Err(error) = drover_master::logging::init(level(cli.global.verbose))
    {
        message::error(&error);
        return ExitStatus::Usage;
    }
    let before = match commands::before(&cli) {
        Ok(before) => before,
        Err(status) => return status,
    };
    // One thread runs everything: a master mostly waits, and so costs little.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    drover_master::turns::watch(runtime.enable_all());
    let runtime = match runtime.build() {
        Ok(runtime) => runtime,
        Err(error) => {
            message::error(&error);
            return ExitStatus::Failed;
        }
    };
    let ran = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(commands::run(cli, before))));
    runtime.block_on(drover_master::flush_output(LAST_LINES));
    let status = ran.unwrap_or_else(|panic| {
        termination_log::write(ExitStatus::Failed);
        panic::resume_unwind(panic)
    });
    termination_log::write(status);
    // Nothing is left that has to end by itself; a blocked thread of the runtime does not hold up the exit.
    runtime.shutdown_background();
    status
}
