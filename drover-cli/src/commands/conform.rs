//! `drover conform`: checks a worker or a master, case by case.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use drover_conform::{About, Played, master, worker};

use super::find;
use super::interrupt::Interrupt;
use crate::args::{ConformArgs, ConformMasterArgs, ConformWorkerArgs, Global, Side};
use crate::exit_status::ExitStatus;
use crate::output::conform::{Layout, Report, list};
use crate::output::message;

/// How many cases to play at once, if nothing is said: most of their time is waiting.
const JOBS: RangeInclusive<usize> = 2..=4;

/// Where chance begins, if nothing is said: short enough to be typed again.
const SEEDS: std::ops::Range<u64> = 0..1_000_000;

pub(super) async fn run(global: &Global, args: ConformArgs) -> ExitStatus {
    match args.side {
        Side::Worker(args) => of_worker(args).await,
        Side::Master(args) => of_master(global, args).await,
        Side::StandIn => match master::stand_in().await {
            Ok(()) => ExitStatus::Done,
            Err(error) => {
                message::error(&error);
                ExitStatus::Failed
            }
        },
    }
}

async fn of_worker(args: ConformWorkerArgs) -> ExitStatus {
    let layout = Layout::of(args.cases.json);
    let cases = match chosen(worker::cases(), args.cases.only.as_ref(), "worker") {
        Ok(cases) => cases,
        Err(status) => return status,
    };
    if args.cases.list {
        return message::whole_result(&list(&cases, layout));
    }
    let seed = args.cases.seed.unwrap_or_else(|| fastrand::u64(SEEDS));
    let mut settings = worker::Settings::new(args.command);
    settings.first_start = args.first_start;
    settings.start = args.start_timeout;
    settings.has_listener = !args.no_listener;
    settings.seed = seed;
    settings.mutations = args.cases.mutations;
    let cpus = drover_master::config::cpus() as usize;
    let jobs = args.jobs.map_or(cpus.clamp(*JOBS.start(), *JOBS.end()), NonZeroUsize::get);
    let mut report = Report::new(layout);
    let mut interrupt = Interrupt::new();
    let run = worker::WorkerRun { settings, cases, jobs };
    match worker::run(run, |outcome| report.tell(outcome), interrupt.pressed()).await {
        Ok(played) => finish(report, played, seed),
        Err(error) => {
            message::error(&error);
            if let worker::WorkerRunError::FirstStart { evidence, .. } = &error {
                evidence.iter().for_each(|line| message::plain(&format!("  {line}")));
            }
            ExitStatus::Failed
        }
    }
}

async fn of_master(global: &Global, args: ConformMasterArgs) -> ExitStatus {
    let layout = Layout::of(args.cases.json);
    let cases = match chosen(master::cases(), args.cases.only.as_ref(), "master") {
        Ok(cases) => cases,
        Err(status) => return status,
    };
    if args.cases.list {
        return message::whole_result(&list(&cases, layout));
    }
    let control = match find::locate(global).await {
        Ok(control) => control,
        Err(status) => return status,
    };
    // A master that can't be asked at all is reported as by every other verb.
    if let Err(status) = find::connect(global).await {
        return status;
    }
    let seed = args.cases.seed.unwrap_or_else(|| fastrand::u64(SEEDS));
    let app = args.app.unwrap_or_default();
    let run = master::MasterRun { control, app, cases, seed, mutations: args.cases.mutations };
    let mut report = Report::new(layout);
    let mut interrupt = Interrupt::new();
    match master::run(run, |outcome| report.tell(outcome), interrupt.pressed()).await {
        Ok(played) => finish(report, played, seed),
        Err(error) => {
            message::error(&error);
            ExitStatus::Failed
        }
    }
}

/// The cases whose number fits.
fn chosen(
    cases: impl Iterator<Item = About>,
    only: Option<&glob::Pattern>,
    side: &str,
) -> Result<Vec<About>, ExitStatus> {
    let cases: Vec<_> = cases.filter(|about| only.is_none_or(|only| only.matches(about.id))).collect();
    match only {
        Some(only) if cases.is_empty() => {
            message::error_text(&format!(
                "no case matches `{only}`; `drover conform {side} --list` shows them"
            ));
            Err(ExitStatus::Usage)
        }
        _ => Ok(cases),
    }
}

fn finish(report: Report, played: Played, seed: u64) -> ExitStatus {
    match message::written(report.finish(played.tally, seed)) {
        ExitStatus::Done if played.is_interrupted => ExitStatus::Interrupted,
        ExitStatus::Done if played.tally.failed > 0 => ExitStatus::Failed,
        status => status,
    }
}
