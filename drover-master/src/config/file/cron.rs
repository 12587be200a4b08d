//! What an app that runs by a schedule has to have, and what has no meaning for it.

use crate::config::AppSpec;
use crate::config::keys::{self, Key, pointless_for_cron};
use crate::config::text::mistake::Mistakes;

pub(super) fn check(path: &str, spec: &AppSpec, mistakes: &mut Mistakes<'_>) {
    let place = |mistakes: &Mistakes<'_>, key: &str| mistakes.place(&format!("{path}.{key}")).cloned();
    if let (Some(kind), None) = (place(mistakes, "kind"), place(mistakes, "schedule")) {
        let message = format!("{path}.schedule is missing, which an app of the kind `cron` runs by");
        mistakes
            .add(kind.span, message)
            .help("write for example `schedule = \"30 3 * * *\"` or `schedule = \"@every 90s\"`");
    }
    // A policy may be a word in place of a table.
    for key in keys::of_app().map(Key::path).chain(["restart"]) {
        let place = place(mistakes, key).filter(|place| !mistakes.is_default(&place.key_span));
        if let (Some(place), Some((fault, help))) = (place, pointless_for_cron(key, spec)) {
            mistakes.add(place.key_span, format!("{path}.{key} {fault}")).help(help);
        }
    }
}
