//! Plays cases side by side and tells what came of each, in their order.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::Report;
use super::super::case::{Fault, Outcome, Played, failed};
use super::directory::Directory;
use super::stage::{Settings, Stage, reply, welcome};
use super::{Case, cases, orphans};

/// How long one case may take beyond the starts of its workers: the largest, with 10,000 mutations, stays below it. Only a
/// fault in a case reaches it.
const CASE: Duration = Duration::from_secs(20 * 60);

/// What is to be played.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) settings: Settings,
    /// Only cases whose number fits.
    pub(crate) only: Option<glob::Pattern>,
    /// How many are played at once.
    pub(crate) jobs: usize,
}

/// Why nothing could be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The sockets have no place.
    #[error("a private directory can't be made in {}", std::env::temp_dir().display())]
    Directory(#[source] io::Error),
    /// What workers leave behind could not be ended.
    #[error("this process can't become the parent of what a worker leaves behind")]
    Subreaper(#[source] io::Error),
    /// No case has such a number.
    #[error("no case fits `{0}`; `drover conform worker --list` shows them")]
    NoCase(String),
    /// The worker can't be played with.
    #[error("the first start failed: {why}")]
    FirstStart {
        /// What happened instead.
        why: String,
        /// What was said, and the last that the worker printed.
        evidence: Vec<String>,
    },
}

/// Plays them. Once `interrupted` is there, what is being played is ended and nothing more is begun.
pub(crate) async fn run(
    run: Run,
    report: Report,
    interrupted: impl Future<Output = ()>,
) -> Result<Played, RunError> {
    let fits = |case: &Case| run.only.as_ref().is_none_or(|only| only.matches(case.about.id));
    let chosen: Vec<Case> = cases().into_iter().filter(fits).collect();
    if let (true, Some(only)) = (chosen.is_empty(), &run.only) {
        return Err(RunError::NoCase(only.as_str().to_owned()));
    }
    orphans::adopt().map_err(|error| RunError::Subreaper(error.into()))?;
    let played = play_all(run, chosen, report, interrupted).await;
    orphans::end().await;
    played
}

async fn play_all(
    run: Run,
    chosen: Vec<Case>,
    mut report: Report,
    interrupted: impl Future<Output = ()>,
) -> Result<Played, RunError> {
    let directory = Directory::make().map_err(RunError::Directory)?;
    let (cancel, cancelled) = watch::channel(false);
    let mut interrupted = std::pin::pin!(interrupted);
    let Some(capabilities) = first_start(&run.settings, directory.path(), &mut interrupted).await? else {
        let (tally, written) = report.finish(run.settings.seed);
        return Ok(Played { tally, written, is_interrupted: true });
    };
    let mut waiting = chosen.into_iter().enumerate();
    let mut playing = JoinSet::new();
    let mut done = BTreeMap::new();
    let mut next_told = 0;
    let mut is_interrupted = false;
    loop {
        while playing.len() < run.jobs && !is_interrupted {
            let Some((number, case)) = waiting.next() else { break };
            let setting = Setting {
                settings: run.settings.clone(),
                capabilities: capabilities.clone(),
                cancelled: cancelled.clone(),
            };
            let directory = directory.path().to_owned();
            playing.spawn(async move { (number, play(case, setting, &directory).await) });
        }
        let joined = tokio::select! {
            joined = playing.join_next() => joined,
            () = &mut interrupted, if !is_interrupted => {
                is_interrupted = true;
                let _ = cancel.send(true);
                continue;
            }
        };
        // A case that panics is a fault of this program, and says so on stderr by itself.
        let Some(joined) = joined else { break };
        if let Ok((number, outcome)) = joined {
            done.insert(number, outcome);
        }
        while let Some(outcome) = done.remove(&next_told) {
            report.tell(&outcome);
            next_told += 1;
        }
    }
    let (tally, written) = report.finish(run.settings.seed);
    Ok(Played { tally, written, is_interrupted })
}

/// What a case is played with.
#[derive(Debug)]
struct Setting {
    settings: Settings,
    capabilities: Vec<String>,
    cancelled: watch::Receiver<bool>,
}

/// Starts the worker once, with all the time that this may take, and learns what it can do; nothing if it was interrupted.
async fn first_start(
    settings: &Settings,
    directory: &Path,
    interrupted: impl Future<Output = ()>,
) -> Result<Option<Vec<String>>, RunError> {
    let fault = |why, evidence| RunError::FirstStart { why, evidence };
    let reason = |fault: &Fault| match fault {
        Fault::Failed(why) | Fault::Skipped(why) => why.clone(),
    };
    let mut stage = Stage::new(settings.clone(), directory, "first", settings.first_start)
        .map_err(|failure| fault(reason(&failure), Vec::new()))?;
    let introduced = tokio::select! {
        introduced = capabilities_of(&mut stage) => introduced.map(Some),
        () = interrupted => Ok(None),
    };
    let evidence: Vec<String> = stage.log.lines().into_iter().chain(stage.printed()).collect();
    stage.clear().await;
    introduced.map_err(|failure| fault(reason(&failure), evidence))
}

async fn capabilities_of(stage: &mut Stage) -> Result<Vec<String>, Fault> {
    let (worker, hello) = stage.introduced().await?;
    // It is to be ready once, since its first work may take long too. What it does wrong here is a case's matter.
    let _ = worker.peer.send(&reply(welcome())).await;
    let _ = worker.becomes_ready().await;
    Ok(hello.capabilities)
}

async fn play(case: Case, setting: Setting, directory: &Path) -> Outcome {
    let Setting { settings, capabilities, mut cancelled } = setting;
    let began = Instant::now();
    let start = settings.start;
    let mut outcome = Outcome {
        about: case.about,
        verdict: Ok(()),
        took: Duration::ZERO,
        transcript: Vec::new(),
        printed: Vec::new(),
    };
    match Stage::new(settings, directory, case.about.id, start) {
        Ok(mut stage) => {
            stage.capabilities = capabilities;
            outcome.verdict = match case.about.needs.filter(|needed| !stage.can(needed)) {
                Some(needed) => {
                    Err(Fault::Skipped(format!("the worker does not have the capability `{needed}`")))
                }
                None => tokio::select! {
                    verdict = (case.play)(&mut stage) => verdict,
                    _ = cancelled.wait_for(|is_cancelled| *is_cancelled) => {
                        Err(Fault::Skipped("interrupted".to_owned()))
                    }
                    () = tokio::time::sleep(CASE) => Err(failed(format!("it was not over within {CASE:?}"))),
                },
            };
            if matches!(outcome.verdict, Err(Fault::Failed(_))) {
                outcome.transcript = stage.log.lines();
                outcome.printed = stage.printed();
            }
            stage.clear().await;
        }
        Err(fault) => outcome.verdict = Err(fault),
    }
    outcome.took = began.elapsed();
    outcome
}
