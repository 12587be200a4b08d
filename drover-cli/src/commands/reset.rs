//! `drover reset`: what failed before does not count any more.

use super::deed::Deed;
use super::{find, operate, refusal::report};
use crate::args::{Global, ResetArgs, Waiting};
use crate::commands::targets::Targets;
use crate::exit_status::ExitStatus;

pub(super) async fn run(global: &Global, args: &ResetArgs) -> ExitStatus {
    let targets = match Targets::ask(global, &args.names).await {
        Ok(targets) => targets,
        Err(status) => return status,
    };
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let names = args.names.iter().map(ToString::to_string).collect();
    let results = match client.reset(names).await {
        Ok(results) => results,
        Err(error) => return report(&error),
    };
    let waiting = Waiting { no_wait: false, timeout: None };
    operate::follow(global, results, Deed::Reset, waiting, (&targets, &args.names)).await
}
