//! What the API shows.

use std::sync::Arc;

use serde_json::json;
use tokio::time::timeout;

use super::admin::Admin;
use super::reply::{HttpReply, refusal, stream};
use super::stream::{ReaderGone, SILENCE, SseFeed, feed};
use crate::control::{Name, event_of, json as stable, log_line};
use crate::process::LogNext;
use hyper::StatusCode;

/// How many lines a reader gets that does not say how many it wants: a screen or two.
const LINES: u32 = 200;

/// Events as they come; those that are kept first. `since`: the number of the last one that the reader has.
pub(super) fn events(admin: &Arc<Admin>, since: u64) -> HttpReply {
    let Some(place) = admin.place() else { return full() };
    let (mut feed, body) = feed();
    let mut events = admin.supervisor.events().since(since);
    tokio::spawn(async move {
        let _place = place;
        loop {
            let told: Result<(), ReaderGone> = match timeout(SILENCE, events.next()).await {
                Ok(Ok(event)) => {
                    feed.message(Some(event.seq), "event", &stable::event(&event_of(&event))).await
                }
                Ok(Err(missed)) => {
                    let data = json!({ "count": missed.count, "next_seq": missed.next_seq }).to_string();
                    feed.message(Some(missed.next_seq - 1), "gap", &data).await
                }
                Err(_) => feed.beat().await,
            };
            if told.is_err() {
                return;
            }
        }
    });
    stream(body)
}

/// What is printed; first the last lines of those that are kept.
pub(super) fn logs(admin: &Arc<Admin>, names: &[String], lines: Option<u32>) -> HttpReply {
    let mut parsed = Vec::with_capacity(names.len());
    for name in names {
        match name.parse::<Name>() {
            Ok(name) => parsed.push(name),
            Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }
    let Some(place) = admin.place() else { return full() };
    let (feed, body) = feed();
    let reader = LineReader { admin: Arc::clone(admin), names: parsed, feed };
    let wanted = lines.unwrap_or(LINES);
    tokio::spawn(async move {
        let _place = place;
        let _: Result<(), ReaderGone> = reader.run(wanted).await;
    });
    stream(body)
}

fn full() -> HttpReply {
    refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many readers follow already; close another page and try again",
    )
}

/// Who reads lines.
struct LineReader {
    admin: Arc<Admin>,
    /// None: everything.
    names: Vec<Name>,
    feed: SseFeed,
}

impl LineReader {
    async fn run(mut self, wanted: u32) -> Result<(), ReaderGone> {
        let apps = self.admin.snapshots().into_iter().map(|shot| shot.app);
        let apps: Vec<_> = apps
            .filter(|app| self.names.is_empty() || self.names.iter().any(|name| name.matches_app(app)))
            .collect();
        let mut lines = self.admin.supervisor.output().read(apps);
        let kept: Vec<LogNext> =
            std::iter::from_fn(|| lines.try_next()).filter(|next| self.is_meant(next)).collect();
        let count = |next: &LogNext| if let LogNext::Piece(piece) = next { piece.count() } else { 0 };
        let mut skipped = kept.iter().map(count).sum::<u64>().saturating_sub(wanted.into());
        for next in kept {
            let skips = skipped.min(count(&next));
            skipped -= skips;
            self.show(&next, usize::try_from(skips).unwrap_or(usize::MAX)).await?;
        }
        loop {
            match timeout(SILENCE, lines.next()).await {
                Ok(next) if self.is_meant(&next) => self.show(&next, 0).await?,
                Ok(_) => {}
                Err(_) => self.feed.beat().await?,
            }
        }
    }

    fn is_meant(&self, next: &LogNext) -> bool {
        let LogNext::Piece(piece) = next else { return true };
        let is_of =
            |name: &Name| name.matches_worker(&piece.app, piece.from.slot.0, Some(piece.from.worker.0));
        self.names.is_empty() || self.names.iter().any(is_of)
    }

    async fn show(&mut self, next: &LogNext, skipped: usize) -> Result<(), ReaderGone> {
        match next {
            LogNext::Missed(count) => {
                self.feed.message(None, "gap", &json!({ "count": count }).to_string()).await
            }
            LogNext::Piece(piece) => {
                for line in piece.lines().skip(skipped) {
                    self.feed.message(None, "line", &stable::log_line(&log_line(piece, line))).await?;
                }
                Ok(())
            }
        }
    }
}
