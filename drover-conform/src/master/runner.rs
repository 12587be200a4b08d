//! A run against a master: whether its app runs stand-ins, the cases one after the other, and the app as it was.

use std::future::Future;
use std::path::PathBuf;

use super::cases::all;
use super::stage::MasterStage;
use crate::case::{About, Outcome, Played};
use crate::runner;

/// One after the other: there is one app, and each case wants it for itself.
const JOBS: usize = 1;

/// What to play.
#[derive(Debug)]
pub struct MasterRun {
    /// The master's control socket.
    pub control: PathBuf,
    /// The app of stand-ins.
    pub app: String,
    /// The cases, of those that [`cases`](super::cases) lists.
    pub cases: Vec<About>,
    /// Where mutations begin.
    pub seed: u64,
    /// How many mutated frames to send.
    pub mutations: u32,
}

/// Why no case could be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MasterRunError {
    /// The app does not exist, or does not run stand-ins.
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

/// Plays cases against a running master, and tells each outcome. Once `interrupted` is there, it ends the case under way and
/// begins no more. At the end the app runs by itself again.
///
/// # Errors
///
/// The master has no app of stand-ins by that name, or does not answer.
pub async fn run(
    run: MasterRun,
    tell: impl FnMut(&Outcome),
    interrupted: impl Future<Output = ()>,
) -> Result<Played, MasterRunError> {
    let stage = || MasterStage::new(run.control.clone(), run.app.clone(), run.seed, run.mutations);
    if let Err(fault) = stage().held().await {
        return Err(MasterRunError::NoStandIn { app: run.app, why: fault.why().to_owned() });
    }
    let cases = all().into_iter().filter(|case| run.cases.contains(&case.about)).collect();
    let interrupted = std::pin::pin!(interrupted);
    let played = runner::play(cases, JOBS, |_| Ok(stage()), tell, interrupted).await;
    // A master that is at fault may not take it back; the cases have told that.
    let _ = stage().give_back().await;
    Ok(played)
}
