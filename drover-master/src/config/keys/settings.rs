//! An app's settings as rows for people, by the keys of `drover.toml`.

use super::cron::pointless_for_cron;
use crate::config::{AppSpec, Output};

impl AppSpec {
    /// How the app is configured, by the keys of `drover.toml`, defaults written out. Of the environment only the names are
    /// shown: values may be secrets.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let has_meaning = |key: &&super::Key<Self>| pointless_for_cron(key.path, self).is_none();
        let told = super::of_app().filter(has_meaning).filter_map(|key| Some((key.path, key.told(self)?)));
        let output = match self.output {
            Output::Forward => "the master's own, as it is",
            Output::Prefixed { .. } => "the master's own, each line with APP/SLOT before it",
            Output::Inherit => "the master's own descriptors",
            Output::Discard => "nowhere",
            Output::Sink(_) => "a sink of the program's own",
        };
        // Of the program that runs the master, and no key.
        told.chain([("output", output.to_owned())]).collect()
    }
}
