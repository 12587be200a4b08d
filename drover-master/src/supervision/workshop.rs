//! What all masters of a supervisor are made with, from the first to one that an apply adds.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::hangup::ReloadWitness;
use crate::builder::{MasterBuilder, OwnPart};
use crate::config::AppSpec;
use crate::handle::{BuildError, EventLog, Master};
use crate::listener::ListenerPool;
use crate::process::{OutputLog, OutputTransit};

/// What all masters of a supervisor are made with.
#[derive(Debug)]
pub(crate) struct Workshop {
    pub(crate) events: EventLog,
    /// None if nobody can ask for it.
    pub(crate) output: Option<OutputLog>,
    pub(crate) pool: ListenerPool,
    /// What workers print and is not written yet.
    pub(crate) transit: OutputTransit,
    pub(crate) mark: Option<Arc<str>>,
    pub(crate) shows_messages: bool,
    pub(crate) witness: Option<Arc<dyn ReloadWitness>>,
    /// What the program does for each app by its name, which an apply that makes another master for it does not change.
    pub(crate) own: BTreeMap<String, OwnPart>,
}

impl Workshop {
    /// The master of one more app, or another one of an app.
    pub(crate) fn build(&self, spec: AppSpec) -> Result<Master, BuildError> {
        let own = self.own.get(&spec.name).cloned().unwrap_or_default();
        self.finish(MasterBuilder::from_spec(spec).with_own_part(own))
    }

    /// An app is gone: what it printed is kept no longer, and another one of its name is counted from 0.
    pub(crate) fn forget(&self, app: &str) {
        self.pool.holds().tallies().forget(app);
        if let Some(output) = &self.output {
            output.forget(app);
        }
    }

    pub(crate) fn finish(&self, app: MasterBuilder) -> Result<Master, BuildError> {
        let app = app.event_log(self.events.clone()).output_log(self.output.as_ref());
        let app = if self.shows_messages { app.messages_as_events() } else { app };
        app.listener_pool(self.pool.clone())
            .output_transit(self.transit.clone())
            .mark(self.mark.clone())
            .build()
    }
}
