//! A run against a worker: its first start, the cases, and the end of all that it has started.

use std::future::Future;
use std::io;
use std::path::Path;

use super::cases::all;
use super::directory::Directory;
use super::process::orphans;
use super::said::{reply, welcome};
use super::stage::{Settings, WorkerStage};
use crate::case::{About, Fault, Outcome, Played, Tally};
use crate::runner::{self, Stage as _};

/// What to play.
#[derive(Debug)]
pub struct WorkerRun {
    /// What holds for every case.
    pub settings: Settings,
    /// The cases, of those that [`cases`](super::cases) lists.
    pub cases: Vec<About>,
    /// How many to play at once. Most of their time is waiting.
    pub jobs: usize,
}

/// Why no case could be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerRunError {
    /// There is no place for the sockets.
    #[error("a private directory can't be made in {}", std::env::temp_dir().display())]
    Directory(#[source] io::Error),
    /// This process could not end what workers leave behind.
    #[error("this process can't become the parent of what a worker leaves behind")]
    Subreaper(#[source] io::Error),
    /// The worker does not start, so there is nothing to play against.
    #[error("the first start failed: {why}")]
    FirstStart {
        /// What happened instead.
        why: String,
        /// What was said, and the last lines that the worker printed.
        evidence: Vec<String>,
    },
}

/// Plays cases against a worker, and tells each outcome. Once `interrupted` is there, it ends the cases under way and begins no
/// more.
///
/// The process becomes the parent of whatever its workers leave behind (`PR_SET_CHILD_SUBREAPER`), and at the end of the run it
/// kills all its children: run it in a process that has no others.
///
/// # Errors
///
/// The worker does not start, or this machine has no room for a run.
pub async fn run(
    run: WorkerRun,
    tell: impl FnMut(&Outcome),
    interrupted: impl Future<Output = ()>,
) -> Result<Played, WorkerRunError> {
    orphans::adopt().map_err(|error| WorkerRunError::Subreaper(error.into()))?;
    let played = play(run, tell, interrupted).await;
    orphans::end().await;
    played
}

async fn play(
    run: WorkerRun,
    tell: impl FnMut(&Outcome),
    interrupted: impl Future<Output = ()>,
) -> Result<Played, WorkerRunError> {
    let WorkerRun { settings, cases, jobs } = run;
    let directory = Directory::make().map_err(WorkerRunError::Directory)?;
    let mut interrupted = std::pin::pin!(interrupted);
    let Some(capabilities) = first_start(&settings, directory.path(), &mut interrupted).await? else {
        return Ok(Played { tally: Tally::default(), is_interrupted: true });
    };
    let cases = all().into_iter().filter(|case| cases.contains(&case.about)).collect();
    let stage = |about: &About| {
        let mut stage = WorkerStage::new(settings.clone(), directory.path(), about.id, settings.start)?;
        stage.capabilities.clone_from(&capabilities);
        Ok(stage)
    };
    Ok(runner::play(cases, jobs, stage, tell, interrupted).await)
}

/// Starts the worker once, with all the time that this may take, and learns what it can do; nothing if it was interrupted.
async fn first_start(
    settings: &Settings,
    directory: &Path,
    interrupted: impl Future<Output = ()>,
) -> Result<Option<Vec<String>>, WorkerRunError> {
    let fault =
        |fault: &Fault, evidence| WorkerRunError::FirstStart { why: fault.why().to_owned(), evidence };
    let mut stage = WorkerStage::new(settings.clone(), directory, "first", settings.first_start)
        .map_err(|failure| fault(&failure, Vec::new()))?;
    let introduced = tokio::select! {
        introduced = capabilities_of(&mut stage) => introduced.map(Some),
        () = interrupted => Ok(None),
    };
    let evidence: Vec<String> = stage.log.lines().into_iter().chain(stage.printed()).collect();
    stage.close().await;
    introduced.map_err(|failure| fault(&failure, evidence))
}

async fn capabilities_of(stage: &mut WorkerStage) -> Result<Vec<String>, Fault> {
    let (worker, hello) = stage.introduced().await?;
    // It is to be ready once, since its first work may take long too. What it does wrong here is a case's matter.
    let _ = worker.peer.send(&reply(welcome())).await;
    let _ = worker.becomes_ready().await;
    Ok(hello.capabilities)
}
