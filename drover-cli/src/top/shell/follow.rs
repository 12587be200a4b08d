//! Follows what the master tells: events with a look at the whole now and then, and lines.

use std::path::{Path, PathBuf};
use std::time::Duration;

use drover_master::control::{ClientError, ControlClient, Follow, LogFollow};
use drover_proto::latest::LogsRequest;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::top::model::Input;

/// How often a master that is gone is looked for.
const AGAIN: Duration = Duration::from_secs(1);

/// What has happened before, and is shown at first.
const EVENTS_BEFORE: u64 = 1000;
const LINES_BEFORE: u32 = 1000;

/// Follows the events of a master for as long as somebody takes them, and asks it for its status when it is told to.
pub(super) async fn watch(path: PathBuf, apps: Vec<String>, news: Sender<Input>, mut asked: Receiver<()>) {
    let mut seen = Seen::default();
    while let Err(error) = watch_once(&path, &apps, &news, &mut asked, &mut seen).await {
        if news.send(Input::Lost(error.to_string())).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// How far the events of which master were read.
#[derive(Debug, Default)]
struct Seen {
    pid: u32,
    seq: u64,
    times: u32,
}

async fn watch_once(
    path: &Path,
    apps: &[String],
    news: &Sender<Input>,
    asked: &mut Receiver<()>,
    seen: &mut Seen,
) -> Result<(), ClientError> {
    let mut client = ControlClient::connect(path).await?;
    let status = client.status(apps).await?;
    let pid = status.master.as_ref().map_or(0, |master| master.pid);
    if seen.pid != pid {
        *seen = Seen { pid, seq: status.last_seq.saturating_sub(EVENTS_BEFORE), times: seen.times };
    }
    if seen.times > 0 && news.send(Input::Found).await.is_err() {
        return Ok(());
    }
    seen.times = 1;
    if news.send(Input::Status(status)).await.is_err() {
        return Ok(());
    }
    let mut events = client.events(seen.seq, true).await?;
    loop {
        let next = tokio::select! {
            next = events.next() => Some(next?),
            question = asked.recv() => match question {
                Some(()) => None,
                None => return Ok(()),
            },
        };
        let input = match next {
            None => Input::Status(events.status(apps).await?),
            Some(Some(Follow::Event(event))) => {
                seen.seq = event.seq;
                Input::Event(event)
            }
            Some(Some(Follow::Missed(missed))) => Input::EventsMissed(missed.count),
            // What a later master adds to the stream.
            Some(Some(_)) => continue,
            Some(None) => return Err(ClientError::Closed),
        };
        if news.send(input).await.is_err() {
            return Ok(());
        }
    }
}

/// Follows the lines of an app or a worker. The follower of the events notices when the master is gone; a worker that is gone
/// prints nothing more.
pub(super) async fn lines(path: PathBuf, name: String, following: u64, news: Sender<Input>) {
    if news.send(Input::LinesBegin(following)).await.is_err() {
        return;
    }
    if let Err(error @ ClientError::Refused { .. }) = lines_once(&path, name, following, &news).await {
        let _ = news.send(Input::Told(error.to_string())).await;
    }
}

async fn lines_once(
    path: &Path,
    name: String,
    following: u64,
    news: &Sender<Input>,
) -> Result<(), ClientError> {
    let mut client = ControlClient::connect(path).await?;
    let request =
        LogsRequest { names: vec![name], lines: Some(LINES_BEFORE), follow: true, ..LogsRequest::default() };
    let mut lines = client.logs(request).await?;
    while let Some(next) = lines.next().await? {
        let input = match next {
            LogFollow::Line(line) => Input::Line(following, line),
            LogFollow::Missed(missed) => Input::LinesMissed(following, missed.count),
            // What a later master adds to the stream.
            _ => continue,
        };
        if news.send(input).await.is_err() {
            break;
        }
    }
    Ok(())
}
