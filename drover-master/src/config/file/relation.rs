//! `app.NAME.depends_on`: what has to be there before an app starts.

use std::ops::Range;

use crate::config::keys::CONDITIONS;
use crate::config::text::mistake::{Mistakes, key_shown, shown};
use crate::config::text::reader::{KeyValue, TableReader};
use crate::config::text::{suggest, value};
use crate::config::{AppSpec, Condition, Dependency, Kind};

/// Who depends on whom, and where it says so.
#[derive(Debug)]
pub(super) struct Relation<'t> {
    app: &'t str,
    on: &'t str,
    span: Range<usize>,
    condition: Option<Condition>,
}

/// Reads `depends_on` of an app. Whether the others exist is known once all are read: see [`check`].
pub(super) fn read<'t>(
    table: &mut TableReader<'t, '_>,
    app: &'t str,
    relations: &mut Vec<Relation<'t>>,
) -> Vec<Dependency> {
    let Some(entry) = table.entry("depends_on") else { return Vec::new() };
    if !entry.item.is_table_like() {
        let first = entry.item.as_array().and_then(|names| names.get(0)?.as_str()).or(entry.item.as_str());
        let first = key_shown(first.unwrap_or("db"));
        entry
            .mistype(table.mistakes(), "a table")
            .help(format!("write `depends_on = {{ {first} = \"ready\" }}`, or `\"completed\"`"));
        return Vec::new();
    }
    let rows = entry.rows(table.mistakes());
    rows.iter().filter_map(|row| dependency(row, app, relations, table.mistakes())).collect()
}

fn dependency<'t>(
    row: &KeyValue<'t>,
    app: &'t str,
    relations: &mut Vec<Relation<'t>>,
    mistakes: &mut Mistakes<'t>,
) -> Option<Dependency> {
    let condition = value::word(CONDITIONS.0)(row, mistakes);
    relations.push(Relation { app, on: row.name, span: row.key_span.clone(), condition });
    let condition = condition?;
    Some(Dependency { app: row.name.to_owned(), condition })
}

/// Notes dependencies on apps that there are not, and apps that wait for each other.
pub(super) fn check<'t>(mistakes: &mut Mistakes<'t>, relations: &[Relation<'t>], apps: &[&'t str]) {
    for Relation { app, on, span, .. } in relations.iter().filter(|relation| !apps.contains(&relation.on)) {
        let help = match suggest::suggest(on, apps.iter().copied()) {
            Some(known) => suggest::did_you_mean(known),
            None => format!("add `[app.{}]` with its `command`", key_shown(on)),
        };
        let message = format!("unknown app `{}` in app.{}.depends_on", shown(on), key_shown(app));
        mistakes.add(span.clone(), message).help(help);
    }
    let mut told: Vec<usize> = Vec::new();
    for index in 0..relations.len() {
        let Some(cycle) = cycle_from(relations, index) else { continue };
        if cycle.iter().any(|edge| told.contains(edge)) {
            continue;
        }
        tell(mistakes, relations, &cycle);
        told.extend(cycle);
    }
}

/// Notes who waits for the completion of an app that never completes: it is always restarted, or runs by a schedule.
pub(super) fn check_completions<'t>(
    mistakes: &mut Mistakes<'t>,
    relations: &[Relation<'t>],
    endless: &[&AppSpec],
) {
    for Relation { app, on, span, condition } in relations {
        let Some(other) = endless.iter().find(|other| other.name == *on) else { continue };
        if *condition != Some(Condition::Completed) {
            continue;
        }
        let (app, on) = (key_shown(app), key_shown(on));
        let (why, help) = match other.kind {
            Kind::Cron => ("runs again and again", "wait until it is \"ready\"".to_owned()),
            Kind::Service | Kind::Oneshot => (
                "is always restarted",
                format!("write `restart = \"on-failure\"` in [app.{on}], or wait until it is \"ready\""),
            ),
        };
        let message = format!("app.{app} would wait for ever: app.{on} {why}, so it never completes");
        mistakes.add(span.clone(), message).help(help);
    }
}

/// The shortest way by relations from one back to itself.
fn cycle_from(relations: &[Relation<'_>], first: usize) -> Option<Vec<usize>> {
    // Each relation is entered once, by the relation that led to it, so the search ends.
    let mut led_by: Vec<Option<usize>> = vec![None; relations.len()];
    let mut open = vec![first];
    let mut next = 0;
    while let Some(&edge) = open.get(next) {
        next += 1;
        if relations[edge].on == relations[first].app {
            let mut way = vec![edge];
            while let Some(before) = way.last().filter(|edge| **edge != first).and_then(|edge| led_by[*edge])
            {
                way.push(before);
            }
            way.reverse();
            return Some(way);
        }
        let onward = |other: &usize| relations[*other].app == relations[edge].on;
        for other in (0..relations.len()).filter(onward) {
            if other != first && led_by[other].is_none() {
                led_by[other] = Some(edge);
                open.push(other);
            }
        }
    }
    None
}

fn tell(mistakes: &mut Mistakes<'_>, relations: &[Relation<'_>], cycle: &[usize]) {
    let [first, others @ ..] = cycle else { return };
    let first = &relations[*first];
    if others.is_empty() {
        mistakes
            .add(first.span.clone(), format!("app `{}` waits for itself", shown(first.app)))
            .help("remove it");
        return;
    }
    let chain: String = cycle.iter().map(|edge| format!("{} → ", shown(relations[*edge].app))).collect();
    let message = format!("apps wait for each other: {chain}{}", shown(first.app));
    let mistake = mistakes.add(first.span.clone(), message);
    for edge in others {
        let Relation { app, on, span, .. } = &relations[*edge];
        mistake.label(span.clone(), format!("`{}` waits for `{}` here", shown(app), shown(on)));
    }
    mistake.help("none of them would ever start; remove one of these");
}
