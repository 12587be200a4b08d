//! The progress of a reload, shown on stderr while the verb waits, and its result.

use std::collections::BTreeMap;
use std::time::Duration;

use drover_proto::latest::{ErrorCode, Event, OperationResult, ReloadStep};
use serde_json::json;
use tokio::time::Instant;

use super::{json, message, word};
use crate::exit_status::ExitStatus;

/// How it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProgressMode {
    /// Only the verdict.
    Nothing,
    /// A line an event.
    Lines,
    /// An object an event and a verdict, on stdout.
    Json,
}

/// What has happened so far.
#[derive(Debug)]
pub(crate) struct Progress {
    mode: ProgressMode,
    step: ReloadStep,
    only_begun: bool,
    since: Instant,
    apps: BTreeMap<String, AppProgress>,
    /// Whether all of it was told.
    is_whole: bool,
}

/// What has happened in one app.
#[derive(Debug, Default)]
struct AppProgress {
    replaced: usize,
    /// Its workers reload by a signal, and stay.
    reloads_itself: bool,
    reloaded: usize,
}

impl Progress {
    pub(crate) fn new(mode: ProgressMode, step: ReloadStep, only_begun: bool) -> Self {
        let apps = BTreeMap::new();
        Self { mode, step, only_begun, since: Instant::now(), apps, is_whole: true }
    }

    /// Takes in what happened, and tells it.
    pub(crate) fn event(&mut self, event: &Event) {
        self.apps.entry(event.app.clone()).or_default().take_in(event);
        match self.mode {
            ProgressMode::Nothing => {}
            ProgressMode::Json => drop(message::result(&json::event(event))),
            ProgressMode::Lines => {
                if let Some(line) = line(event) {
                    message::note(&line);
                }
            }
        }
    }

    /// Events are gone that would have been told.
    pub(crate) fn missed(&mut self, count: u64) {
        self.is_whole = false;
        if !matches!(self.mode, ProgressMode::Nothing | ProgressMode::Json) {
            message::note(&format!("{count} events were missed"));
        }
    }

    /// No more news will come.
    pub(crate) fn untold(&mut self) {
        self.is_whole = false;
    }

    /// Tells a verdict, and what it means to a script.
    pub(crate) fn verdict(&mut self, result: &OperationResult) -> ExitStatus {
        // Its news is shown; what others do from now on is not.
        let app = self.apps.remove(&result.name).unwrap_or_default();
        let status = match &result.error {
            None => ExitStatus::Done,
            Some(error) => ExitStatus::of_refusal(error.code()),
        };
        if self.mode == ProgressMode::Json {
            let written = message::whole_result(&self.json(result, &app));
            return if status == ExitStatus::Done { written } else { status };
        }
        match &result.error {
            None => return message::whole_result(&self.done(result, &app, self.since.elapsed())),
            Some(error) => message::error_text(&match result.operation.as_str() {
                "paused reload" if error.code() == ErrorCode::Failed => {
                    format!("{}; {}", error.message, next_steps(&result.name))
                }
                _ => error.message.clone(),
            }),
        }
        message::last_words(&result.last_words);
        status
    }

    fn done(&self, result: &OperationResult, app: &AppProgress, taken: Duration) -> String {
        let OperationResult { name, generation, operation, .. } = result;
        let taken = seconds(taken);
        match (self.step, self.only_begun) {
            (ReloadStep::Promote, true) => format!("{name}: the reload goes on"),
            (ReloadStep::Abort, true) => format!("{name}: the reload is taken back"),
            (_, true) => format!("{name} reloads"),
            (ReloadStep::Abort, false) => format!("{name}: generation {generation} as before, in {taken}"),
            (_, false) if operation == "canary" => {
                let stand = match app.replaced {
                    1 => "1 new worker is ready".to_owned(),
                    0 => "the new workers are ready".to_owned(),
                    count => format!("{count} new workers are ready"),
                };
                format!("{name}: {stand}, in {taken}; {}", next_steps(name))
            }
            (_, false) if app.reloads_itself => match app.reloaded {
                1 => format!("{name}: 1 worker reloaded itself in {taken}"),
                count => format!("{name}: {count} workers reloaded themselves in {taken}"),
            },
            (_, false) => {
                let count = match app.replaced {
                    _ if !self.is_whole => String::new(),
                    1 => ", 1 worker replaced".to_owned(),
                    count => format!(", {count} workers replaced"),
                };
                format!("{name}: generation {generation}{count} in {taken}")
            }
        }
    }

    fn json(&self, result: &OperationResult, app: &AppProgress) -> String {
        let came = match (&result.error, result.operation.as_str()) {
            _ if result.error.is_none() && self.only_begun => "begun",
            (Some(error), _) if error.code() == ErrorCode::RolledBack => "rolled_back",
            (Some(_), "paused reload") => "paused",
            (Some(_), _) => "failed",
            (None, "canary") => "canary",
            (None, _) => "done",
        };
        json!({
            "app": result.name,
            "verdict": came,
            "generation": result.generation,
            "replaced": app.replaced,
            "reloaded": app.reloaded,
            "took_ms": u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            "error": result.error.as_ref().map(|error| &error.message),
            "last_words": result.last_words,
        })
        .to_string()
    }
}

