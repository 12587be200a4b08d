//! Reads `drover.toml` into a validated [`Config`], or into every mistake in it at once.
//!
//! The text is parsed by `toml_edit`, which keeps the place of every key and value. Then each table is asked, by a `Reader`, for
//! the keys that the table of keys has ([`keys`](super::keys)); what keys mean to each other is looked at once they are read (`app`,
//! `socket`, `relation`). What nobody asked for is a mistake. Nothing stops at the first one: a mistaken value is noted, its
//! default stands in for it, and the walk goes on, so that one run shows all there is to correct.
//!
//! Only the text is judged. Whether a command exists, a directory can be entered or an address can be bound is
//! found out by the master, at the moment it matters; [`obstacles`] looks beforehand. [`load`] knows where the file lies: it
//! takes `cwd` and `env_file` from there, and reads the latter.
//!
//! # Examples
//!
//! ```
//! use drover_master::config::file;
//! use drover_master::config::RestartWhen;
//!
//! let config = file::parse(
//!     r#"
//!     version = 1
//!     sockets.http.listen = "127.0.0.1:8080"
//!
//!     [app.web]
//!     command = "node server.js"
//!     workers = 4
//!     sockets = ["http"]
//!     "#,
//! )?;
//! assert_eq!(config.apps[0].spec.command.to_string(), "node server.js");
//! assert_eq!(config.apps[0].spec.workers, 4);
//! assert_eq!(config.apps[0].spec.restart.when, RestartWhen::Always);
//!
//! let text = "version = 1\n[app.web]\ncommand = [\"web\"]\nworker = 4\n";
//! let error = file::parse(text).unwrap_err();
//! assert_eq!(error.mistakes()[0].to_string(), "unknown key `worker` in app.web; did you mean `workers`?");
//! println!("{}", error.render("drover.toml", text, false));
//! # Ok::<(), file::ConfigError>(())
//! ```
//!
//! A program that runs what a file says:
//!
//! ```no_run
//! use drover_master::MasterBuilder;
//! use drover_master::config::file;
//! use drover_master::supervisor::Supervisor;
//!
//! # fn supervisor() -> Result<Supervisor, Box<dyn std::error::Error>> {
//! let all = file::load("drover.toml".as_ref())?.description();
//! let mut builder = Supervisor::builder().strategy(all.strategy).shutdown_timeout(all.shutdown_timeout);
//! for app in all.apps {
//!     builder = builder.app(MasterBuilder::from_spec(app));
//! }
//! let supervisor = builder.build()?;
//! # Ok(supervisor)
//! # }
//! ```

mod app;
mod env_file;
mod foreign;
mod json;
pub(super) mod limits;
mod load;
mod master;
pub(super) mod mistake;
mod model;
mod names;
mod obstacle;
pub(super) mod probe;
pub(super) mod reader;
mod relation;
pub(super) mod restart;
mod root;
mod shell;
pub(super) mod signal;
pub mod size;
pub(super) mod socket;
mod suggest;
pub(super) mod surroundings;
#[cfg(test)]
mod tests;
pub mod units;
pub(super) mod update;
pub(super) mod value;
mod write;

use std::ops::Range;
use std::path::Path;

pub use self::load::{LoadError, load, parse_file, read};
pub use self::load::{STDIN, is_stream};
pub use self::mistake::{ConfigError, Mistake};
pub use self::model::{App, Config, Master};

pub use self::obstacle::obstacles;
pub use self::write::{to_json, to_toml};

pub use self::names::fault as name_fault;

use toml_edit::Document;

use self::mistake::{Mistakes, shown};

/// The JSON Schema (draft 2020-12) of `drover.toml`: every key with its type, its default and what it does.
pub const SCHEMA: &str = include_str!("drover.schema.json");

/// Reads the text of a `drover.toml`. The files that it names are not opened.
///
/// # Errors
///
/// [`ConfigError`] with every mistake, in file order. When the text is not TOML at all it holds that one mistake.
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    parse_in(text, None)
}

/// Reads the text of a file that lies in a directory, and what it names there.
fn parse_in(text: &str, directory: Option<&Path>) -> Result<Config, ConfigError> {
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
            return mistakes.or(None);
        }
    };
    let mut mistakes = Mistakes::new(text);
    let config = root::read(document.as_table(), directory, &mut mistakes);
    mistakes.or(config)
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
