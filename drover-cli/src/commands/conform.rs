//! `drover conform`: checks a worker or a master, case by case.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use super::find;
use super::interrupt::Interrupt;
use crate::args::{ConformArgs, ConformMasterArgs, ConformWorkerArgs, Global, Side};
use crate::conform::{About, Layout, Played, Report, list, master, worker};
use crate::exit_status::ExitStatus;
use crate::output::message;

/// How many cases are played at once, if nothing is said: most of their time is waiting.
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
                message::error(&*error);
                ExitStatus::Failed
            }
        },
    }
}

async fn of_worker(args: ConformWorkerArgs) -> ExitStatus {
    let layout = layout(args.json);
    if args.list {
        return shown(worker::cases().iter().map(|case| case.about), args.only.as_ref(), layout);
    }
    let cpus = drover_master::config::cpus() as usize;
    let run = worker::Run {
        settings: worker::Settings {
            command: args.command,
            first_start: args.first_start,
            start: args.start_timeout,
            has_listener: !args.no_listener,
            seed: args.seed.unwrap_or_else(|| fastrand::u64(SEEDS)),
            mutations: args.mutations,
        },
        only: args.only,
        jobs: args.jobs.map_or(cpus.clamp(*JOBS.start(), *JOBS.end()), NonZeroUsize::get),
    };
    let mut interrupt = Interrupt::new();
    match worker::run(run, Report::new(layout), interrupt.pressed()).await {
        Ok(played) => status_of(played),
        Err(error) => {
            message::error(&error);
            match error {
                worker::RunError::FirstStart { evidence, .. } => {
                    evidence.iter().for_each(|line| message::plain(&format!("  {line}")));
                    ExitStatus::Failed
                }
                worker::RunError::NoCase(_) => ExitStatus::Usage,
                worker::RunError::Directory(_) | worker::RunError::Subreaper(_) => ExitStatus::Failed,
            }
        }
    }
}

async fn of_master(global: &Global, args: ConformMasterArgs) -> ExitStatus {
    let layout = layout(args.json);
    if args.list {
        return shown(master::cases().iter().map(|case| case.about), args.only.as_ref(), layout);
    }
    let control = match find::locate(global).await {
        Ok(control) => control,
        Err(status) => return status,
    };
    // What can't be asked at all is told as by every other verb.
    if let Err(status) = find::connect(global).await {
        return status;
    }
    let run = master::Run {
        control,
        app: args.app.unwrap_or_default(),
        only: args.only,
        seed: args.seed.unwrap_or_else(|| fastrand::u64(SEEDS)),
        mutations: args.mutations,
    };
    let mut interrupt = Interrupt::new();
    match master::run(run, Report::new(layout), interrupt.pressed()).await {
        Ok(played) => status_of(played),
        Err(error) => {
            message::error(&error);
            match error {
                master::RunError::NoCase(_) => ExitStatus::Usage,
                master::RunError::NoStandIn { .. } => ExitStatus::Failed,
            }
        }
    }
}

const fn layout(json: bool) -> Layout {
    if json { Layout::Json } else { Layout::Human }
}

fn shown(cases: impl Iterator<Item = About>, only: Option<&glob::Pattern>, layout: Layout) -> ExitStatus {
    let cases: Vec<_> = cases.filter(|about| only.is_none_or(|only| only.matches(about.id))).collect();
    message::whole_result(&list(&cases, layout))
}

fn status_of(played: Played) -> ExitStatus {
    match message::written(played.written) {
        ExitStatus::Done if played.is_interrupted => ExitStatus::Interrupted,
        ExitStatus::Done if played.tally.failed > 0 => ExitStatus::Failed,
        status => status,
    }
}
