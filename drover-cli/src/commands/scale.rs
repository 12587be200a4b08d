//! `drover scale`: more or fewer workers.

use drover_master::control::Name;
use drover_proto::latest::{ScaleRequest, ScaleTarget, scale_target};

use super::deed::Deed;
use super::operate::follow;
use super::targets::Targets;
use super::{find, refusal::report};
use crate::args::{Global, Scale, ScaleArgs, ScaleCount};
use crate::exit_status::ExitStatus;

pub(super) async fn run(global: &Global, args: &ScaleArgs) -> ExitStatus {
    let request =
        ScaleRequest { targets: args.targets.iter().map(target).collect(), no_wait: args.waiting.no_wait };
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let results = match client.scale(request).await {
        Ok(results) => results,
        Err(error) => return report(&error),
    };
    let names: Vec<Name> = args.targets.iter().map(|target| target.app.clone()).collect();
    follow(global, results, Deed::Scale, args.waiting, (&Targets::default(), &names)).await
}

fn target(scale: &Scale) -> ScaleTarget {
    let count = match scale.count {
        ScaleCount::To(to) => scale_target::Count::To(to),
        ScaleCount::By(by) => scale_target::Count::By(by),
        ScaleCount::Auto => scale_target::Count::Auto(true),
    };
    ScaleTarget { app: scale.app.to_string(), count: Some(count) }
}
