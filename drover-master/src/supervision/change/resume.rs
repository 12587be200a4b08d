//! How a change goes on that a master had under way when it was killed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::error::ApplyError;
use super::request::{Take, TakeHow};
use crate::config::{AppSpec, Change, ChangeClass, Description, class_of, is_same_app};
use crate::handle::Master;
use crate::machine::composite::Standing;
use crate::supervision::handle::{SupervisorHandle, SupervisorRequest};
use crate::supervision::news::AppNews;

/// The change under way, as it is written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ChangeMemory {
    pub(crate) wanted: Description,
    /// Who asked for it.
    pub(crate) by: Arc<str>,
    /// The apps that are new.
    pub(super) added: Vec<String>,
    /// Those that ran when it began, and have to be stopped and started for it.
    pub(super) restarted: Vec<String>,
}

impl SupervisorHandle {
    /// Does what is left of it, and what can be done twice once more.
    pub(in crate::supervision) async fn resume_change(self, change: ChangeMemory) -> AppNews {
        let ChangeMemory { wanted, by, added, restarted } = change;
        for app in &wanted.apps {
            self.record_if_reached(app).await;
        }
        let handle = self.clone();
        let compared = tokio::task::spawn_blocking(move || handle.compare(wanted)).await;
        let Ok(Ok(planned)) = compared else { return AppNews::Changed };
        match self.apply(planned, Arc::clone(&by)).await {
            // It tells its end itself.
            Ok(mut steps) => while steps.next().await.is_some() {},
            // Somebody else's, which is as new.
            Err(ApplyError::Busy { .. }) => return AppNews::Asked,
            Err(_) => return AppNews::Changed,
        }
        for app in restarted {
            if self.is_down(&app) {
                // Why it can't be started it tells itself.
                let _ = self.start_app(&app, Arc::clone(&by)).await;
            }
        }
        for app in added {
            if self.is_down(&app) && self.start_app(&app, Arc::clone(&by)).await.is_err() {
                let _ = self.remove_app(&app, Arc::clone(&by)).await;
            }
        }
        AppNews::Asked
    }

    /// An app may be what it is to be already: its driver goes on by itself.
    async fn record_if_reached(&self, app: &AppSpec) {
        let Some((entry, _)) = self.roster.find(&app.name) else { return };
        reloaded(&entry.master).await;
        if is_same_app(&entry.spec, app) || !is_same_app(&entry.master.spec(), app) {
            return;
        }
        let (taken, answer) = oneshot::channel();
        let spec = Arc::new(app.clone());
        let take = Take { app: app.name.clone(), spec, how: TakeHow::Record, taken };
        if self.requests.send(SupervisorRequest::Take(take)).await.is_ok() {
            // It is there; without an answer the supervisor is gone.
            let _ = answer.await;
        }
    }

    fn is_down(&self, app: &str) -> bool {
        self.roster.find(app).is_some_and(|(_, standing)| matches!(standing, Standing::Idle | Standing::Held))
    }
}

/// Until no reload goes on by itself.
async fn reloaded(master: &Master) {
    let (mut now, mut news) = master.watch();
    while matches!(now.status.operation, Some("reload" | "rollback")) {
        // What was missed is in what is seen next.
        let _ = news.next().await;
        now = master.snapshot();
    }
}

impl ChangeMemory {
    pub(super) fn new(
        wanted: Description,
        by: Arc<str>,
        changes: &[Change],
        runs: impl Fn(&str) -> bool,
    ) -> Self {
        let of = |class| {
            let apps = wanted.apps.iter().map(|app| &app.name);
            apps.filter(move |app| class_of(changes, app) == Some(class)).cloned()
        };
        let (added, restarted) =
            (of(ChangeClass::Add).collect(), of(ChangeClass::Restart).filter(|app| runs(app)).collect());
        Self { wanted, by, added, restarted }
    }
}
