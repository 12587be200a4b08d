//! What a drover.toml means to a master, at its start and whenever it is read again.

use std::fs;
use std::path::{Path, PathBuf};

use drover_master::Output;
use drover_master::config::file::{self as config, AppTable, Config};
use drover_master::config::{AppSpec, Description, OnStartFailure};
use drover_master::supervisor::{Reading, Reread, RereadRequest};

use crate::args::UpArgs;
use crate::output::message;

/// How a drover.toml is read: which one, and what of it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    file: PathBuf,
    profile: Option<String>,
    only: Vec<String>,
    keep_going: bool,
    /// The master's name, where a file names none.
    name: String,
    /// Whether it was read from what can't be read again.
    is_stream: bool,
}

/// Why a configuration that came by a stream is not read again.
pub(super) const NOT_KEPT: &str =
    "the configuration was read from standard input or a pipe, and can't be read again";

impl Source {
    /// As `up` was called.
    pub(super) fn new(args: &UpArgs, name: String, is_stream: bool) -> Self {
        Self {
            file: args.file.clone(),
            profile: args.profile.clone(),
            only: args.only.clone(),
            keep_going: args.keep_going,
            name,
            is_stream,
        }
    }

    /// The directory of the file, where workers run that name no other. One of another user that is the master's own directory
    /// anyway is left where it is: that user may not be let in to what is above it.
    fn home(&self, app: &AppSpec) -> Option<PathBuf> {
        let home = self.file.parent().map(Path::to_owned).filter(|home| home.is_absolute())?;
        let is_own = || is_same(&home, Path::new("."));
        (!app.command.has_user() || !is_own()).then_some(home)
    }

    /// Everything that is to be run.
    pub(super) fn description(&self, config: &Config) -> Description {
        let apps = wanted(config, &self.only).into_iter();
        let mut all = Description { apps: apps.map(|app| spec(app, self)).collect(), ..config.description() };
        all.fixed.name.get_or_insert_with(|| self.name.clone());
        all
    }
}

impl Reread for Source {
    fn reread(&self, asked: &RereadRequest) -> Result<Reading, String> {
        let file = match asked.file.as_deref() {
            // The same one by another path is read by the first: relative paths in it are seen from there.
            Some(file) if !is_same(file, &self.file) => file,
            _ if self.is_stream => {
                return Err(format!("error: {NOT_KEPT}; name a file: `drover apply -f FILE`"));
            }
            _ => &self.file,
        };
        if fs::metadata(file).is_ok_and(|there| !there.is_file()) {
            return Err(format!("error: {} is not a regular file", file.display()));
        }
        // Whoever names none means what runs here.
        let profile = asked.profile.as_ref().or(self.profile.as_ref()).filter(|name| !name.is_empty());
        let config = config::load_profile(file, profile.map(String::as_str))
            .map_err(|error| message::load_error(&error, asked.coloured))?;
        // Whoever asks may be in another directory.
        let shown = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        Ok(Reading { file: shown, profile: profile.cloned(), description: self.description(&config) })
    }

    fn file(&self) -> Option<&Path> {
        (!self.is_stream).then_some(&self.file)
    }

    fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// The apps that are to be run, in the order of the file: these and what they depend on; all, if none is named.
fn wanted<'c>(config: &'c Config, only: &[String]) -> Vec<&'c AppTable> {
    let mut names: Vec<&str> = only.iter().map(String::as_str).collect();
    let mut next = 0;
    while let Some(name) = names.get(next).copied() {
        next += 1;
        let Some(app) = config.apps.iter().find(|app| app.spec.name == name) else { continue };
        let further = app.spec.depends_on.iter().map(|dependency| dependency.app.as_str());
        let further: Vec<&str> = further.filter(|name| !names.contains(name)).collect();
        names.extend(further);
    }
    config.apps.iter().filter(|app| only.is_empty() || names.contains(&&*app.spec.name)).collect()
}

/// An app of the file as the master runs it here.
fn spec(app: &AppTable, source: &Source) -> AppSpec {
    let mut spec = app.spec.clone();
    let directory = match spec.command.cwd() {
        // The same directory is the same, by whichever path its file is named.
        Some(cwd) => Some(std::path::absolute(cwd).unwrap_or_else(|_| cwd.to_owned())),
        None => source.home(&spec),
    };
    if let Some(directory) = directory {
        spec.command = spec.command.current_dir(directory);
    }
    if source.keep_going {
        spec.start.on_failure = OnStartFailure::KeepGoing;
    }
    spec.output = Output::Prefixed { colours: message::colours() };
    spec
}
