//! `app.NAME.limits`.

use crate::config::{Limit, Limits, Resource};

use super::mistake::Mistakes;
use super::reader::{Entry, Origin, Reader};
use super::size::parse_size;
use super::value;

/// What the values of a limit count.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Number,
    Bytes,
    Seconds,
}

/// Each key with its resource; the keys are the names that the kernel has for them.
const RESOURCES: [(&str, Resource, Unit); 12] = [
    ("as", Resource::AddressSpace, Unit::Bytes),
    ("core", Resource::Core, Unit::Bytes),
    ("cpu", Resource::Cpu, Unit::Seconds),
    ("data", Resource::Data, Unit::Bytes),
    ("fsize", Resource::FileSize, Unit::Bytes),
    ("memlock", Resource::Memlock, Unit::Bytes),
    ("msgqueue", Resource::MessageQueues, Unit::Bytes),
    ("nofile", Resource::OpenFiles, Unit::Number),
    ("nproc", Resource::Processes, Unit::Number),
    ("rtprio", Resource::RealtimePriority, Unit::Number),
    ("sigpending", Resource::PendingSignals, Unit::Number),
    ("stack", Resource::Stack, Unit::Bytes),
];

/// Reads `limits` of an app.
pub(super) fn read(app: &mut Reader<'_, '_>) -> Limits {
    app.table("limits", |table| {
        let default = Limits::default();
        let mut limits = Limits {
            nice: table.optional("nice", value::integer(-20..=19)),
            oom_score_adj: table.optional("oom_score_adj", value::integer(-1000..=1000)),
            is_required: table.setting("required", default.is_required, value::boolean).value,
            ..default
        };
        for (key, resource, unit) in RESOURCES {
            if let Some(limit) = limit(table, key, unit) {
                limits = limits.with(resource, limit);
            }
        }
        limits
    })
}

fn limit(table: &mut Reader<'_, '_>, key: &'static str, unit: Unit) -> Option<Limit> {
    let entry = table.entry(key)?;
    if !entry.item.is_table_like() {
        return amount(unit)(&entry, table.mistakes()).map(Limit::fixed);
    }
    table.table(key, |pair| {
        let soft = pair.required(
            "soft",
            "say what holds, for example `{ soft = …, hard = … }`",
            |entry, mistakes| amount(unit)(entry, mistakes).map(|value| (value, entry.span.clone())),
        );
        let hard = pair.setting("hard", None, |entry, mistakes| amount(unit)(entry, mistakes).map(Some));
        let (soft, span) = soft?;
        if let (Some(most), Origin::Written(other)) = (hard.value, &hard.origin)
            && soft > most
        {
            let message = format!("{0}.soft is above {0}.hard", pair.path());
            pair.mistakes().add(span, message).label(other.clone(), "`hard` is set here");
        }
        Some(Limit { soft, hard: hard.value })
    })
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
pub(super) fn size<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<u64> {
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
