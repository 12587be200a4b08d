//! `app.NAME.heartbeat`: a table, or `false`.

use std::num::NonZeroU32;

use crate::config::Heartbeat;

use super::model::Protocol;
use super::reader::Reader;
use super::value;

/// Reads `heartbeat` of an app that speaks `protocol`.
pub(super) fn read(app: &mut Reader<'_, '_>, protocol: Protocol) -> Option<Heartbeat> {
    let default = || (protocol == Protocol::Drover).then(Heartbeat::default);
    let Some(entry) = app.entry("heartbeat") else { return default() };
    match entry.item.as_bool() {
        Some(false) => None,
        Some(true) => default(),
        None if !entry.item.is_table_like() => {
            entry
                .mistype(app.mistakes(), "a table or `false`")
                .help("write for example `heartbeat = { interval = \"5s\", misses = 3 }`");
            None
        }
        None => {
            if protocol != Protocol::Drover {
                let message =
                    format!("{} has no meaning for a worker that does not speak `drover`", entry.path);
                app.mistakes()
                    .add(entry.key_span, message)
                    .help("leave it out, or set `protocol = \"drover\"`");
            }
            Some(app.table("heartbeat", table))
        }
    }
}

fn table(table: &mut Reader<'_, '_>) -> Heartbeat {
    let default = Heartbeat::default();
    let misses = table.setting("misses", default.misses.get(), value::whole(1..=100)).value;
    Heartbeat {
        interval: table.setting("interval", default.interval, value::some_duration).value,
        misses: NonZeroU32::new(misses).unwrap_or(default.misses),
    }
}
