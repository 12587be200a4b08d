//! `drover conform`: checks a worker, case by case.

use crate::args::{ConformArgs, ConformWorkerArgs, Side};
use crate::conform::{Layout, Report, list, worker};
use crate::exit_status::ExitStatus;
use crate::output::message;

use super::interrupt::Interrupt;

/// How many cases are played at once, if nothing is said: most of their time is waiting.
const JOBS: std::ops::RangeInclusive<usize> = 2..=4;

pub(super) async fn run(args: ConformArgs) -> ExitStatus {
    match args.side {
        Side::Worker(args) => of_worker(args).await,
    }
}

async fn of_worker(args: ConformWorkerArgs) -> ExitStatus {
    let layout = if args.json { Layout::Json } else { Layout::Human };
    if args.list {
        let fits = |id: &str| args.only.as_ref().is_none_or(|only| only.matches(id));
        let cases: Vec<_> = worker::cases().into_iter().map(|case| case.about).collect();
        let cases: Vec<_> = cases.into_iter().filter(|about| fits(about.id)).collect();
        return message::whole_result(&list(&cases, layout));
    }
    let cpus = drover_master::config::cpus() as usize;
    let run = worker::Run {
        settings: worker::Settings {
            command: args.command,
            first_start: args.first_start,
            start: args.start_timeout,
            seed: args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000)),
            mutations: args.mutations,
        },
        only: args.only,
        jobs: args.jobs.map_or(cpus.clamp(*JOBS.start(), *JOBS.end()), std::num::NonZeroUsize::get),
    };
    let mut interrupt = Interrupt::new();
    match worker::run(run, Report::new(layout), interrupt.pressed()).await {
        Ok(played) => match message::written(played.written) {
            ExitStatus::Done if played.is_interrupted => ExitStatus::Interrupted,
            ExitStatus::Done if played.tally.failed > 0 => ExitStatus::Failed,
            status => status,
        },
        Err(error) => {
            message::error(&error);
            match error {
                worker::RunError::FirstStart { evidence, .. } => {
                    evidence.iter().for_each(|line| message::plain(&format!("  {line}")));
                    ExitStatus::Failed
                }
                worker::RunError::NoCase(_) => ExitStatus::Usage,
                worker::RunError::Directory(_) => ExitStatus::Failed,
            }
        }
    }
}
