//! The last replacement of each app's workers, as pairs of old and new.

use std::collections::HashMap;

use drover_proto::latest::Event;

/// What is kept of one app: slots of the largest apps that somebody looks at one by one.
const PAIRS: usize = 1000;

/// One worker that took the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) slot: u32,
    pub(crate) old_pid: u32,
    pub(crate) new_pid: u32,
    pub(crate) generation: u64,
    /// When that was, in milliseconds since 1970.
    pub(crate) time: u64,
}

/// What is known of the last reload of an app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LastReload {
    /// When it began, in milliseconds since 1970; 0 if that was not seen.
    pub(crate) begun: u64,
    /// How it ended, and when.
    pub(crate) verdict: Option<(String, u64)>,
    pub(crate) pairs: Vec<Replaced>,
}

/// By app.
#[derive(Debug, Default)]
pub(crate) struct Replacements(HashMap<String, LastReload>);

impl Replacements {
    pub(crate) fn of(&self, app: &str) -> Option<&LastReload> {
        self.0.get(app)
    }

    pub(crate) fn event(&mut self, event: &Event) {
        match &*event.name {
            "reload_started" => {
                let begun = LastReload { begun: event.time_ms, ..LastReload::default() };
                self.0.insert(event.app.clone(), begun);
            }
            "replaced" => {
                let reload = self.0.entry(event.app.clone()).or_default();
                if reload.pairs.len() < PAIRS {
                    reload.pairs.push(Replaced {
                        slot: event.slot.unwrap_or_default(),
                        old_pid: event.replaced_pid,
                        new_pid: event.pid,
                        generation: event.generation,
                        time: event.time_ms,
                    });
                }
            }
            name => {
                let is_verdict = matches!(name, "committed" | "reload_failed" | "rolled_back");
                if let Some(reload) = self.0.get_mut(&event.app).filter(|_| is_verdict) {
                    let detail =
                        if event.detail.is_empty() { String::new() } else { format!(": {}", event.detail) };
                    let text = format!("{}{detail}", crate::output::word::of_event(name));
                    reload.verdict = Some((text, event.time_ms));
                }
            }
        }
    }
}
