//! `drover run -- CMD`: one app without a file.

use std::path::Path;

use drover_master::config::{ConfigError, ListenSpec, RestartPolicy, RestartWhen};
use drover_master::supervisor::Supervisor;
use drover_master::{Command, Master, MasterBuilder, Output};

use super::serve;
use super::socket_name::fit;
use crate::args::{Global, Protocol, Restart, RunArgs, Workers};
use crate::exit_status::ExitStatus;
use crate::output::{message, termination_log};
use crate::path::whole;

pub(super) async fn run(global: &Global, args: RunArgs) -> ExitStatus {
    termination_log::begin();
    let mut words = args.command.into_iter();
    let program = words.next().unwrap_or_default();
    let name = args
        .name
        .clone()
        .unwrap_or_else(|| fit(&Path::new(&program).file_stem().unwrap_or_default().to_string_lossy()));
    let when = match args.restart {
        Restart::Always => RestartWhen::Always,
        Restart::OnFailure => RestartWhen::OnFailure,
        Restart::Never => RestartWhen::Never,
    };
    let mut spec = Master::builder(&name, Command::new(program).args(words))
        .workers(args.workers.count())
        .protocol(match args.protocol {
            Protocol::None => drover_master::Protocol::None,
            Protocol::Notify => drover_master::Protocol::Notify,
            Protocol::Drover => drover_master::Protocol::Drover,
        })
        .restart_policy(RestartPolicy::new(when))
        .output(Output::Prefixed { colours: message::colours() })
        .spec()
        .clone();
    if args.probe.is_some() && args.protocol != Protocol::None {
        message::error_text(
            "--probe has no meaning for workers that say when they are ready; leave it or --protocol out",
        );
        return ExitStatus::Usage;
    }
    spec.start.probe = args.probe.map(|probe| probe.0);
    spec.listeners =
        args.listen.into_iter().map(|listen| ListenSpec::new(listen.name, listen.addr)).collect();
    spec.stdin = args.stdin;
    spec.follows_cpus = args.workers == Workers::Auto;
    if let Err(error) = spec.check() {
        return usage(&error);
    }
    let admin = match serve::admin(&args.admin) {
        Ok(admin) => admin,
        Err(status) => return status,
    };
    let control = args.name.unwrap_or_else(|| format!("{name}-{}", std::process::id()));
    let control = serve::control_path(global, control);
    let inherited = match serve::inherited() {
        Ok(inherited) => inherited,
        Err(status) => return status,
    };
    let line = format!("{name} of {}", whole(Path::new(".")).display());
    let supervisor = Supervisor::builder()
        .line(line)
        .app(MasterBuilder::from_spec(spec))
        .inherited(inherited)
        .messages_as_events();
    serve::run(global, supervisor, control, admin, None, &[]).await
}

fn usage(error: &ConfigError) -> ExitStatus {
    message::error(error);
    ExitStatus::Usage
}
