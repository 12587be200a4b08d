//! The keys of what holds for all apps.

use ChangeClass::{Live, Master};

use super::field::{Computed, at};
use super::form::Form;
use super::kind::Time;
use super::{Key, shown};
use crate::config::{ChangeClass, Description, Intensity, Strategy};

pub(super) static KEYS: &[Key<Description>] = &[
    Key::new(
        "name",
        Master,
        &Computed {
            is_same: |old: &Description, new| old.fixed == new.fixed,
            take: |into, from| into.fixed.clone_from(&from.fixed),
            shown: |all| {
                all.fixed.iter().find(|(key, _)| *key == "master.name").map(|(_, name)| name.clone())
            },
            form: || Form::Pattern("^[A-Za-z0-9._-]{1,64}$"),
        },
        "Its name, by which the other verbs find it. Default: the directory's name.",
    )
    .because("the master takes it when it starts"),
    Key::new(
        "strategy",
        Live,
        &Computed {
            is_same: |old: &Description, new| strategy(old) == strategy(new),
            take: take_strategy,
            shown: |all| Some(strategy(all).to_owned()),
            form: || Form::Word(vec!["none", "one-for-one", "one-for-all", "rest-for-one"]),
        },
        "What follows when an app fails for good while it runs. `one-for-one`: it is started again. `one-for-all`: all are. `rest-for-one`: it and those after it are.",
    ),
    Key::new(
        "intensity",
        Live,
        &Computed {
            is_same: |old: &Description, new| is_same(old, new, |known| known.count),
            take: take_strategy,
            shown: |all| all.strategy.intensity().map(|known| known.count.to_string()),
            form: || Form::Whole(0, 100_000),
        },
        "So many failures within `period` are borne; one more ends everything.",
    ),
    Key::new(
        "period",
        Live,
        &Computed {
            is_same: |old: &Description, new| is_same(old, new, |known| known.period),
            take: take_strategy,
            shown: |all| all.strategy.intensity().map(|known| shown::duration(known.period)),
            form: || Form::Time(std::time::Duration::from_millis(1)),
        },
        "The window in which failures count; more than zero.",
    ),
    Key::new(
        "shutdown_timeout",
        Live,
        at!(Description, shutdown_timeout, Time::SOME),
        "From the begin of the end to SIGKILL for all that is left; more than zero. Too short cuts off apps that drain one after the other, too long lets a container's runtime kill first.",
    ),
];

fn strategy(all: &Description) -> &'static str {
    match all.strategy {
        Strategy::None => "none",
        Strategy::OneForOne(_) => "one-for-one",
        Strategy::OneForAll(_) => "one-for-all",
        Strategy::RestForOne(_) => "rest-for-one",
    }
}

fn take_strategy(into: &mut Description, from: &Description) {
    into.strategy = from.strategy;
}

/// Whether the same of the intensity holds; a strategy that comes or goes is one difference, not three.
fn is_same<T: PartialEq>(old: &Description, new: &Description, pick: fn(Intensity) -> T) -> bool {
    match (old.strategy.intensity(), new.strategy.intensity()) {
        (Some(old), Some(new)) => pick(old) == pick(new),
        _ => true,
    }
}
