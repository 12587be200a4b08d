//! What a drover.toml means to a master, at its start and whenever it is read again.

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use drover_master::config::{
    AppSpec, Description, ListenAddr, ListenSpec, OnStartFailure, StartPolicy, StopPolicy, SuspendSignals,
};
use drover_master::supervisor::{Reading, Reread};
use drover_master::{Command, Output, Protocol, ReloadSignal};

use super::socket_name::name_of_file;
use crate::args::UpArgs;
use crate::config::{self, App, Config, Listen, Workers};
use crate::output::message;

/// How a drover.toml is read: which one, and what of it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    file: PathBuf,
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
    /// As `up` was called, with the file as it is.
    pub(super) fn new(args: &UpArgs, config: &Config, is_stream: bool) -> Self {
        let name = name_of_file(config, &args.file);
        Self {
            file: args.file.clone(),
            only: args.only.clone(),
            keep_going: args.keep_going,
            name,
            is_stream,
        }
    }

    /// The directory of the file, where workers run that name no other. One of another user that is the master's own directory
    /// anyway is left where it is: that user may not be let in to what is above it.
    fn home(&self, app: &App) -> Option<PathBuf> {
        let home = self.file.parent().map(Path::to_owned).filter(|home| home.is_absolute())?;
        let is_own = || is_same(&home, Path::new("."));
        (app.user.is_none() || !is_own()).then_some(home)
    }

    /// Everything that is to be run.
    pub(super) fn description(&self, config: &Config) -> Description {
        let apps = wanted(config, &self.only).into_iter();
        let name = config.master.name.clone().unwrap_or_else(|| self.name.clone());
        Description {
            apps: apps.map(|app| spec(config, app, self)).collect(),
            strategy: config.master.strategy,
            shutdown_timeout: config.master.shutdown_timeout,
            fixed: vec![("master.name", name)],
        }
    }
}

impl Reread for Source {
    fn reread(&self, file: Option<&Path>, coloured: bool) -> Result<Reading, String> {
        let file = match file {
            // The same one by another path is read by the first: relative paths in it are seen from there.
            Some(file) if !is_same(file, &self.file) => file,
            _ if self.is_stream => {
                return Err(format!("error: {NOT_KEPT}; name a file: `drover apply -f FILE`"));
            }
            _ => &self.file,
        };
        if fs::metadata(file).is_ok_and(|there| !there.is_file()) {
            return Err(format!("error: {} is no regular file", file.display()));
        }
        let config = config::load(file).map_err(|error| error.render(coloured))?;
        // Whoever asks may be in another directory.
        let shown = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        Ok(Reading { file: shown, description: self.description(&config) })
    }

    fn file(&self) -> Option<&Path> {
        (!self.is_stream).then_some(&self.file)
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// The apps that are to be run, in the order of the file: these and what they depend on; all, if none is named.
fn wanted<'c>(config: &'c Config, only: &[String]) -> Vec<&'c App> {
    let mut names: Vec<&str> = only.iter().map(String::as_str).collect();
    let mut next = 0;
    while let Some(name) = names.get(next).copied() {
        next += 1;
        let Some(app) = config.apps.iter().find(|app| app.name == name) else { continue };
        let further = app.depends_on.iter().map(|dependency| dependency.app.as_str());
        let further: Vec<&str> = further.filter(|name| !names.contains(name)).collect();
        names.extend(further);
    }
    config.apps.iter().filter(|app| only.is_empty() || names.contains(&&*app.name)).collect()
}

/// An app of the file as the master runs it.
fn spec(config: &Config, app: &App, source: &Source) -> AppSpec {
    let mut words = app.command.iter().cloned();
    let mut command = Command::new(words.next().unwrap_or_default()).args(words).env_clear(app.env_clear);
    for (key, value) in &app.env {
        command = command.env(key, value);
    }
    if let Some(cwd) = &app.cwd {
        // The same directory is the same, by whichever path its file is named.
        command = command.current_dir(std::path::absolute(cwd).unwrap_or_else(|_| cwd.clone()));
    } else if let Some(home) = source.home(app) {
        command = command.current_dir(home);
    }
    if let Some(mask) = app.umask {
        command = command.umask(mask);
    }
    if let Some(user) = &app.user {
        command = command.user(user);
    }
    if let Some(group) = &app.group {
        command = command.group(group);
    }
    command = command.limits(app.limits.clone());
    let mut spec = AppSpec::new(app.name.clone(), command);
    if let Workers::Count(count) = app.workers {
        spec.workers = count;
    }
    spec.protocol = match app.protocol {
        config::Protocol::None => Protocol::None,
        config::Protocol::Notify => Protocol::Notify,
        config::Protocol::Drover => Protocol::Drover,
    };
    let named = |name: &String| config.sockets.iter().find(|socket| &socket.name == name);
    spec.listeners = app
        .sockets
        .iter()
        .filter_map(named)
        .map(|socket| {
            let addr = match &socket.listen {
                Listen::Tcp(addr) => ListenAddr::Tcp(addr.to_string()),
                Listen::Udp(addr) => ListenAddr::Udp(addr.to_string()),
                Listen::Unix(path) => ListenAddr::Unix(path.clone()),
            };
            let (backlog, mode) = (socket.backlog, socket.mode);
            ListenSpec { backlog, mode, ..ListenSpec::new(&socket.name, addr) }
        })
        .collect();
    spec.stdin = app.stdin.clone();
    spec.start = start_policy(app, source.keep_going);
    spec.stop = stop_policy(app);
    spec.heartbeat = app.heartbeat.clone();
    spec.watchdog = app.watchdog;
    spec.notify_fd = app.notify_fd;
    spec.notify_access = app.notify_access;
    spec.reload = app.reload.as_ref().and_then(|reload| {
        let signal = drover_master::signal_number(&reload.signal)?;
        Some(ReloadSignal { signal, waits: reload.wait })
    });
    spec.health = app.health.clone();
    spec.restart = app.restart.clone();
    spec.update = app.update.clone();
    spec.suspend = app.suspend.as_ref().and_then(|suspend| {
        let signal = drover_master::signal_number(&suspend.signal)?;
        let resume_signal = drover_master::signal_number(&suspend.resume_signal)?;
        Some(SuspendSignals { signal, resume_signal })
    });
    spec.recycle = app.recycle.clone();
    spec.kind = app.kind;
    spec.depends_on.clone_from(&app.depends_on);
    spec.essential = app.essential;
    spec.output = Output::Prefixed { colours: message::colours() };
    spec
}

fn start_policy(app: &App, keep_going: bool) -> StartPolicy {
    let default = StartPolicy::default();
    StartPolicy {
        timeout: app.start.timeout,
        max_timeout: app.start.max_timeout,
        min_uptime: app.start.min_uptime,
        probe: app.start.probe.clone(),
        parallel: app.start.parallel.and_then(NonZeroU32::new).unwrap_or(default.parallel),
        on_failure: if keep_going { OnStartFailure::KeepGoing } else { OnStartFailure::FailFast },
    }
}

fn stop_policy(app: &App) -> StopPolicy {
    let default = StopPolicy::default();
    StopPolicy {
        pre_delay: app.stop.pre_delay,
        drain_timeout: app.stop.drain_timeout,
        term_timeout: app.stop.term_timeout,
        signal: drover_master::signal_number(&app.stop.signal).unwrap_or(default.signal),
        to: app.stop.to,
        ..default
    }
}
