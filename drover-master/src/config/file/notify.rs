//! `app.NAME.notify_fd`, `app.NAME.notify_access`, `app.NAME.watchdog` and `app.NAME.reload`: what programs tell that know `sd_notify(3)` or s6.

use std::time::Duration;

use crate::config::NotifyAccess;

use super::model::{Protocol, ReloadBySignal};
use super::reader::Reader;
use super::{timing, value};

/// Reads `notify_fd` of an app with so many sockets.
pub(super) fn descriptor(app: &mut Reader<'_, '_>, protocol: Protocol, sockets: usize) -> Option<u32> {
    let entry = app.entry("notify_fd")?;
    if protocol != Protocol::Notify {
        let message = format!("{} has no meaning without the protocol that it belongs to", entry.path);
        app.mistakes().add(entry.key_span, message).help("leave it out, or set `protocol = \"notify\"`");
        return None;
    }
    let lowest = 3 + u32::try_from(sockets).unwrap_or(u32::MAX);
    // Below are the standard streams and the sockets.
    value::whole(lowest.min(255)..=255)(&entry, app.mistakes())
}

/// What `notify_access` may be.
const ACCESSES: &[(&str, NotifyAccess)] = &[("main", NotifyAccess::Main), ("all", NotifyAccess::All)];

/// Reads `notify_access`.
pub(super) fn access(app: &mut Reader<'_, '_>, protocol: Protocol, has_descriptor: bool) -> NotifyAccess {
    let Some(entry) = app.entry("notify_access") else { return NotifyAccess::Main };
    let help = match (protocol, has_descriptor) {
        (Protocol::Notify, false) => {
            return value::word(ACCESSES)(&entry, app.mistakes()).unwrap_or_default();
        }
        (Protocol::Notify, true) => "leave it out; with `notify_fd` whoever holds that may speak",
        _ => "leave it out, or set `protocol = \"notify\"`",
    };
    let message = format!("{} has no meaning without the socket of sd_notify(3)", entry.path);
    app.mistakes().add(entry.key_span, message).help(help);
    NotifyAccess::Main
}

/// Reads `watchdog`.
pub(super) fn watchdog(
    app: &mut Reader<'_, '_>,
    protocol: Protocol,
    has_descriptor: bool,
) -> Option<Duration> {
    let entry = app.entry("watchdog")?;
    if protocol == Protocol::None {
        let message = format!("{} has no meaning for a worker without a protocol", entry.path);
        let help = "leave it out, or set `protocol = \"notify\"`, if it says WATCHDOG=1";
        app.mistakes().add(entry.key_span, message).help(help);
        return None;
    }
    if has_descriptor {
        let message =
            format!("{} has no meaning with `notify_fd`, which only tells of readiness", entry.path);
        app.mistakes().add(entry.key_span, message).help("leave one of them out");
        return None;
    }
    value::some_duration(&entry, app.mistakes())
}

/// Reads `reload`.
pub(super) fn reload(
    app: &mut Reader<'_, '_>,
    protocol: Protocol,
    has_descriptor: bool,
) -> Option<ReloadBySignal> {
    let entry = app.entry("reload")?;
    if protocol == Protocol::Drover {
        let message =
            format!("{} has no meaning for workers of the protocol, which are replaced", entry.path);
        app.mistakes().add(entry.key_span, message).help("leave it out");
        return None;
    }
    let tells = protocol == Protocol::Notify && !has_descriptor;
    app.table("reload", |table| {
        let help = "name it, for example `reload = { signal = \"HUP\" }`";
        let signal = table.required("signal", help, timing::signal);
        let waits = table.entry("wait");
        if let Some(entry) = waits.as_ref().filter(|entry| !tells && entry.item.as_bool() == Some(true)) {
            let message = format!("{} is true, but such a worker can't say that it has reloaded", entry.path);
            let help = "leave it out, or set `protocol = \"notify\"` without `notify_fd`";
            table.mistakes().add(entry.span.clone(), message).help(help);
        }
        let wait = waits.and_then(|entry| value::boolean(&entry, table.mistakes())).unwrap_or(tells);
        Some(ReloadBySignal { signal: signal?, wait: wait && tells })
    })
}
