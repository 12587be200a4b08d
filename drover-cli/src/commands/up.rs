//! `drover up`: what drover.toml says.

use std::num::NonZeroU32;

use drover_master::config::{AppSpec, ListenAddr, ListenSpec, OnStartFailure, StartPolicy, StopPolicy};
use drover_master::supervisor::Supervisor;
use drover_master::{Command, MasterBuilder, Output, Protocol};

use super::find::name_of_file;
use super::{detach, serve};
use crate::args::{Global, UpArgs};
use crate::config::{self, App, Config, Listen, Workers};
use crate::exit_status::ExitStatus;
use crate::output::message;
use crate::output::said::{self, Said};

pub(super) async fn run(global: &Global, args: &UpArgs) -> ExitStatus {
    if args.detached
        && let Err(error) = detach::become_master()
    {
        message::error_text(&format!("--detached is for `drover up -d` itself: {error}"));
        return ExitStatus::Usage;
    }
    let status = start(global, args).await;
    said::say(&Said::Ended(status as u8));
    status
}

async fn start(global: &Global, args: &UpArgs) -> ExitStatus {
    let config = match config::load(&args.file) {
        Ok(config) => config,
        Err(error) => {
            message::plain(&error.render(message::is_coloured()));
            return ExitStatus::Usage;
        }
    };
    if let Some(unknown) = args.only.iter().find(|name| !config.apps.iter().any(|app| app.name == **name)) {
        let known: Vec<&str> = config.apps.iter().map(|app| app.name.as_str()).collect();
        message::error_text(&format!(
            "there is no app `{unknown}` in {}; there is {}",
            args.file.display(),
            known.join(", ")
        ));
        return ExitStatus::NotFound;
    }
    let mut builder = Supervisor::builder()
        .keep_going(args.keep_going)
        .shutdown_timeout(config.master.shutdown_timeout)
        .strategy(config.master.strategy);
    for app in wanted(&config, &args.only) {
        builder = builder.app(MasterBuilder::from_spec(spec(&config, app, args.keep_going)));
    }
    let name = name_of_file(&config, &args.file);
    let inherited = match serve::inherited() {
        Ok(inherited) => inherited,
        Err(status) => return status,
    };
    if args.detach || args.wait {
        if !inherited.is_empty() {
            message::error_text(
                "sockets were handed over, which a master in the background would not have; leave -d and --wait out",
            );
            return ExitStatus::Usage;
        }
        return detach::run(global, args, name).await;
    }
    serve::run(global, builder.inherited(inherited), serve::control_path(global, name), &[]).await
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
fn spec(config: &Config, app: &App, keep_going: bool) -> AppSpec {
    let mut words = app.command.iter().cloned();
    let mut command = Command::new(words.next().unwrap_or_default()).args(words).env_clear(app.env_clear);
    for (key, value) in &app.env {
        command = command.env(key, value);
    }
    if let Some(cwd) = &app.cwd {
        command = command.current_dir(cwd);
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
    spec.start = start_policy(app, keep_going);
    spec.stop = stop_policy(app);
    spec.heartbeat = app.heartbeat.clone();
    spec.restart = app.restart.clone();
    spec.update = app.update.clone();
    spec.kind = app.kind;
    spec.depends_on.clone_from(&app.depends_on);
    spec.essential = app.essential;
    spec.output = Output::Prefixed { colour: message::is_coloured() };
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
        ..default
    }
}
