//! Deadlines that contradict each other. Pure.

use std::time::Duration;

use drover_master::config::file::Config;
use drover_master::config::{AppSpec, Protocol, Share};

use super::facts::Machine;
use super::finding::Findings;
use crate::grace::{chain_of, stop_of};

/// How long `docker stop` waits, unless told otherwise, before it kills all of a container.
const ENGINE: Duration = Duration::from_secs(10);

/// How long systemd waits for a unit (DefaultTimeoutStopSec).
const SYSTEMD: Duration = Duration::from_secs(90);

pub(super) fn judge(config: &Config, machine: &Machine, found: &mut Findings) {
    let whole = config.master.shutdown_timeout;
    for app in config.apps.iter().map(|app| &app.spec) {
        let name = &app.name;
        let stop = stop_of(app);
        if stop > whole {
            found.warning(
                "deadlines",
                format!("the workers of app `{name}` may take {stop:?} to leave, and the whole shutdown has {whole:?} (master.shutdown_timeout): then they are killed"),
                format!("raise master.shutdown_timeout to {stop:?}, or lower app.{name}.stop.drain_timeout"),
            );
        } else {
            let (chain, on) = chain_of(app, config);
            if chain > whole {
                found.note(
                    "deadlines",
                    format!("app `{name}` is stopped after {on}, which together may take {chain:?}, and the whole shutdown has {whole:?} (master.shutdown_timeout)"),
                    format!("raise master.shutdown_timeout to {chain:?}, or lower stop.drain_timeout where less is enough"),
                );
            }
        }
        let is_ready_by_its_age = app.protocol == Protocol::None && app.start.probe.is_none();
        if is_ready_by_its_age && app.start.min_uptime >= app.start.timeout {
            found.error(
                "deadlines",
                format!("a worker of app `{name}` is ready after {:?} (start.min_uptime), and has {:?} for it (start.timeout): it never is", app.start.min_uptime, app.start.timeout),
                format!("raise app.{name}.start.timeout, or lower start.min_uptime"),
            );
        }
        // Of new ones side by side, one group after the other.
        let groups = app.workers.div_ceil(surge(app).max(1));
        let reload = app.update.soak.saturating_mul(groups);
        if !app.update.soak.is_zero() && reload > app.update.timeout {
            found.warning(
                "deadlines",
                format!("a reload of app `{name}` takes {reload:?} at least ({} workers, update.soak {:?}), and has {:?} (update.timeout): it is rolled back", app.workers, app.update.soak, app.update.timeout),
                format!("raise app.{name}.update.timeout or update.max_surge, or lower update.soak"),
            );
        }
    }
    if machine.is_container && whole > ENGINE {
        found.warning(
            "deadlines",
            format!("a shutdown may take {whole:?}, and `docker stop` kills after {ENGINE:?} unless told otherwise"),
            format!("give the container as long: `docker stop -t {0}`, `stop_grace_period: {0}s`, `terminationGracePeriodSeconds: {0}`", whole.as_secs() + 5),
        );
    } else if machine.has_systemd && whole > SYSTEMD {
        found.warning(
            "deadlines",
            format!(
                "a shutdown may take {whole:?}, and systemd kills after {SYSTEMD:?} unless told otherwise"
            ),
            format!("`TimeoutStopSec={}` in the unit", whole.as_secs() + 5),
        );
    }
}

/// How many workers a reload of an app starts beside the old ones.
pub(super) fn surge(app: &AppSpec) -> u32 {
    let most = match app.update.max_surge {
        Share::Count(count) => u64::from(count),
        Share::Percent(percent) => (u64::from(percent) * u64::from(app.workers)).div_ceil(100),
    };
    u32::try_from(most).unwrap_or(u32::MAX).min(app.workers)
}
