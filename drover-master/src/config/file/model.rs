//! What a `drover.toml` says.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::keys;
use crate::config::{AppSpec, Description, FixedSettings, ListenSpec, Strategy};

/// A whole, valid `drover.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[master]`.
    pub master: MasterTable,
    /// `[sockets.NAME]`, in file order. No two have the same address.
    pub sockets: Vec<ListenSpec>,
    /// `[app.NAME]`, in file order; at least one.
    pub apps: Vec<AppTable>,
}

impl Config {
    /// Everything that is to be run, as a supervisor takes it.
    pub fn description(&self) -> Description {
        let apps = self.apps.iter().map(|app| app.spec.clone()).collect();
        Description { apps, ..self.master.description() }
    }

    /// Puts this in the place of every value of a variable, which may be a secret. How many there were.
    pub fn hide_env(&mut self, stand_in: &str) -> usize {
        let values = self.apps.iter_mut().flat_map(|app| &mut app.spec.command.env);
        values.map(|(_, value)| *value = OsString::from(stand_in)).count()
    }
}

/// `[master]`: what holds for all apps together.
#[derive(Clone, Debug, PartialEq)]
pub struct MasterTable {
    /// What the master takes when it starts: its name, which is that of the file's directory when absent, and what it serves over
    /// HTTP.
    pub fixed: FixedSettings,
    /// From the start of shutdown to SIGKILL for all that is left; more than zero, default 45 s. Too short cuts off apps
    /// that drain one after the other, too long lets a container's runtime kill first.
    pub shutdown_timeout: Duration,
    /// What follows when an app fails for good while it runs; default none.
    pub strategy: Strategy,
}

impl Default for MasterTable {
    fn default() -> Self {
        Self {
            fixed: FixedSettings::default(),
            shutdown_timeout: Duration::from_secs(45),
            strategy: Strategy::None,
        }
    }
}

impl MasterTable {
    /// What it says of apps that are not there yet.
    pub(super) fn description(&self) -> Description {
        let Self { fixed, shutdown_timeout, strategy } = self.clone();
        Description { apps: Vec::new(), strategy, shutdown_timeout, fixed }
    }
}

/// `[app.NAME]`: an app, and what of its description is not the file's.
#[derive(Clone, Debug)]
pub struct AppTable {
    /// The app as a master runs it. Its directory is relative to that of the file once loaded, and none if the file names none.
    pub spec: AppSpec,
    /// Names of the sockets its workers receive, in this order; each exists, none is named twice.
    pub sockets: Vec<String>,
    /// The files that variables are read from, as they are named; what they hold is in the app's environment.
    pub env_files: Vec<PathBuf>,
    /// The keys that the file leaves to the machine that runs it: one worker a CPU, and so many starts at once.
    pub of_machine: Vec<&'static str>,
}

/// Two are the same that have the same under every key.
impl PartialEq for AppTable {
    fn eq(&self, other: &Self) -> bool {
        let are_same = |key: &keys::Key<AppSpec>| key.is_same(&self.spec, &other.spec);
        self.spec.name == other.spec.name
            && self.spec.listeners == other.spec.listeners
            && self.sockets == other.sockets
            && self.env_files == other.env_files
            && self.of_machine == other.of_machine
            && keys::of_app().all(are_same)
    }
}
