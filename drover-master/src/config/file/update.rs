//! `app.NAME.update`.

use crate::config::{OnUpdateFailure, Share, UpdateOrder, UpdatePolicy};

use super::mistake::{Mistakes, shown};
use super::reader::{Entry, Reader};
use super::value;

pub(super) const ORDERS: &[(&str, UpdateOrder)] =
    &[("start-first", UpdateOrder::StartFirst), ("stop-first", UpdateOrder::StopFirst)];

pub(super) const FAILURES: &[(&str, OnUpdateFailure)] =
    &[("rollback", OnUpdateFailure::Rollback), ("pause", OnUpdateFailure::Pause)];

/// The largest number of workers of one app.
const MOST: u32 = 100_000;

/// Reads `update` of an app.
pub(super) fn read(app: &mut Reader<'_, '_>) -> UpdatePolicy {
    app.table("update", |table| {
        let default = UpdatePolicy::default();
        let soak = table.setting("soak", default.soak, value::duration);
        let timeout = table.setting("timeout", default.timeout, value::some_duration);
        let path = table.path().to_owned();
        value::in_order(table.mistakes(), &path, &soak, &timeout);
        UpdatePolicy {
            max_surge: table.setting("max_surge", default.max_surge, share).value,
            max_unavailable: table.setting("max_unavailable", default.max_unavailable, share).value,
            soak: soak.value,
            order: table.setting("order", default.order, value::word(ORDERS)).value,
            on_failure: table.setting("on_failure", default.on_failure, value::word(FAILURES)).value,
            timeout: timeout.value,
            max_generations: table
                .setting("max_generations", default.max_generations, value::whole(2..=100))
                .value,
        }
    })
}

/// A number of workers, or a part of them.
fn share<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<Share> {
    const HELP: &str = "write a number of workers, for example `2`, or a part of them, for example `\"25%\"`";
    if entry.item.is_integer() {
        return value::whole(0..=MOST)(entry, mistakes).map(Share::Count);
    }
    let Some(text) = entry.item.as_str() else {
        entry.mistype(mistakes, "an integer or a percentage").help(HELP);
        return None;
    };
    match text.parse() {
        Ok(Share::Percent(percent)) => Some(Share::Percent(percent)),
        Ok(Share::Count(_)) => {
            entry.mistype(mistakes, "an integer or a percentage").help("write it without the quotes");
            None
        }
        Err(_) => {
            let message = format!("{} is no percentage from 0% to 100%: `{}`", entry.path, shown(text));
            mistakes.add(entry.span.clone(), message).help(HELP);
            None
        }
    }
}
