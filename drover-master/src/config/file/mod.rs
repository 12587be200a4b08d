//! Reads `drover.toml` into a validated [`Config`], or into every mistake in it at once.
//!
//! The text is parsed by `toml_edit`, which keeps the place of every key and value. Then each table is asked, by a `TableReader`, for
//! the keys that the table of keys has ([`keys`](super::keys)); what keys mean to each other is looked at once they are read (`app`,
//! `socket`, `relation`). What nobody asked for is a mistake. Nothing stops at the first one: a mistaken value is noted, its
//! default stands in for it, and the walk goes on, so that one run shows all there is to correct.
//!
//! Only the text is judged. Whether a command exists, a directory can be entered or an address can be bound is
//! found out by the master, at the moment it matters; [`obstacles`](crate::obstacles) looks beforehand. [`load`] knows where the file lies: it
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
//! # Ok::<(), file::ParseError>(())
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
mod cron;
mod env_file;
mod json;
mod layers;
mod load;
mod master;
mod model;
mod origin;
mod parse;
mod relation;
mod root;
mod running;
mod socket;
#[cfg(test)]
mod tests;
mod write;

pub use self::load::{LoadError, STDIN, is_stream, load, load_profile, parse_file, parse_profile, read};
pub use self::model::{AppTable, Config, MasterTable};
pub use self::origin::{Originated, ValueOrigin, origins};
pub use self::parse::parse;
pub use self::running::of_description;
pub use self::write::{to_json, to_toml};
pub use super::text::mistake::{Mistake, ParseError};

/// The JSON Schema (draft 2020-12) of `drover.toml`: every key with its type, its default and what it does.
pub const SCHEMA: &str = include_str!("drover.schema.json");
