//! The keys of what holds for all apps.

use std::time::Duration;

use super::field::Lens;
use super::http::HTTP;
use super::key::{Key, Pointless, keys};
use super::kind::Maybe;
use super::number::Time;
use super::text::MasterName;
use super::whole::Whole;
use super::words::Words;
use crate::config::{Description, Intensity, Strategy};

const AT_ITS_START: &str = "the master takes it when it starts";

pub(super) static KEYS: &[Key<Description>] = keys! { Description;
    "name" Master (fixed.name: Maybe(MasterName))
        "The name by which the other verbs find this master. Default: the directory's name."
        .because(AT_ITS_START);
    "http" Master (fixed.http: Maybe(HTTP))
        "Where the master serves metrics, health, an API and a page for people. Default: nowhere."
        .because(AT_ITS_START);
    "strategy" Live (&STRATEGY)
        "What to start again when an app fails for good while it runs. `one-for-one`: that app. `one-for-all`: all apps. `rest-for-one`: that app and those after it.";
    "intensity" Live (&INTENSITY)
        "How many failures within `period` are tolerated; one more ends everything."
        .needing(needs_strategy);
    "period" Live (&PERIOD)
        "The window in which failures count; more than zero."
        .needing(needs_strategy);
    "shutdown_timeout" Live (shutdown_timeout: Time::SOME)
        "How long the whole shutdown may take until what is left gets SIGKILL; more than zero. Too short cuts off apps that drain one after the other, too long lets a container's runtime kill it first.";
};

const STRATEGY: Lens<Description, Strategy, Words<Strategy>> = Lens {
    of: |all: &Description| all.strategy.with(Intensity::DEFAULT),
    set: |all, strategy: Strategy| {
        all.strategy = strategy.with(all.strategy.intensity().unwrap_or_default());
    },
    kind: STRATEGIES,
};

const INTENSITY: Lens<Description, Option<u32>, Maybe<Whole>> = Lens {
    of: |all: &Description| all.strategy.intensity().map(|known| known.count),
    set: |all, count| {
        let known = all.strategy.intensity().unwrap_or_default();
        all.strategy = all.strategy.with(Intensity { count: count.unwrap_or(known.count), ..known });
    },
    kind: Maybe(Whole(0, 100_000)),
};

const PERIOD: Lens<Description, Option<Duration>, Maybe<Time>> = Lens {
    of: |all: &Description| all.strategy.intensity().map(|known| known.period),
    set: |all, period| {
        let known = all.strategy.intensity().unwrap_or_default();
        all.strategy = all.strategy.with(Intensity { period: period.unwrap_or(known.period), ..known });
    },
    kind: Maybe(Time::SOME),
};

const STRATEGIES: Words<Strategy> = Words(&[
    ("none", Strategy::None),
    ("one-for-one", Strategy::OneForOne(Intensity::DEFAULT)),
    ("one-for-all", Strategy::OneForAll(Intensity::DEFAULT)),
    ("rest-for-one", Strategy::RestForOne(Intensity::DEFAULT)),
]);

fn needs_strategy(all: &Description) -> Option<Pointless> {
    let help = "leave it out, or set `strategy`, for example to `\"one-for-one\"`";
    (all.strategy == Strategy::None).then_some(("has no meaning without a strategy", help))
}
