//! `drover reload`: new workers in the place of the old ones, told as it goes.

use std::time::Duration;

use drover_master::Share;
use drover_master::control::{Answers, ClientError, Follow, Name};
use drover_proto::latest::{
    AppStatus, OperationResult, Phase, ReloadRequest, ReloadStep, Share as WireShare, StatusReply,
    UpdateChange, UpdateFailure, share,
};

use super::interrupt::Interrupt;
use super::operate::worse;
use super::{difference, find, patience, refusal::report};
use crate::args::{Global, OnFailure, ReloadArgs};
use crate::exit_status::ExitStatus;
use crate::output::message;
use crate::output::progress::{Progress, ProgressMode};

/// How long the events before a verdict may take to come after it. They are on their way already.
const LAST_EVENTS: Duration = Duration::from_secs(1);

pub(super) async fn run(global: &Global, args: &ReloadArgs) -> ExitStatus {
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let before = match client.status(&[]).await {
        Ok(before) => before,
        Err(error) => return report(&error),
    };
    // A second connection, for what happens from now on.
    let mut second = match args.waiting.no_wait {
        true => None,
        false => match find::connect(global).await {
            Ok(second) => Some(second),
            Err(status) => return status,
        },
    };
    let news = match &mut second {
        Some(second) => match second.events(before.last_seq, true).await {
            Ok(news) => Some(news),
            Err(error) => return report(&error),
        },
        None => None,
    };
    let apps = match args.apps.as_slice() {
        [] => all(&before, step(args)),
        named => named.to_vec(),
    };
    if apps.is_empty() {
        message::error_text(match step(args) {
            ReloadStep::Begin => "no app runs that could be reloaded",
            _ => "no reload is under way",
        });
        return ExitStatus::NotReady;
    }
    if step(args) == ReloadStep::Begin {
        let concerns = |app: &str| apps.iter().any(|name| name.matches_app(app));
        difference::tell_difference(global, concerns).await;
    }
    let results = match client.reload(request(args, &apps)).await {
        Ok(results) => results,
        Err(error) => return report(&error),
    };
    let is_meant = |app: &AppStatus| apps.iter().any(|name| name.matches_app(&app.name));
    let mut watch =
        Watch { results, news, apps: &apps, seen: before.last_seq, progress: progress(global, args) };
    let mut interrupt = Interrupt::new();
    let status = tokio::select! {
        status = watch.until_told() => status,
        () = patience::tell(global, is_meant) => Ok(ExitStatus::Done),
        () = super::deadline::passed(global.time.left()) => Err(ExitStatus::TimedOut),
        () = interrupt.pressed() => Err(ExitStatus::Interrupted),
    };
    status.unwrap_or_else(|left| {
        match (left, args.waiting.timeout) {
            (ExitStatus::TimedOut, Some(limit)) => {
                message::error_text(&format!("not done within {limit:?}; the master continues"));
            }
            _ => message::note("interrupted; the master continues"),
        }
        left
    })
}

/// Every app that serves; to decide about a reload, every one that has one.
fn all(before: &StatusReply, step: ReloadStep) -> Vec<Name> {
    let is_meant = |app: &&AppStatus| match step {
        ReloadStep::Begin => app.phase() == Phase::Started,
        _ => matches!(&*app.operation, "canary" | "paused reload" | "reload"),
    };
    // What is a name to the master is one here.
    before.apps.iter().filter(is_meant).filter_map(|app| app.name.parse().ok()).collect()
}

fn progress(global: &Global, args: &ReloadArgs) -> Progress {
    let step = step(args);
    let shown = match () {
        () if args.json => ProgressMode::Json,
        () if global.quiet => ProgressMode::Nothing,
        () => ProgressMode::Lines,
    };
    Progress::new(shown, step, args.waiting.no_wait)
}

const fn step(args: &ReloadArgs) -> ReloadStep {
    match (args.promote, args.abort) {
        (true, _) => ReloadStep::Promote,
        (_, true) => ReloadStep::Abort,
        (false, false) => ReloadStep::Begin,
    }
}

fn request(args: &ReloadArgs, apps: &[Name]) -> ReloadRequest {
    let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let change = UpdateChange {
        max_surge: args.max_surge.map(share),
        max_unavailable: args.max_unavailable.map(share),
        soak_ms: args.soak.map(milliseconds),
        timeout_ms: args.update_timeout.map(milliseconds),
        on_failure: match args.on_failure {
            None => UpdateFailure::Unspecified,
            Some(OnFailure::Rollback) => UpdateFailure::Rollback,
            Some(OnFailure::Pause) => UpdateFailure::Pause,
        }
        .into(),
    };
    ReloadRequest {
        apps: apps.iter().map(ToString::to_string).collect(),
        step: step(args).into(),
        canary: args.canary,
        change: Some(change).filter(|change| *change != UpdateChange::default()),
        no_wait: args.waiting.no_wait,
    }
}

fn share(share: Share) -> WireShare {
    let amount = match share {
        Share::Count(count) => share::Amount::Count(count),
        Share::Percent(percent) => share::Amount::Percent(percent),
    };
    WireShare { amount: Some(amount) }
}

/// A reload under way, for which the verb waits.
struct Watch<'a> {
    results: Answers<'a, OperationResult>,
    /// None once nothing more comes: the reload goes on without its story.
    news: Option<Answers<'a, Follow>>,
    apps: &'a [Name],
    /// The newest event that was told.
    seen: u64,
    progress: Progress,
}

impl Watch<'_> {
    /// Tells what happens until the last verdict.
    async fn until_told(&mut self) -> Result<ExitStatus, ExitStatus> {
        let mut worst = ExitStatus::Done;
        loop {
            tokio::select! {
                result = self.results.next() => match result {
                    Ok(Some(result)) => worst = worse(worst, self.verdict(&result).await),
                    Ok(None) => return Ok(worst),
                    Err(error) => return Ok(report(&error)),
                },
                next = next_event(&mut self.news) => self.event(next),
            }
        }
    }

    fn event(&mut self, next: Result<Option<Follow>, ClientError>) {
        match next {
            Ok(Some(Follow::Event(event))) => {
                self.seen = event.seq;
                if self.apps.iter().any(|name| name.matches_app(&event.app)) {
                    self.progress.event(&event);
                }
            }
            Ok(Some(Follow::Missed(missed))) => {
                self.seen = missed.next_seq.saturating_sub(1);
                self.progress.missed(missed.count);
            }
            // What a later master adds to the stream.
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                self.news = None;
                self.progress.untold();
            }
        }
    }

    /// Tells one verdict, after all that came before it.
    async fn verdict(&mut self, result: &OperationResult) -> ExitStatus {
        let rest = async {
            while self.seen < result.last_seq && self.news.is_some() {
                let next = next_event(&mut self.news).await;
                self.event(next);
            }
        };
        // Without the last of them the counts are smaller, and nothing else.
        let _ = tokio::time::timeout(LAST_EVENTS, rest).await;
        self.progress.verdict(result)
    }
}

/// The next event; none comes of a connection that is gone.
async fn next_event(news: &mut Option<Answers<'_, Follow>>) -> Result<Option<Follow>, ClientError> {
    match news {
        Some(news) => news.next().await,
        None => std::future::pending().await,
    }
}
