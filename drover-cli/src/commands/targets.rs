//! The workers that names mean, and which process each had before anything is changed.

use std::collections::HashMap;

use drover_master::control::Name;
use drover_proto::latest::StatusReply;

use super::{find, refusal::report};
use crate::args::Global;
use crate::exit_status::ExitStatus;

/// The workers that names mean, and their processes.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// By `APP/SLOT`; 0: none.
    pids: HashMap<String, u32>,
    /// How many apps they are of.
    apps: usize,
}

impl Targets {
    /// Asks the master.
    pub(super) async fn ask(global: &Global, names: &[Name]) -> Result<Self, ExitStatus> {
        let mut client = find::connect(global).await?;
        let reply = client.status(&[]).await.map_err(|error| report(&error))?;
        Ok(Self::of(&reply, names))
    }

    fn of(reply: &StatusReply, names: &[Name]) -> Self {
        let mut targets = Self::default();
        for app in &reply.apps {
            let is_meant = |slot, id: u64| {
                names.iter().any(|name| name.matches_worker(&app.name, slot, Some(id).filter(|id| *id != 0)))
            };
            let own = app.workers.iter().filter(|worker| worker.role().is_occupant());
            let meant = own.filter(|worker| is_meant(worker.slot, worker.id));
            let known = targets.pids.len();
            targets.pids.extend(meant.map(|worker| (format!("{}/{}", app.name, worker.slot), worker.pid)));
            targets.apps += usize::from(targets.pids.len() > known);
        }
        targets
    }

    /// The process that was in a slot, if one was.
    pub(super) fn pid(&self, worker: &str) -> Option<u32> {
        self.pids.get(worker).copied().filter(|pid| *pid != 0)
    }

    /// How much is meant, as "4 workers of 2 apps".
    pub(super) fn extent(&self) -> String {
        let counted =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        format!("{} of {}", counted(self.pids.len(), "worker"), counted(self.apps, "app"))
    }
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::{AppStatus, WorkerStatus};

    use super::*;

    #[test]
    fn names_mean_workers_by_app_slot_and_number() {
        let worker = |slot, id, pid| WorkerStatus { slot, id, pid, ..Default::default() };
        let app = |name: &str, workers| AppStatus { name: name.into(), workers, ..Default::default() };
        let apps =
            vec![app("web", vec![worker(0, 7, 70), worker(1, 0, 0)]), app("mail", vec![worker(0, 8, 80)])];
        let reply = StatusReply { apps, ..Default::default() };
        let of = |names: &[&str]| {
            Targets::of(&reply, &names.iter().map(|name| name.parse().unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(of(&["*"]).extent(), "3 workers of 2 apps");
        assert_eq!(of(&["mail"]).extent(), "1 worker of 1 app");
        assert_eq!(of(&["web@7", "web/0"]).extent(), "1 worker of 1 app");
        let all = of(&["web"]);
        assert_eq!((all.pid("web/0"), all.pid("web/1"), all.pid("mail/0")), (Some(70), None, None));
    }
}
