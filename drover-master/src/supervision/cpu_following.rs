//! Apps whose number of workers follows the CPUs that may be used: when those change, they are scaled as anybody would scale them.
//!
//! Somebody who has scaled one by hand knows better: it is left alone until it has the number again that it would have by itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::handle::SupervisorHandle;
use super::roster::Entry;
use crate::config::{AppSpec, Kind, cpus};
use crate::cpu_watch::CpuWatch;
use crate::handle::{Master, OperateError};
use crate::machine::composite::AppIndex;
use crate::machine::fleet::Count;

/// Who asks for it.
const BY: &str = "a change of the CPUs that may be used";

/// One task, as long as there is an app that follows.
#[derive(Debug, Default)]
pub(super) struct CpuFollowing {
    task: JoinSet<()>,
    /// Somebody may have changed what no file tells.
    look_again: Arc<Notify>,
}

impl CpuFollowing {
    /// Follows what the apps say by now.
    pub(super) fn follow(&mut self, apps: &BTreeMap<AppIndex, Entry>, handle: &SupervisorHandle) {
        while self.task.try_join_next().is_some() {}
        match apps.values().any(|entry| follows(&entry.spec)) {
            true if self.task.is_empty() => {
                self.task.spawn(watch(handle.clone(), Arc::clone(&self.look_again)));
            }
            true => {}
            false => self.task = JoinSet::new(),
        }
    }

    /// Has it looked when this is called.
    pub(super) fn look_again(&self) -> Arc<Notify> {
        Arc::clone(&self.look_again)
    }
}

fn follows(spec: &AppSpec) -> bool {
    spec.follows_cpus && spec.kind == Kind::Service
}

async fn watch(handle: SupervisorHandle, look_again: Arc<Notify>) {
    let mut watch = CpuWatch::begin().await.unwrap_or_else(|error| {
        tell(error);
        None
    });
    let mut given = HashMap::new();
    // It may have changed since the description was read.
    loop {
        if let Ok(now) = tokio::task::spawn_blocking(cpus).await {
            scale_all(&handle, &mut given, now).await;
        }
        let changed = async {
            match &mut watch {
                Some(watch) => watch.changed().await,
                None => std::future::pending().await,
            }
        };
        let failed = tokio::select! {
            changed = changed => changed.err(),
            () = look_again.notified() => None,
        };
        if let Some(error) = failed {
            tell(error);
            watch = None;
        }
    }
}

/// Most who have `auto` because it is the default never change a quota, so it is told to whoever asks for more (`-v`).
fn tell(error: std::io::Error) {
    tracing::info!(target: "drover::supervisor", %error, "nobody tells when the CPUs that may be used change; a reload of all apps by SIGHUP looks");
}

/// Brings each app that follows to this number. `given`: what each had by itself last.
async fn scale_all(handle: &SupervisorHandle, given: &mut HashMap<String, u32>, now: u32) {
    let entries = handle.roster.entries();
    given.retain(|name, _| entries.iter().any(|entry| entry.spec.name == *name));
    // No more than there are apps.
    let mut asked = JoinSet::new();
    for entry in entries.into_iter().filter(|entry| follows(&entry.spec)) {
        let has = entry.master.snapshot().status.desired;
        let last = given.get(&entry.spec.name).copied();
        match what_to_do(has, last, entry.spec.workers, now) {
            ToDo::Scale => drop(asked.spawn(scale(entry.spec.name.clone(), entry.master, now))),
            ToDo::Nothing => drop(given.insert(entry.spec.name.clone(), now)),
        }
    }
    while let Some(done) = asked.join_next().await {
        if let Ok(Some(name)) = done {
            given.insert(name, now);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum ToDo {
    Scale,
    Nothing,
}

/// For an app that has `has` workers: by itself it had `last`, or what its description began with.
const fn what_to_do(has: u32, last: Option<u32>, described: u32, now: u32) -> ToDo {
    let is_by_itself = has == described || matches!(last, Some(last) if last == has);
    if is_by_itself && has != now { ToDo::Scale } else { ToDo::Nothing }
}

/// The app, if it has that many now.
async fn scale(name: String, master: Master, to: u32) -> Option<String> {
    match master.scale_for(Count::To(to), BY).await {
        Ok(()) => Some(name),
        // Somebody has ended it or changed it meanwhile, and knows.
        Err(OperateError::Interrupted { .. }) => None,
        Err(error) => {
            tracing::warn!(target: "drover::supervisor", app = name, to, %error, "the number of workers does not follow the CPUs");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_follows_unless_somebody_has_scaled_it() {
        for (has, last, described, now, to_do) in [
            (4, None, 4, 4, ToDo::Nothing),
            (4, None, 4, 2, ToDo::Scale),
            (2, Some(2), 4, 1, ToDo::Scale),
            (2, Some(2), 4, 4, ToDo::Scale),
            // By hand.
            (7, Some(2), 4, 1, ToDo::Nothing),
            (7, None, 4, 1, ToDo::Nothing),
            // `drover scale APP=auto`, after the last change.
            (1, Some(1), 4, 3, ToDo::Scale),
            // Described anew.
            (6, Some(2), 6, 3, ToDo::Scale),
        ] {
            assert_eq!(what_to_do(has, last, described, now), to_do, "{has} {last:?} {described} {now}");
        }
    }
}
