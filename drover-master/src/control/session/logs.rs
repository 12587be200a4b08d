//! What workers printed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use drover_proto::latest::{Done, LogsMissed, LogsRequest, OutputStream, control_response};
use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::look::names_or_all;
use super::target::{fits, nothing_fits};
use super::{Gone, Session, over};
use crate::control::name::Name;
use crate::control::output;
use crate::process::{LogNext, LogStream, Piece};

impl Session {
    pub(super) async fn logs(&mut self, seq: u64, request: &LogsRequest) -> Result<(), Gone> {
        let names = match names_or_all(&request.names) {
            Ok(names) => names,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let snapshots = self.snapshots();
        let log = self.supervisor.output();
        // A worker or a slot that is gone may be meant: of it there may be lines still.
        let is_meant = |name: &Name| {
            snapshots.iter().any(|shot| {
                fits(name, shot)
                    || name.matches_app(&shot.app)
                        && (name.worker().is_some()
                            || log
                                .slots(&shot.app)
                                .into_iter()
                                .any(|slot| name.matches(&shot.app, slot, None)))
            })
        };
        if let Some(unknown) = names.iter().find(|name| !is_meant(name)) {
            let error = nothing_fits(unknown, &snapshots);
            return self.refuse(seq, error.code(), error.message).await;
        }
        let _place = match self.places.follow(request.follow) {
            Ok(place) => place,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let apps = snapshots.iter().map(|shot| Arc::clone(&shot.app));
        let apps: Vec<_> = apps.filter(|app| names.iter().any(|name| name.matches_app(app))).collect();
        let mut stream = log.read(apps);
        let wish = LineWish::new(names, request);
        // The pieces and not their lines: an answer to each of a million empty lines takes hundreds of times their memory.
        let kept: Vec<LogNext> =
            std::iter::from_fn(|| stream.try_next()).filter(|next| wish.may_mean(next)).collect();
        let count: u64 = kept.iter().map(answers).sum();
        let wanted = request.lines.map_or(u64::MAX, u64::from);
        let mut skipped = count.saturating_sub(wanted);
        for next in kept {
            let skips = skipped.min(answers(&next));
            skipped -= skips;
            self.tell(seq, &next, skips).await?;
        }
        if request.follow {
            self.follow(seq, stream, &wish).await?;
        }
        self.send(seq, false, control_response::Body::Done(Done::default())).await.map(drop)
    }

    /// Sends what is printed from now on, until all is over, or until no more is wanted.
    async fn follow(&mut self, seq: u64, mut stream: LogStream, wish: &LineWish) -> Result<(), Gone> {
        let end = wish.left().map(|left| Instant::now() + left);
        loop {
            let next = tokio::select! {
                next = stream.next() => next,
                () = until(end) => return Ok(()),
                asked = self.requests.next() => {
                    self.asked_beside(asked).await?;
                    continue;
                }
                is_over = over(&mut self.is_over) => match is_over {
                    true => match stream.try_next() {
                        Some(next) => next,
                        None => return Ok(()),
                    },
                    // The supervisor was let go without an end; nothing would ever be over.
                    false => return Err(Gone),
                },
            };
            if wish.may_mean(&next) {
                self.tell(seq, &next, 0).await?;
            }
        }
    }

    /// Sends it line by line, but for some of the first.
    async fn tell(&mut self, seq: u64, next: &LogNext, skipped: u64) -> Result<(), Gone> {
        match next {
            LogNext::Missed(count) if skipped == 0 => {
                let missed = LogsMissed { count: *count };
                self.send(seq, true, control_response::Body::LogsMissed(missed)).await?;
            }
            LogNext::Missed(_) => {}
            LogNext::Piece(piece) => {
                for text in piece.lines().skip(usize::try_from(skipped).unwrap_or(usize::MAX)) {
                    let line = output::log_line(piece, text);
                    self.send(seq, true, control_response::Body::Log(line)).await?;
                }
            }
        }
        Ok(())
    }
}

/// Which lines a client wants.
struct LineWish {
    names: Vec<Name>,
    since_ms: u64,
    until_ms: Option<u64>,
    /// Unspecified: both.
    stream: OutputStream,
}

impl LineWish {
    fn new(names: Vec<Name>, request: &LogsRequest) -> Self {
        let since_ms = request.since_ms.unwrap_or(0);
        Self { names, since_ms, until_ms: request.until_ms, stream: request.stream() }
    }

    /// Whether it may be of what is wanted.
    fn may_mean(&self, next: &LogNext) -> bool {
        match next {
            LogNext::Missed(_) => true,
            LogNext::Piece(piece) => self.means(piece),
        }
    }

    fn means(&self, piece: &Piece) -> bool {
        let time = output::time_ms(piece);
        let is_of = |name: &Name| name.matches(&piece.app, piece.from.slot, Some(piece.from.worker));
        (self.since_ms..=self.until_ms.unwrap_or(u64::MAX)).contains(&time)
            && (self.stream == OutputStream::Unspecified || self.stream == output::stream(piece.stream))
            && self.names.iter().any(is_of)
    }

    /// How long there may still come what is wanted; none: for ever.
    fn left(&self) -> Option<Duration> {
        let end = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(self.until_ms?))?;
        Some(end.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// How many answers it makes.
fn answers(next: &LogNext) -> u64 {
    match next {
        LogNext::Missed(_) => 1,
        LogNext::Piece(piece) => piece.count(),
    }
}
