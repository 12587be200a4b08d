//! `[master]`.

use crate::config::{Intensity, Strategy};

use super::model::Master;
use super::reader::{Origin, Reader};
use super::value;

/// Makes a strategy of how often it may be used.
type Make = fn(Intensity) -> Strategy;

const STRATEGIES: &[(&str, Make)] = &[
    ("none", |_| Strategy::None),
    ("one-for-one", Strategy::OneForOne),
    ("one-for-all", Strategy::OneForAll),
    ("rest-for-one", Strategy::RestForOne),
];

/// Reads `[master]`.
pub(super) fn read(table: &mut Reader<'_, '_>) -> Master {
    let default = Master::default();
    Master {
        name: table.optional("name", value::name),
        shutdown_timeout: table
            .setting("shutdown_timeout", default.shutdown_timeout, value::some_duration)
            .value,
        strategy: strategy(table),
    }
}

fn strategy(table: &mut Reader<'_, '_>) -> Strategy {
    let none: Make = |_| Strategy::None;
    let make = table.setting("strategy", none, value::word(STRATEGIES));
    let default = Intensity::default();
    let count = table.setting("intensity", default.count, value::whole(0..=100_000));
    let period = table.setting("period", default.period, value::some_duration);
    let strategy = (make.value)(Intensity { count: count.value, period: period.value });
    if strategy == Strategy::None && make.origin != Origin::Mistaken {
        for (key, origin) in [(count.key, count.origin), (period.key, period.origin)] {
            if let Origin::Written(span) = origin {
                table
                    .mistakes()
                    .add(span, format!("master.{key} has no meaning without a strategy"))
                    .help("leave it out, or set `strategy`, for example to `\"one-for-one\"`");
            }
        }
    }
    strategy
}
