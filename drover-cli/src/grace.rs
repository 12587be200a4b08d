//! How long apps may take to stop and to start, one after the other. Pure.

use std::time::Duration;

use drover_master::config::file::Config;
use drover_master::config::{AppSpec, Protocol};

/// How long the workers of an app may take to leave.
pub(crate) fn stop_of(app: &AppSpec) -> Duration {
    let stop = &app.stop;
    stop.pre_delay + stop.drain_timeout + quit_of(app) + stop.term_timeout
}

/// How long a worker may take to end once it has drained; only one of the protocol is told so.
pub(crate) fn quit_of(app: &AppSpec) -> Duration {
    if app.protocol == Protocol::Drover { app.stop.quit_timeout } else { Duration::ZERO }
}

/// How long it takes until an app has left, with the apps that depend on it, which leave first; and which those are.
pub(crate) fn chain_of(app: &AppSpec, config: &Config) -> (Duration, String) {
    let dependents = || {
        let all = config.apps.iter().map(|other| &other.spec);
        all.filter(|other| other.depends_on.iter().any(|on| on.app == app.name))
    };
    // A file whose apps wait for each other is refused, so this ends.
    let longest =
        dependents().map(|other| (chain_of(other, config), other)).max_by_key(|((time, _), _)| *time);
    match longest {
        None => (stop_of(app), String::new()),
        Some(((time, further), other)) => {
            let names =
                if further.is_empty() { other.name.clone() } else { format!("{}, {further}", other.name) };
            (time + stop_of(app), names)
        }
    }
}

/// How long it may take until an app is ready, with the apps that it waits for. A oneshot without a limit counts as `unbounded`.
pub(crate) fn start_of(app: &AppSpec, config: &Config, unbounded: Duration) -> Duration {
    let needs =
        app.depends_on.iter().filter_map(|on| config.apps.iter().find(|other| other.spec.name == on.app));
    let before = needs.map(|other| start_of(&other.spec, config, unbounded)).max().unwrap_or_default();
    let own = if app.start.timeout == Duration::MAX { unbounded } else { app.start.timeout };
    before.saturating_add(own)
}
