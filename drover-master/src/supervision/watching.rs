//! Apps whose files are watched: a change restarts or reloads them.
//!
//! Each has one task that waits for a change, asks for what is to follow as anybody would, and waits for its verdict. So there is never
//! more than one under way, and what changes meanwhile is one more.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::handle::SupervisorHandle;
use super::roster::Entry;
use crate::config::{AppSpec, WatchAction, WatchPolicy};
use crate::file_watch::{FileNews, FileWatch, FilesChanged};
use crate::handle::{Master, Reload};
use crate::machine::composite::{AppIndex, Standing};
use crate::machine::fleet::{EventKind, FleetEvent};

/// An app whose files are watched until this is dropped.
#[derive(Debug)]
struct AppWatch {
    wanted: WatchOrder,
    _task: JoinSet<()>,
}

/// What is to be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WatchOrder {
    policy: WatchPolicy,
    /// The app's directory.
    base: PathBuf,
}

impl WatchOrder {
    fn of(spec: &AppSpec) -> Option<Self> {
        let base = spec.command.cwd.clone().unwrap_or_else(|| PathBuf::from("."));
        Some(Self { policy: spec.watch.clone()?, base })
    }
}

/// The apps whose files are watched.
#[derive(Debug, Default)]
pub(super) struct AppWatches(BTreeMap<AppIndex, AppWatch>);

impl AppWatches {
    /// Watches what the apps say by now.
    pub(super) fn follow(&mut self, apps: &BTreeMap<AppIndex, Entry>, handle: &SupervisorHandle) {
        let wanted = |app: &AppIndex| apps.get(app).and_then(|entry| WatchOrder::of(&entry.spec));
        self.0.retain(|app, watch| wanted(app).as_ref() == Some(&watch.wanted));
        for (app, entry) in apps {
            if let (Some(wanted), false) = (WatchOrder::of(&entry.spec), self.0.contains_key(app)) {
                let mut task = JoinSet::new();
                task.spawn(follow(handle.clone(), entry.spec.name.clone(), wanted.clone()));
                self.0.insert(*app, AppWatch { wanted, _task: task });
            }
        }
    }
}

async fn follow(handle: SupervisorHandle, app: String, WatchOrder { policy, base }: WatchOrder) {
    let WatchPolicy { paths, ignore, debounce, action } = policy;
    let paths = if paths.is_empty() { vec![base.clone()] } else { paths };
    let mut files = match FileWatch::begin(base, paths, &ignore, debounce) {
        Ok(files) => files,
        Err(error) => return publish(&handle, &app, failed(format!("files can't be watched: {error}"))),
    };
    loop {
        match files.next().await {
            FileNews::NotWatched(trouble) => publish(&handle, &app, failed(trouble)),
            FileNews::Changed(changed) => act(&handle, &app, action, changed).await,
        }
    }
}

fn failed(trouble: String) -> EventKind {
    tracing::warn!(target: "drover::supervisor", "{trouble}");
    EventKind::WatchFailed { trouble: trouble.into() }
}

/// Has the app restarted or reloaded, and waits for how that goes; its own events tell. What does not run, but has ended by itself, is
/// started again: with another file it may succeed.
async fn act(handle: &SupervisorHandle, app: &str, action: WatchAction, changed: FilesChanged) {
    let Some((entry, standing)) = handle.roster.find(app) else { return };
    let action = match standing {
        Standing::Started => action,
        Standing::Starting | Standing::Ended(_) => WatchAction::Restart,
        // Somebody wants it to be down; or it is to start, with the files as they are.
        Standing::Idle | Standing::Waiting { .. } | Standing::Stopping | Standing::Held => return,
    };
    let file = changed.file.display().to_string();
    let by = format!("a change of {file}");
    let kind = EventKind::WatchFired { file: file.into(), has_more: changed.has_more, action: action.name() };
    publish_for(handle, &entry.master, app, kind);
    let error = match action {
        WatchAction::Restart => handle.restart_app(app, by).await.err().map(|error| error.to_string()),
        WatchAction::Reload => {
            entry.master.reload_for(Reload::new(), by).await.err().map(|error| error.to_string())
        }
    };
    if let Some(error) = error {
        tracing::warn!(target: "drover::supervisor", app, %error, "a change of files");
    }
}

fn publish(handle: &SupervisorHandle, app: &str, kind: EventKind) {
    if let Some((entry, _)) = handle.roster.find(app) {
        publish_for(handle, &entry.master, app, kind);
    }
}

fn publish_for(handle: &SupervisorHandle, master: &Master, app: &str, kind: EventKind) {
    let phase = master.snapshot().status.phase;
    handle.events().publish(&Arc::from(app), FleetEvent { worker: None, phase, kind });
}
