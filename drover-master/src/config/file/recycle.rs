//! `app.NAME.recycle`: when workers have served enough.

use crate::config::RecyclePolicy;

use super::limits;
use super::mistake::Mistakes;
use super::model::Protocol;
use super::reader::{Entry, Reader};
use super::value;

/// Reads `recycle` of an app that speaks `protocol`.
pub(super) fn read(app: &mut Reader<'_, '_>, protocol: Protocol) -> RecyclePolicy {
    app.table("recycle", |table| {
        let default = RecyclePolicy::default();
        if let (Some(entry), Protocol::None | Protocol::Notify) = (table.entry("requests"), protocol) {
            let message = format!("{} has no meaning for a worker that does not speak `drover`", entry.path);
            let help = "leave it out, or set `protocol = \"drover\"`";
            table.mistakes().add(entry.key_span, message).help(help);
        }
        RecyclePolicy {
            age: table.optional("age", value::some_duration),
            rss: table.optional("rss", some_size),
            requests: table.optional("requests", value::whole(1..=u32::MAX)).map(u64::from),
            jitter: table.setting("jitter", default.jitter, value::number(0.0..=1.0)).value,
        }
    })
}

/// A size that is more than zero.
fn some_size<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<u64> {
    let size = limits::size(entry, mistakes)?;
    if size == 0 {
        mistakes.add(entry.span.clone(), format!("{} must be more than zero", entry.path));
        return None;
    }
    Some(size)
}
