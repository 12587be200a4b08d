//! Where the lines of an app are written to besides the master's own output: its files, the journal, both or neither.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::journal::{self, JournalLog};
use super::lines::LineBlock;
use super::logfile::{self, FileLog};
use super::transit::{Taker, TransitStream};
use super::{Printer, Stream};
use crate::config::LogPolicy;

/// Where the lines of one worker are written to. Each place has a thread of its own, so that a slow one costs another nothing.
#[derive(Debug, Clone)]
pub(crate) struct LogSinks {
    from: Printer,
    files: Option<FileLog>,
    journal: Option<JournalLog>,
}

impl LogSinks {
    /// Those of an app; none if there are none.
    pub(crate) fn of(app: &Arc<str>, wish: Option<&LogPolicy>, from: Printer) -> Option<Self> {
        let wish = wish?;
        let (files, journal) = (logfile::files_of(app, wish), journal::journal_of(app, wish));
        (files.is_some() || journal.is_some()).then_some(Self { from, files, journal })
    }

    /// What takes lines.
    pub(super) fn takers(&self) -> impl Iterator<Item = Taker> {
        let files = self.files.is_some().then_some(Taker::Files);
        files.into_iter().chain(self.journal.is_some().then_some(Taker::Journal))
    }

    /// Has lines written that were read at once. Waits while a queue is full, a moment at most.
    pub(super) async fn put(
        &self,
        stream: Stream,
        time: SystemTime,
        lines: &LineBlock,
        way: Option<&Arc<TransitStream>>,
    ) {
        for taker in [Taker::Files, Taker::Journal] {
            self.put_to(taker, stream, time, lines, way).await;
        }
    }

    /// The same for one of them.
    pub(super) async fn put_to(
        &self,
        taker: Taker,
        stream: Stream,
        time: SystemTime,
        lines: &LineBlock,
        way: Option<&Arc<TransitStream>>,
    ) {
        let receipt = || way.map(|way| way.receipt(taker, lines.place()));
        match (taker, &self.files, &self.journal) {
            (Taker::Files, Some(files), _) => files.put(self.from, stream, time, lines, receipt()).await,
            (Taker::Journal, _, Some(journal)) => {
                journal.put(self.from, stream, time, lines, receipt()).await;
            }
            _ => {}
        }
    }

    /// Resolves once everything so far is written, or counted.
    pub(super) async fn written(&self) {
        if let Some(files) = &self.files {
            files.written().await;
        }
        if let Some(journal) = &self.journal {
            journal.written().await;
        }
    }
}

/// Waits until everything so far is in the files and in the journal, at most for so long.
pub(super) async fn flush_sinks(within: Duration) {
    tokio::join!(logfile::flush_log_files(within), journal::flush_journal(within));
}
