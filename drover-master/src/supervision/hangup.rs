//! The reload of every app that SIGHUP asks for, and who is told how it goes.

use std::fmt;
use std::sync::Arc;

use super::difference;
use super::handle::SupervisorHandle;
use crate::handle::{OperateError, Reload};
use crate::machine::fleet::{EventKind, FleetEvent};
use crate::machine::gate::DenyReason;
use crate::machine::phase::Phase;
use crate::signals::Received;

/// Who hears of reloads by SIGHUP: a service manager, which waits for the end of one that it has asked for
/// (`Type=notify-reload`, `systemd.service(5)`). Called by the supervisor's task, so it must not wait.
pub trait ReloadWitness: fmt::Debug + Send + Sync {
    /// A reload begins.
    fn begun(&self);

    /// It is over; `verdict` says for people what came of it.
    fn over(&self, verdict: &str);
}

/// Reloads every app that runs, and tells the witness. That takes as long as the slowest. Whoever believes that the file is read again is
/// told if that would change something.
pub(super) async fn reload_all(handle: SupervisorHandle, witness: Option<Arc<dyn ReloadWitness>>) {
    // All begin at once; the wait is for one after the other.
    let asked: Vec<_> = handle
        .masters()
        .iter()
        .map(|master| {
            // What does not run has nothing to be replaced, and is not missed.
            let runs = master.snapshot().status.phase == Phase::Started;
            (runs, master.reload_for(Reload::new(), Received::HANGUP))
        })
        .collect();
    let differs = difference::look(&handle).await;
    if let Some(told) = &differs {
        // Whoever shows events shows it as one.
        tracing::info!(target: "drover::supervisor", "{told}");
        let kind = EventKind::FileDiffers { told: told.as_str().into() };
        // Of no app: the file is the master's own.
        handle.events().publish(&Arc::from(""), FleetEvent { worker: None, phase: Phase::Started, kind });
    }
    let mut verdict = ReloadSummary { differs, ..ReloadSummary::default() };
    for (runs, reloaded) in asked {
        verdict.add(runs, reloaded.await);
    }
    if let Some(witness) = witness {
        witness.over(&verdict.text());
    }
}

#[derive(Debug, Default)]
struct ReloadSummary {
    reloaded: usize,
    failed: Vec<String>,
    /// What the file says otherwise.
    differs: Option<String>,
}

impl ReloadSummary {
    fn add(&mut self, runs: bool, reloaded: Result<(), OperateError>) {
        match reloaded {
            Ok(()) => self.reloaded += 1,
            Err(OperateError::Denied { reason: DenyReason::Oneshot | DenyReason::Cron, .. }) => {}
            Err(_) if !runs => {}
            Err(error) => {
                // The events tell of what was begun.
                if matches!(error, OperateError::Denied { .. }) {
                    tracing::warn!(target: "drover::master", %error, "SIGHUP does not reload the app");
                }
                self.failed.push(error.to_string());
            }
        }
    }

    fn text(&self) -> String {
        let apps = if self.reloaded == 1 { "app" } else { "apps" };
        let mut text = format!("{} {apps} reloaded", self.reloaded);
        if !self.failed.is_empty() {
            text = format!("{text}, {} not: {}", self.failed.len(), self.failed.join("; "));
        }
        if let Some(differs) = &self.differs {
            text = format!("{text}; {differs}");
        }
        // One line, for whoever shows it.
        text.replace(['\n', '\r'], " ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_counts_those_that_were_reloaded_and_names_those_that_were_not() {
        let denied = |reason| Err(OperateError::Denied { app: "web".into(), reason });
        for (results, text) in [
            (vec![(true, Ok(()))], "1 app reloaded"),
            (
                vec![
                    (true, Ok(())),
                    (true, denied(DenyReason::Oneshot)),
                    (false, denied(DenyReason::NotRunning)),
                ],
                "1 app reloaded",
            ),
            (
                vec![(true, Ok(())), (true, Ok(())), (true, denied(DenyReason::Suspended))],
                "2 apps reloaded, 1 not: app `web`: workers of it are suspended; resume them first",
            ),
        ] {
            let mut verdict = ReloadSummary::default();
            results.into_iter().for_each(|(runs, result)| verdict.add(runs, result));
            assert_eq!(verdict.text(), text);
        }
        let verdict = ReloadSummary {
            reloaded: 1,
            differs: Some("the file differs".to_owned()),
            ..ReloadSummary::default()
        };
        assert_eq!(verdict.text(), "1 app reloaded; the file differs");
    }
}
