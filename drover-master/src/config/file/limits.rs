//! Values of `app.NAME.limits`.

use toml_edit::{Item, value as item};

use super::mistake::Mistakes;
use super::reader::Entry;
use super::size::parse_size;
use super::units::format_duration;
use super::value;
use crate::config::Limit;
use crate::config::keys::{LimitUnit as Unit, inline};

/// One value, or the soft and the hard one.
pub(in crate::config) fn limit<'t>(
    entry: &Entry<'t>,
    unit: Unit,
    mistakes: &mut Mistakes<'t>,
) -> Option<Limit> {
    if !entry.item.is_table_like() {
        return amount(unit)(entry, mistakes).map(Limit::fixed);
    }
    entry.section(mistakes, |pair| {
        let with_span = |entry: &Entry<'t>, mistakes: &mut Mistakes<'t>| {
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
pub(in crate::config) fn written(unit: Unit, Limit { soft, hard }: Limit) -> Item {
    let amount = |number: u64| match unit {
        _ if number == Limit::UNLIMITED => item("unlimited"),
        Unit::Seconds => item(format_duration(std::time::Duration::from_secs(number))),
        Unit::Number => item(i64::try_from(number).unwrap_or(i64::MAX)),
        Unit::Bytes => item(format!("{number}B")),
    };
    match hard {
        Some(hard) if hard == soft => amount(soft),
        Some(hard) => inline([("soft", amount(soft)), ("hard", amount(hard))]),
        None => inline([("soft", amount(soft))]),
    }
}

/// A value with the unit that is meant, or `"unlimited"`.
fn amount<'t>(unit: Unit) -> impl Fn(&Entry<'t>, &mut Mistakes<'t>) -> Option<u64> {
    move |entry, mistakes| {
        if entry.item.as_str() == Some("unlimited") {
            return Some(Limit::UNLIMITED);
        }
        match unit {
            Unit::Number => number(entry, mistakes),
            Unit::Bytes => size(entry, mistakes),
            Unit::Seconds => seconds(entry, mistakes),
        }
    }
}

fn number<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<u64> {
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

/// A size with its unit; nothing needs none.
fn size<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<u64> {
    match (entry.item.as_integer(), entry.item.as_str()) {
        // Nothing is nothing in every unit.
        (Some(0), _) => Some(0),
        (Some(number), _) => {
            let example = if number < 0 { 64 } else { number };
            mistakes
                .add(entry.span.clone(), format!("{} is a number without a unit", entry.path))
                .help(format!("write for example `\"{example}MiB\"`; units are B, KiB, MiB, GiB and TiB"));
            None
        }
        (None, Some(text)) => match parse_size(text) {
            Ok(size) => Some(size),
            Err(error) => {
                mistakes.add(entry.span.clone(), format!("{} {error}", entry.path)).help(error.help());
                None
            }
        },
        (None, None) => {
            entry.mistype(mistakes, "a size").help("write for example `\"64MiB\"`, or `\"unlimited\"`");
            None
        }
    }
}

fn seconds<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<u64> {
    let duration = value::some_duration(entry, mistakes)?;
    if duration.subsec_nanos() > 0 {
        mistakes
            .add(entry.span.clone(), format!("{} has a part of a second, which can't be limited", entry.path))
            .help("use whole seconds");
        return None;
    }
    Some(duration.as_secs())
}

/// A size that is more than zero.
pub(in crate::config) fn some_size<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<u64> {
    let size = size(entry, mistakes)?;
    if size == 0 {
        mistakes.add(entry.span.clone(), format!("{} must be more than zero", entry.path));
        return None;
    }
    Some(size)
}
