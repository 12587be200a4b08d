//! Values of `app.NAME.update`.

use super::mistake::{Mistakes, shown};
use super::reader::Entry;
use super::value;
use crate::config::Share;

/// The largest number of workers of one app.
const MOST: u32 = 100_000;

/// A number of workers, or a part of them.
pub(in crate::config) fn share<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<Share> {
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
