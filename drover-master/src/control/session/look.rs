//! Verbs that only look.

use std::sync::Arc;

use drover_proto::latest::{
    AppDescription, DescribeReply, DescribeRequest, Error, ErrorCode, Phase, Setting, StatusReply,
    StatusRequest, WorkerDescription, WorkerRole, WorkerStatus, control_response,
};
use prost::Message as _;

use super::target::{fits, nothing_fits, parse};
use super::{Gone, Session};
use crate::control::name::Name;
use crate::control::{convert, cron, exit, output, overview};
use crate::handle::{Master, Snapshot};

/// How many bytes of descriptions make an answer full: a quarter of the frame limit, which is room for the worker that fills
/// it, whose last words are bounded far below.
const PART: usize = 1024 * 1024;

impl Session {
    pub(super) async fn status(&mut self, seq: u64, request: &StatusRequest) -> Result<(), Gone> {
        let names = match names_or_all(&request.apps) {
            Ok(names) => names,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let now = tokio::time::Instant::now().into_std();
        let mut wanted = self.snapshots();
        if let Some(unknown) = names.iter().find(|name| !wanted.iter().any(|shot| fits(name, shot))) {
            let error = nothing_fits(unknown, &wanted);
            return self.refuse(seq, error.code(), error.message).await;
        }
        for shot in &mut wanted {
            let app = Arc::clone(&shot.app);
            shot.workers.retain(|worker| names.iter().any(|name| name.matches(&app, worker.slot, worker.id)));
        }
        wanted.retain(|shot| names.iter().any(|name| fits(name, shot)));
        let master = overview::master(&self.supervisor);
        let last_seq = wanted.iter().map(|shot| shot.last_seq).max().unwrap_or(0);
        let mut parts = convert::StatusParts::new(wanted, self.supervisor.waits(), now);
        loop {
            let (apps, more) = parts.next_part();
            let reply = StatusReply { master: Some(master.clone()), apps, last_seq };
            let is_last = self.send(seq, more, control_response::Body::Status(reply)).await?;
            if is_last {
                return Ok(());
            }
        }
    }

    pub(super) async fn describe(&mut self, seq: u64, request: &DescribeRequest) -> Result<(), Gone> {
        if request.as_file {
            return self.describe_as_file(seq, &request.names).await;
        }
        let apps = self.supervisor.described();
        let snapshots: Vec<Snapshot> = apps.iter().map(|(master, _)| master.snapshot()).collect();
        let names = match parse(&request.names) {
            Ok(names) => names,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let (mut part, mut size) = (DescribeReply::default(), 0);
        for name in names.iter().filter(|name| !snapshots.iter().any(|shot| fits(name, shot))) {
            let meant = apps.iter().map(|(master, _)| master);
            let past = past_of(name, meant.filter(|master| name.matches_app(&master.spec().name))).await;
            if past.is_empty() {
                let error = nothing_fits(name, &snapshots);
                return self.refuse(seq, error.code(), error.message).await;
            }
            part.workers.extend(past);
        }
        let now = tokio::time::Instant::now().into_std();
        for ((master, spec), snapshot) in apps.iter().zip(&snapshots) {
            if names.iter().any(|name| name.is_of_apps() && name.matches_app(&snapshot.app)) {
                let settings = spec.settings().into_iter();
                let settings = settings.map(|(key, value)| Setting { key: key.to_owned(), value }).collect();
                let mut status = convert::app_status(snapshot);
                let waits = self.supervisor.waits().into_iter().find(|(waiting, _)| *waiting == status.name);
                status.waits_for = waits.map_or_else(Vec::new, |(_, on)| on);
                let app = AppDescription {
                    status: Some(status),
                    settings,
                    log_files: spec.logs.as_ref().and_then(output::log_files),
                    runs: snapshot.status.cron.as_ref().map(cron::runs).unwrap_or_default(),
                };
                size += app.encoded_len();
                part.apps.push(app);
            }
            for row in &snapshot.workers {
                if !names.iter().any(|name| name.matches(&snapshot.app, row.slot, row.id)) {
                    continue;
                }
                // A master that is gone remembers nothing.
                let history = master.history(row.slot).await.unwrap_or_default();
                let worker = WorkerDescription {
                    app: snapshot.app.to_string(),
                    status: Some(convert::worker_status(row, now)),
                    history: history.iter().map(|ended| exit::whole_exit(ended)).collect(),
                };
                size += worker.encoded_len();
                part.workers.push(worker);
                if size >= PART {
                    let full = std::mem::take(&mut part);
                    size = 0;
                    self.send(seq, true, control_response::Body::Description(full)).await?;
                }
            }
        }
        self.send(seq, false, control_response::Body::Description(part)).await.map(drop)
    }
}

/// Where the directory of the master is not known, workers are run in the root.
#[cfg(feature = "file")]
const ROOT: &str = "/";

impl Session {
    #[cfg(not(feature = "file"))]
    async fn describe_as_file(&mut self, seq: u64, _names: &[String]) -> Result<(), Gone> {
        let message = "this program was built without drover.toml".to_owned();
        self.refuse(seq, ErrorCode::Unimplemented, message).await
    }

    #[cfg(feature = "file")]
    async fn describe_as_file(&mut self, seq: u64, names: &[String]) -> Result<(), Gone> {
        let names = match parse(names) {
            Ok(names) => names,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let mut wanted = self.supervisor.description();
        let is_meant = |name: &Name, app: &str| name.is_of_apps() && name.matches_app(app);
        if let Some(unknown) =
            names.iter().find(|name| !wanted.apps.iter().any(|app| is_meant(name, &app.name)))
        {
            let error = nothing_fits(unknown, &self.snapshots());
            return self.refuse(seq, error.code(), error.message).await;
        }
        wanted.apps.retain(|app| names.iter().any(|name| is_meant(name, &app.name)));
        // Whoever reads the file may be elsewhere.
        let home = std::env::current_dir().unwrap_or_else(|_| ROOT.into());
        for app in &mut wanted.apps {
            app.command.cwd.get_or_insert_with(|| home.clone());
        }
        // A thousand apps take a while to be written.
        let written = tokio::task::spawn_blocking(move || crate::config::file::of_description(&wanted)).await;
        match written {
            Ok(file) => {
                let reply = DescribeReply { file, ..Default::default() };
                self.send(seq, false, control_response::Body::Description(reply)).await.map(drop)
            }
            // A panic, which the runtime has told.
            Err(_) => {
                let message = "the file could not be written".to_owned();
                self.refuse(seq, ErrorCode::Failed, message).await
            }
        }
    }
}

/// What is remembered of a slot that apps have lost by a change of scale.
async fn past_of(name: &Name, masters: impl Iterator<Item = &Master>) -> Vec<WorkerDescription> {
    let Some(slot) = name.slot() else { return Vec::new() };
    let mut past = Vec::new();
    for master in masters {
        let history = master.history(slot).await.unwrap_or_default();
        if history.is_empty() {
            continue;
        }
        let status = WorkerStatus {
            slot: slot.0,
            phase: Phase::ShutDown.into(),
            role: WorkerRole::Occupant.into(),
            ..WorkerStatus::default()
        };
        past.push(WorkerDescription {
            app: master.spec().name.clone(),
            status: Some(status),
            history: history.iter().map(|ended| exit::whole_exit(ended)).collect(),
        });
    }
    past
}

/// The names as they are meant; none mean all.
pub(super) fn names_or_all(names: &[String]) -> Result<Vec<Name>, Error> {
    if names.is_empty() { parse(&["*".to_owned()]) } else { parse(names) }
}
