//! How the limit of a resource is read and written.

use std::time::Duration;

use toml_edit::{Item, value as item};

use super::form::LimitUnit;
use super::kind::ValueKind;
use super::number::Time;
use crate::config::Limit;
use crate::config::duration::format_duration;
use crate::config::size::format_size;
use crate::config::text::mistake::Mistakes;
use crate::config::text::reader::KeyValue;
use crate::config::text::tables::inline;
use crate::config::text::value;

/// One value, or the soft and the hard one.
pub(super) fn limit<'t>(entry: &KeyValue<'t>, unit: LimitUnit, mistakes: &mut Mistakes<'t>) -> Option<Limit> {
    if !entry.item.is_table_like() {
        return amount(unit)(entry, mistakes).map(Limit::fixed);
    }
    entry.section(mistakes, |pair| {
        let with_span = |entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>| {
            amount(unit)(entry, mistakes).map(|value| (value, entry.span.clone()))
        };
        let soft = pair.required("soft", "say what holds, for example `{ soft = …, hard = … }`", with_span);
        let hard = pair.optional("hard", with_span);
        let (soft, span) = soft?;
        if let Some((most, other)) = &hard
            && soft > *most
        {
            let message = format!("{0}.soft is above {0}.hard", pair.path());
            pair.mistakes().add(span, message).label(other.clone(), "`hard` is set here");
        }
        Some(Limit { soft, hard: hard.map(|(hard, _)| hard) })
    })
}

/// A limit as a file has it.
pub(super) fn written(unit: LimitUnit, Limit { soft, hard }: Limit) -> Item {
    let amount = |number: u64| match unit {
        _ if number == Limit::UNLIMITED => item("unlimited"),
        LimitUnit::Seconds => item(format_duration(Duration::from_secs(number))),
        LimitUnit::Number => item(i64::try_from(number).unwrap_or(i64::MAX)),
        LimitUnit::Bytes => item(format_size(number)),
    };
    match hard {
        Some(hard) if hard == soft => amount(soft),
        Some(hard) => inline([("soft", amount(soft)), ("hard", amount(hard))]),
        None => inline([("soft", amount(soft))]),
    }
}

/// A value with the unit that is meant, or `"unlimited"`.
fn amount<'t>(unit: LimitUnit) -> impl Fn(&KeyValue<'t>, &mut Mistakes<'t>) -> Option<u64> {
    move |entry, mistakes| {
        if entry.item.as_str() == Some("unlimited") {
            return Some(Limit::UNLIMITED);
        }
        match unit {
            LimitUnit::Number => number(entry, mistakes),
            LimitUnit::Bytes => value::size(entry, mistakes),
            LimitUnit::Seconds => seconds(entry, mistakes),
        }
    }
}

fn number<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<u64> {
    const HELP: &str = "write for example `4096`, or `\"unlimited\"`";
    let Some(number) = entry.item.as_integer() else {
        entry.mistype(mistakes, "an integer").help(HELP);
        return None;
    };
    let count = u64::try_from(number).ok();
    if count.is_none() {
        mistakes.add(entry.span.clone(), format!("{} is {number}, below zero", entry.path)).help(HELP);
    }
    count
}

fn seconds<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<u64> {
    let duration = Time::SOME.read(None, entry, mistakes)?;
    if duration.subsec_nanos() > 0 {
        mistakes
            .add(entry.span.clone(), format!("{} has a part of a second, which can't be limited", entry.path))
            .help("use whole seconds");
        return None;
    }
    Some(duration.as_secs())
}