fn next_steps(name: &str) -> String {
    format!("`drover reload --promote {name}` goes on, `drover reload --abort {name}` takes it back")
}

impl AppProgress {
    fn take_in(&mut self, event: &Event) {
        match event.name.as_str() {
            "reload_started" | "rolling_back" => *self = Self::default(),
            "replaced" => self.replaced += 1,
            "reloading" => *self = Self { reloads_itself: true, ..Self::default() },
            "reloaded" if event.slot.is_some() => self.reloaded += 1,
            _ => {}
        }
    }
}

/// The line of an event; none for what says nothing of the reload.
fn line(event: &Event) -> Option<String> {
    let who = event.slot.map_or_else(|| event.app.clone(), |slot| format!("{}/{slot}", event.app));
    let pid = event.pid;
    Some(match (event.name.as_str(), event.replaced_pid) {
        ("spawned" | "handshaken" | "disconnected" | "stopped", _) => return None,
        ("replaced", 0) => format!("{who} replaced, pid {pid}"),
        ("replaced", old) => format!("{who} replaced, pid {old} → {pid}"),
        ("starting", _) => format!("{who} starts, pid {pid}"),
        ("started", _) => format!("{who} is ready, pid {pid}"),
        ("stopping", _) => format!("{who} drains, pid {pid}"),
        // It follows the drain of a worker that can tell, and is all that is known of another.
        ("shutting_down", _) => format!("{who} quits, pid {pid}"),
        ("exited", _) => format!("{who} {}, pid {pid}", event.detail),
        (name, _) => {
            let words = word::of_event(name);
            let detail = if event.detail.is_empty() { String::new() } else { format!(": {}", event.detail) };
            format!("{who} {words}{detail}")
        }
    })
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::Phase;

    use super::*;

    const TAKEN: Duration = Duration::from_millis(1234);

    fn event(name: &str, worker: u64, phase: Phase) -> Event {
        let slot = (worker > 0).then_some(0);
        let pid = worker as u32 * 10;
        Event {
            app: "web".into(),
            slot,
            worker,
            pid,
            name: name.into(),
            phase: phase.into(),
            ..Default::default()
        }
    }

    fn progress(step: ReloadStep, only_begun: bool) -> Progress {
        Progress::new(ProgressMode::Nothing, step, only_begun)
    }

    #[test]
    fn the_verdict_counts_what_was_replaced_since_the_reload_began() {
        let mut progress = progress(ReloadStep::Begin, false);
        for event in [
            event("replaced", 5, Phase::Started),
            event("reload_started", 0, Phase::Started),
            event("starting", 8, Phase::Starting),
            event("started", 8, Phase::Started),
            event("replaced", 8, Phase::Started),
            event("shutting_down", 7, Phase::ShuttingDown),
        ] {
            progress.event(&event);
        }
        let web = &progress.apps["web"];
        let result = OperationResult { name: "web".into(), generation: 3, ..Default::default() };
        assert_eq!(progress.done(&result, web, TAKEN), "web: generation 3, 1 worker replaced in 1.2 s");
        let held = OperationResult { operation: "canary".into(), ..result.clone() };
        let canary = progress.done(&held, web, TAKEN);
        assert!(
            canary.starts_with("web: 1 new worker is ready, in 1.2 s; `drover reload --promote web`"),
            "{canary}"
        );
        for event in [event("reloading", 0, Phase::Started), event("reloaded", 8, Phase::Started)] {
            progress.event(&event);
        }
        progress.event(&event("reloaded", 0, Phase::Started));
        let web = &progress.apps["web"];
        assert_eq!(progress.done(&result, web, TAKEN), "web: 1 worker reloaded itself in 1.2 s");
        progress.event(&event("reload_started", 0, Phase::Started));
        progress.untold();
        assert_eq!(progress.done(&result, &progress.apps["web"], TAKEN), "web: generation 3 in 1.2 s");
    }

    #[test]
    fn each_step_has_words_of_its_own() {
        let result = OperationResult { name: "web".into(), generation: 2, ..Default::default() };
        for (step, only_begun, text) in [
            (ReloadStep::Begin, true, "web reloads"),
            (ReloadStep::Promote, true, "web: the reload goes on"),
            (ReloadStep::Abort, true, "web: the reload is taken back"),
            (ReloadStep::Abort, false, "web: generation 2 as before, in 1.2 s"),
            (ReloadStep::Promote, false, "web: generation 2, 0 workers replaced in 1.2 s"),
        ] {
            assert_eq!(progress(step, only_begun).done(&result, &AppProgress::default(), TAKEN), text);
        }
    }

    #[test]
    fn a_line_has_both_processes_of_a_place() {
        let replaced = Event { replaced_pid: 12, ..event("replaced", 3, Phase::Started) };
        assert_eq!(line(&replaced).unwrap(), "web/0 replaced, pid 12 → 30");
        assert_eq!(line(&event("handshaken", 3, Phase::Starting)), None);
        let held = Event { detail: "1 new worker".into(), ..event("canary_ready", 0, Phase::Started) };
        assert_eq!(line(&held).unwrap(), "web canary ready: 1 new worker");
    }
}
