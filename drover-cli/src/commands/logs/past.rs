//! What the master has forgotten, from the log files of apps.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use drover_master::control::{ClientError, ControlClient, Name};
use drover_proto::latest::{AppLogFiles, LogLine};
use tokio::task::yield_now;

use super::file_line::FileForm;
use super::seam::Seam;
use super::source::{FileLines, LogSource, slots_in};
use crate::output::message;

/// After how many lines others have a turn, so that an interrupt is heard.
const TURN: u32 = 1024;

/// Apps with log files that are meant.
pub(super) struct PastFiles {
    apps: Vec<(String, AppLogFiles)>,
}

impl PastFiles {
    /// Of the apps that these names mean; no names: of all.
    pub(super) async fn ask(client: &mut ControlClient, names: &[Name]) -> Result<Self, ClientError> {
        let app = |name: &Name| {
            let name = name.to_string();
            name.split(['/', '@']).next().unwrap_or_default().to_owned()
        };
        let mut apps: Vec<String> = names.iter().map(app).collect::<BTreeSet<_>>().into_iter().collect();
        if apps.is_empty() {
            apps.push("*".to_owned());
        }
        let described = client.describe(&apps).await?.apps;
        let apps = described.into_iter().filter_map(|app| Some((app.status?.name, app.log_files?)));
        Ok(Self { apps: apps.collect() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.apps.is_empty()
    }

    /// Opens those from which a line can be told from what is kept; says of the others why not.
    pub(super) fn open(self, seam: &Seam, since_ms: Option<u64>, wants_stream: bool) -> Vec<LogSource> {
        let mut sources = Vec::new();
        for (app, files) in self.apps {
            if since_ms.is_some_and(|since_ms| seam.reaches(&app, since_ms)) {
                continue;
            }
            let reason = if !files.json && !files.timestamps {
                "don't say when (`logs.timestamps`, or `logs.format = \"json\"`)"
            } else if !files.json && wants_stream {
                "don't tell stdout from stderr (`logs.format = \"json\"` does)"
            } else {
                sources.extend(sources_of(app, &files));
                continue;
            };
            message::note(&format!(
                "the log files of `{app}` {reason}: only lines that the master keeps are shown"
            ));
        }
        for (path, error) in sources.iter().flat_map(|source| &source.faults) {
            message::note(&format!(
                "`{}` can't be read, its lines are missing here: {error}",
                path.display()
            ));
        }
        sources
    }
}

fn sources_of(app: String, files: &AppLogFiles) -> Vec<LogSource> {
    let dir = Path::new(OsStr::from_bytes(&files.dir));
    let form = FileForm { app, slot: None, is_json: files.json };
    if !files.per_worker {
        return vec![LogSource::open(form.clone(), &dir.join(format!("{}.log", form.app)))];
    }
    let dir = dir.join(&form.app);
    let of_slot = |slot| {
        let form = FileForm { slot: Some(slot), ..form.clone() };
        LogSource::open(form, &dir.join(format!("{slot}.log")))
    };
    slots_in(&dir).into_iter().map(of_slot).collect()
}

/// Hands on the lines of all of them in the order of their times, from so many of the newest files of each. Whether there are more.
pub(super) async fn merged(
    sources: &[LogSource],
    newest: usize,
    since_ms: u64,
    mut take: impl FnMut(LogLine) -> io::Result<()>,
) -> io::Result<bool> {
    let (mut all, mut has_more) = (Vec::new(), false);
    for source in sources {
        let (lines, more) = source.lines(newest, since_ms)?;
        has_more |= more;
        all.push((lines, None));
    }
    let mut next = BinaryHeap::new();
    for (at, (lines, head)) in all.iter_mut().enumerate() {
        *head = next_line(lines);
        next.extend(head.as_ref().map(|line: &LogLine| Reverse((line.time_ms, at))));
    }
    let mut taken = 0_u32;
    while let Some(Reverse((_, at))) = next.pop() {
        let (lines, head) = &mut all[at];
        if let Some(line) = std::mem::replace(head, next_line(lines)) {
            take(line)?;
        }
        next.extend(head.as_ref().map(|line| Reverse((line.time_ms, at))));
        taken = taken.wrapping_add(1);
        if taken.is_multiple_of(TURN) {
            yield_now().await;
        }
    }
    Ok(has_more)
}

/// The next line that can be read.
fn next_line(lines: &mut FileLines) -> Option<LogLine> {
    loop {
        match lines.next()? {
            Ok(line) => return Some(line),
            Err(error) => message::note(&format!("a log file can't be read to its end: {error}")),
        }
    }
}
