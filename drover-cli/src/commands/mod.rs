//! One file a verb.

mod apply;
mod blame;
mod change;
mod completion;
mod config;
mod conform;
mod consent;
mod deadline;
mod deed;
mod demo;
mod describe;
mod description;
mod detach;
mod diff;
mod difference;
mod doctor;
mod down;
mod events;
mod export;
mod file_lock;
mod find;
mod goal;
mod healthcheck;
mod import;
mod init;
mod interrupt;
mod introduce;
mod list;
mod logs;
mod man;
mod operate;
mod patience;
mod reach;
mod refusal;
mod reload;
mod reopen_logs;
mod reset;
mod results;
mod rollback;
mod run;
mod scale;
mod schema;
mod send;
mod serve;
mod service_manager;
mod socket_name;
mod status;
mod targets;
mod threads;
mod top;
mod up;
mod upgrade;
mod validate;
mod version;
mod wait;

pub(crate) use up::Before;

use crate::args::{Cli, Verb};
use crate::exit_status::ExitStatus;

/// What a verb does before there is a thread; `Err` if that was all. It may become two processes.
pub(crate) fn before(cli: &Cli) -> Result<Option<Before>, ExitStatus> {
    match &cli.verb {
        Verb::Up(args) => up::before(args).map(Some),
        _ => Ok(None),
    }
}

/// Does what was typed.
pub(crate) async fn run(cli: Cli, before: Option<Before>) -> ExitStatus {
    let mut global = cli.global.with_environment();
    global.intent = cli.verb.intent();
    global.time = cli.verb.time();
    global.is_json = cli.verb.is_json();
    match cli.verb {
        Verb::Demo(args) => demo::run(&global, &args).await,
        Verb::Run(args) => run::run(&global, args).await,
        Verb::Up(args) => match before {
            Some(before) => up::run(&global, &args, before).await,
            None => ExitStatus::Failed,
        },
        Verb::Down(args) => down::run(&global, &args).await,
        Verb::Init(args) => init::run(global, &args).await,
        Verb::Export(args) => export::run(&global, &args),
        Verb::Import(args) => import::run(&global, &args),
        Verb::Blame(args) => blame::run(&global, &args).await,
        Verb::Man(args) => man::run(&global, &args),
        Verb::Doctor(args) => doctor::run(&global, &args).await,
        Verb::Healthcheck(args) => healthcheck::run(&global, &args).await,
        Verb::List(args) => list::run(&global, &args).await,
        Verb::Top(args) => top::run(&global, &args).await,
        Verb::Version => version::run(&global).await,
        Verb::CompleteNames => completion::names(&global).await,
        Verb::Status(args) => status::run(&global, &args).await,
        Verb::Events(args) => events::run(&global, &args).await,
        Verb::Start(args) => operate::start(&global, &args).await,
        Verb::Stop(args) => operate::stop(&global, &args).await,
        Verb::Restart(args) => operate::restart(&global, &args).await,
        Verb::Suspend(args) => operate::suspend(&global, &args).await,
        Verb::Resume(args) => operate::resume(&global, &args).await,
        Verb::Reload(args) => reload::run(&global, &args).await,
        Verb::Scale(args) => scale::run(&global, &args).await,
        Verb::Diff(args) => diff::run(&global, &args).await,
        Verb::Apply(args) => apply::run(&global, &args).await,
        Verb::Reset(args) => reset::run(&global, &args).await,
        Verb::Rollback(args) => rollback::run(&global, &args).await,
        Verb::Signal(args) => operate::signal(&global, &args).await,
        Verb::Send(args) => send::run(&global, &args).await,
        Verb::Describe(args) => describe::run(&global, &args).await,
        Verb::Logs(args) => logs::run(&global, &args).await,
        Verb::Upgrade(args) => upgrade::run(&global, &args).await,
        Verb::ReopenLogs(args) => reopen_logs::run(&global, &args).await,
        Verb::Wait(args) => wait::run(&global, &args).await,
        Verb::Validate(args) => validate::run(&global, &args),
        Verb::Config(args) => config::run(&global, &args).await,
        Verb::Schema => schema::run(),
        Verb::Completion(args) => completion::run(&args),
        Verb::Conform(args) => conform::run(&global, args).await,
        Verb::DemoWorker => crate::demo::worker().await,
    }
}
