//! Kinds of values of an app that runs by a schedule.

#[cfg(feature = "file")]
use toml_edit::value as item;

use super::form::Form;
use super::kind::kinds;
#[cfg(feature = "file")]
use crate::config::text::value;
use crate::config::{Schedule, Zone};

/// When runs are due.
pub(super) struct CronSchedule;

/// Whose time that is.
pub(super) struct ZoneName;

kinds! {
    CronSchedule, Schedule:
    shown |schedule| Some(schedule.to_string());
    form |_this| Form::Text;
    read |_this, entry, mistakes| value::filled_string(entry, mistakes).and_then(|text| match text.parse::<Schedule>() {
        Ok(schedule) => Some(schedule),
        Err(error) => {
            entry.refuse(mistakes, &error).help(error.help());
            None
        }
    });
    write |schedule| item(schedule.to_string());

    ZoneName, Zone:
    shown |zone| Some(zone.name().to_owned());
    form |_this| Form::Text;
    read |_this, entry, mistakes| value::filled_string(entry, mistakes).and_then(|text| match text.parse::<Zone>() {
        Ok(zone) => Some(zone),
        Err(error) => {
            entry.refuse(mistakes, &error).help("write `local`, `UTC` or a name such as `Europe/Berlin`; names need the time zones of the system (tzdata)");
            None
        }
    });
    write |zone| item(zone.name());
}
