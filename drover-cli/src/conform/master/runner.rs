//! Plays cases one after the other and tells what came of each: there is one app, and each case wants it for itself.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::super::Report;
use super::super::case::{Fault, Outcome, Played, failed};
use super::stage::Stage;
use super::{Case, cases};

/// How long one case may take: only a fault in a case reaches it.
const CASE: Duration = Duration::from_secs(10 * 60);

/// What is to be played.
#[derive(Debug)]
pub(crate) struct Run {
    /// The master's control socket.
    pub(crate) control: PathBuf,
    /// The app of stand-ins.
    pub(crate) app: String,
    /// Only cases whose number fits.
    pub(crate) only: Option<glob::Pattern>,
    pub(crate) seed: u64,
    pub(crate) mutations: u32,
}

/// Why nothing could be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// No case has such a number.
    #[error("no case fits `{0}`; `drover conform master --list` shows them")]
    NoCase(String),
    /// There is no such app, or it does not run stand-ins.
    #[error(
        "the app `{app}` can't be played with: {why}; its command is to be `drover conform stand-in`, its protocol `drover`"
    )]
    NoStandIn {
        /// The app.
        app: String,
        /// What happened.
        why: String,
    },
}

/// Plays them. Once `interrupted` is there, nothing more is begun. The app runs by itself again at the end.
pub(crate) async fn run(
    run: Run,
    mut report: Report,
    interrupted: impl Future<Output = ()>,
) -> Result<Played, RunError> {
    let fits = |case: &Case| run.only.as_ref().is_none_or(|only| only.matches(case.about.id));
    let chosen: Vec<Case> = cases().into_iter().filter(fits).collect();
    if let (true, Some(only)) = (chosen.is_empty(), &run.only) {
        return Err(RunError::NoCase(only.as_str().to_owned()));
    }
    let stage = || Stage::new(run.control.clone(), run.app.clone(), run.seed, run.mutations);
    if let Err(Fault::Failed(why) | Fault::Skipped(why)) = stage().held().await {
        return Err(RunError::NoStandIn { app: run.app, why });
    }
    let mut interrupted = std::pin::pin!(interrupted);
    let mut is_interrupted = false;
    for case in chosen {
        let mut stage = stage();
        let played = tokio::select! {
            outcome = play(case, &mut stage) => Some(outcome),
            () = &mut interrupted => None,
        };
        match played {
            Some(outcome) => report.tell(&outcome),
            None => {
                is_interrupted = true;
                break;
            }
        }
    }
    // A master that is at fault may not take it back; the cases have told that.
    let _ = stage().give_back().await;
    let (tally, written) = report.finish(run.seed);
    Ok(Played { tally, written, is_interrupted })
}

async fn play(case: Case, stage: &mut Stage) -> Outcome {
    let began = Instant::now();
    let verdict = match tokio::time::timeout(CASE, (case.play)(stage)).await {
        Ok(verdict) => verdict,
        Err(_) => Err(failed(format!("it was not over within {CASE:?}"))),
    };
    let transcript = match verdict {
        Err(Fault::Failed(_)) => stage.log.lines(),
        _ => Vec::new(),
    };
    Outcome { about: case.about, verdict, took: began.elapsed(), transcript, printed: Vec::new() }
}
